"""Base of detectors: 8-bit RGB images in, boxes in image pixels out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError
from sgz_bench.core.parameters import integer, number

from ...models import Model
from ...types import Image
from ..types import Detections


class Detector(Model):
    """Base of all detectors."""

    @abstractmethod
    def predict(self, images: Sequence[Image]) -> list[Detections]:
        """Detect objects in RGB uint8 ``(H, W, 3)`` images, one by one unless the model's ``batch`` is above 1."""


class Settings(NamedTuple):
    """Checked inference settings; None keeps the model's own."""

    conf: float | None
    nms_iou: float | None
    max_det: int | None
    imgsz: int | None = None

    @staticmethod
    def checked(
        family: str, conf: object = None, nms_iou: object = None, max_det: object = None, imgsz: object = None
    ) -> Settings:
        """Return checked values of a spec.

        Raises:
            UserError: a value has the wrong type or is out of range.
        """
        if imgsz is not None and integer(family, "imgsz", imgsz, 32, 8192) % 32:
            raise UserError(f"{family}: imgsz must be a multiple of 32, got {imgsz!r}")
        return Settings(
            None if conf is None else number(family, "conf", conf, 0, 0.999),
            None if nms_iou is None else number(family, "nms_iou", nms_iou, 0.01, 1),
            None if max_det is None else integer(family, "max_det", max_det, 1, 100_000),
            None if imgsz is None else integer(family, "imgsz", imgsz, 32, 8192),
        )


def best_first(
    boxes: NDArray[np.float64], scores: NDArray[np.float64], class_ids: NDArray[np.int64], max_det: int
) -> Detections:
    """Return the best ``max_det`` detections by descending score; equal scores keep their order."""
    order = np.argsort(-scores, kind="stable")[:max_det]
    return Detections(
        boxes[order].astype(np.float64), scores[order].astype(np.float64), class_ids[order].astype(np.int64)
    )


def class_aware_nms(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], conf: float, nms_iou: float, multi_label: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Greedy NMS within each class.

    Args:
        boxes: ``(N, 4)`` xyxy.
        scores: ``(N, C)``.
        conf: scores must exceed this.
        nms_iou: of two boxes of one class with IoU above this, the worse one is dropped.
        multi_label: True reports a box for every class with a score above ``conf``, False for its best class only.

    Returns:
        ``(M, 4)`` boxes, ``(M,)`` scores, ``(M,)`` class ids, in descending order of score.
    """
    from torchvision.ops import batched_nms

    if multi_label:
        rows, classes = np.nonzero(scores > conf)
    else:
        rows = np.flatnonzero(scores.max(axis=1) > conf)
        classes = scores[rows].argmax(axis=1)
    picked_boxes, picked_scores = boxes[rows].astype(np.float32), scores[rows, classes].astype(np.float32)
    keep = batched_nms(
        torch.from_numpy(picked_boxes), torch.from_numpy(picked_scores), torch.from_numpy(classes), nms_iou
    ).numpy()
    return (
        picked_boxes[keep].astype(np.float64),
        picked_scores[keep].astype(np.float64),
        classes[keep].astype(np.int64),
    )
