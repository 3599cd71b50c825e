"""Detection data sets through one interface: ExDark, COCO JSON, YOLO, plugins."""

from __future__ import annotations

from .base import fingerprint
from .catalog import DATASETS, load_dataset

__all__ = ["DATASETS", "fingerprint", "load_dataset"]
