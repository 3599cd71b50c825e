"""Semantic segmentation: data sets, segmenters, metrics, training."""
