"""Verdicts on boxes: correct and false predictions, found and missed objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["truth", "correct", "false", "missed"]
XYWH = tuple[float, float, float, float]


@dataclass(frozen=True)
class Box:
    """Box to draw: ``xywh`` in pixels; only predictions have a score."""

    verdict: Verdict
    xywh: XYWH
    category: int
    score: float | None = None


def match_boxes(truth: Sequence[dict[str, Any]], predictions: Sequence[dict[str, Any]], iou: float = 0.5) -> list[Box]:
    """Match one image's COCO predictions with its COCO annotations, as scoring does.

    In descending order of score, each prediction takes the unmatched box of its class with the largest overlap, if that
    is ``iou`` or more. Predictions on a crowd region are neither correct nor false; they are left out, as are crowd
    regions.

    Returns:
        Boxes in drawing order: found objects (``truth``), then ``missed``, ``false`` and ``correct``.
    """
    free = [each for each in truth if not each.get("iscrowd")]
    crowds = [each for each in truth if each.get("iscrowd")]
    objects: list[Box] = []
    correct: list[Box] = []
    false: list[Box] = []
    for one in sorted(predictions, key=lambda each: -each["score"]):
        box, category, score = _xywh(one), int(one["category_id"]), float(one["score"])
        near = [
            (overlap, -index)
            for index, each in enumerate(free)
            if each["category_id"] == category and (overlap := _iou(box, _xywh(each))) >= iou
        ]
        if near:
            match = free.pop(-max(near)[1])
            objects.append(Box("truth", _xywh(match), category))
            correct.append(Box("correct", box, category, score))
        elif not any(each["category_id"] == category and _inside(box, _xywh(each)) >= iou for each in crowds):
            false.append(Box("false", box, category, score))
    return objects + [Box("missed", _xywh(each), int(each["category_id"])) for each in free] + false + correct


def _xywh(record: dict[str, Any]) -> XYWH:
    x, y, width, height = (float(value) for value in record["bbox"])
    return x, y, width, height


def _overlap(a: XYWH, b: XYWH) -> float:
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    down = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(across, 0.0) * max(down, 0.0)


def _iou(a: XYWH, b: XYWH) -> float:
    union = a[2] * a[3] + b[2] * b[3] - _overlap(a, b)
    return _overlap(a, b) / union if union > 0 else 0.0


def _inside(a: XYWH, region: XYWH) -> float:
    return _overlap(a, region) / (a[2] * a[3]) if a[2] * a[3] > 0 else 0.0
