"""Segmentation metrics as reductions of per-image confusion matrices; no images, model or data set needed."""

from __future__ import annotations

from .confusion import ConfusionTable, confusion_matrix, image_iou
from .uncertainty import THRESHOLDS, uncertain_counts

METRIC_VERSION = 1  # raise it when any number computed here changes its meaning

__all__ = ["METRIC_VERSION", "THRESHOLDS", "ConfusionTable", "confusion_matrix", "image_iou", "uncertain_counts"]
