"""A metric."""

from __future__ import annotations

import torch
from torchvision.ops import box_iou

from sgz_bench.tasks.detection.types import Detections, Truth
from sgz_bench.tasks.metric import Metric


class Found(Metric):
    """Share of an image's labelled boxes that a detection of any class covers."""

    name = "my-found"
    task = "detection"
    unit = "%"
    better = "higher"
    summary = "share of labelled boxes that any detection scored conf or more covers with IoU iou"

    def __init__(self, conf: float = 0.25, iou: float = 0.5) -> None:
        self.conf, self.iou = conf, iou

    def measure(self, prediction: Detections, truth: Truth) -> float | None:
        """Return the share, or None to leave the image out of the mean; boxes are ``(N, 4)`` xyxy in pixels."""
        boxes = prediction.boxes[prediction.scores >= self.conf]
        if len(truth) == 0 or len(boxes) == 0:
            return 0.0 if len(truth) else None
        overlap = box_iou(torch.from_numpy(truth.boxes), torch.from_numpy(boxes))
        return float((overlap.amax(dim=1) >= self.iou).double().mean())
