"""Classical enhancers without learned weights."""
