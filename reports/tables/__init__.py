"""Tables of studies, and the formats in which they are written."""
