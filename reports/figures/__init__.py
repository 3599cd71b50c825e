"""Figures of a study and their style."""
