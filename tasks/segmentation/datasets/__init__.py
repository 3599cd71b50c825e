"""Segmentation data sets: ACDC so far."""
