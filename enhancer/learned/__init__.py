"""Learned rivals of SGZ, which read their upstream's checkpoints."""
