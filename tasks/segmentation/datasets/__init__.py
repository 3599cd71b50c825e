"""Segmentation data sets through one interface: ACDC, Dark Zurich, Cityscapes, CamVid, folders, plugins and more."""

from __future__ import annotations

from .base import fingerprint
from .catalog import DATASETS, load_dataset
from .labels import read_invalid, read_labels

__all__ = ["DATASETS", "fingerprint", "load_dataset", "read_invalid", "read_labels"]
