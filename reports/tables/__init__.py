"""Tables of a study, and the forms they are written in."""
