"""What every detector is: 8-bit RGB images in, boxes in their pixels out."""

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
        """Find objects in RGB uint8 ``(H, W, 3)`` images, each by itself unless the model's ``batch`` is more."""


class Settings(NamedTuple):
    """Inference settings that have been checked; None is the model's own."""

    conf: float | None
    nms_iou: float | None
    max_det: int | None
    imgsz: int | None = None

    @staticmethod
    def checked(
        family: str, conf: object = None, nms_iou: object = None, max_det: object = None, imgsz: object = None
    ) -> Settings:
        """Check what a spec gave.

        Raises:
            UserError: a value of the wrong kind or out of range.
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
    """Detections by descending score (equal scores keep their order), the first ``max_det`` of them."""
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
        conf: scores that are not above this are dropped.
        nms_iou: boxes of one class that overlap more than this are dropped in favour of the better one.
        multi_label: a box stands for every class whose score is above ``conf`` instead of for its best one.

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
