"""Figures of studies, their catalog and their style."""
