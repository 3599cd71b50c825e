"""Segmentation metrics as reductions of per-image confusion matrices."""
