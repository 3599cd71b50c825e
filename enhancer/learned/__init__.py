"""Learned enhancers other than SGZ; they read their upstream's checkpoints."""
