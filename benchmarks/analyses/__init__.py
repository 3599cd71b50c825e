"""Analyses of a finished run: costs, detection errors, tone curves, gallery."""
