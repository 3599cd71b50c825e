"""Fusion of the detections on several pictures of one image, by weighted boxes fusion.

Source: Solovyev, Wang, Gabruseva: "Weighted boxes fusion: Ensembling boxes from different object detection models"
(Image and Vision Computing, 2021), in the authors' package ``ensemble-boxes``.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

IOU = 0.55  # boxes of one class that overlap more are one object; the authors' default
MOST = 300  # detections kept per image, best first, as detectors keep


def fused_detections(each: Sequence[Sequence[Mapping[str, Any]]], width: int, height: int) -> list[dict[str, Any]]:
    """Fuse COCO results (``category_id``, ``bbox`` xywh in pixels, ``score``) of several pictures of one image.

    Boxes of one class with IoU above :data:`IOU` become their mean, weighted by score; its score is the mean over the
    pictures, where a picture without the object counts 0. Boxes are clipped to the image.

    Args:
        each: detections on each picture.
        width, height: of the image, pixels.

    Returns:
        At most :data:`MOST` results, best first.
    """
    from ensemble_boxes import weighted_boxes_fusion

    size = np.array([width, height, width, height], dtype=np.float64)
    boxes = [_corners(found) / size for found in each]
    scores = [np.array([one["score"] for one in found], dtype=np.float64) for found in each]
    labels = [np.array([one["category_id"] for one in found], dtype=np.float64) for found in each]
    with warnings.catch_warnings():  # of boxes without area, which it leaves out
        warnings.simplefilter("ignore")
        fused, certain, classes = weighted_boxes_fusion(boxes, scores, labels, iou_thr=IOU, skip_box_thr=0.0)
    order = np.argsort(-certain, kind="stable")[:MOST]
    corners = np.asarray(fused, dtype=np.float64).reshape(-1, 4)[order] * size
    return [
        {
            "category_id": int(category),
            "bbox": [left, top, right - left, bottom - top],
            "score": float(score),
        }
        for (left, top, right, bottom), score, category in zip(
            corners.tolist(), certain[order], np.asarray(classes)[order], strict=True
        )
    ]


def _corners(found: Sequence[Mapping[str, Any]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    boxes = np.array([one["bbox"] for one in found], dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes
