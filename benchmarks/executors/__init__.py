"""Executors: prepared jobs in, one record per image out."""
