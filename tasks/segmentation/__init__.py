"""Semantic segmentation: data sets so far."""
