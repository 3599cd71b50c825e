"""Doubts about boxes as a whole: numbers that were written in another form than the layout's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..types import Problem
from .types import Sample

_FAR = 0.1  # of the image's side: labelled boxes that cross the border reach out by a few pixels
_MANY_FAR = 0.1  # of the boxes
_PIXEL = 1.01  # the corner of a box at the right border is a fraction of 1, rounded
_MOST = 0.9  # of the boxes
_FEW = 3  # boxes that are no pattern yet


def implausible(split: str, samples: Sequence[Sample]) -> list[Problem]:
    """Return a doubt for each way in which the truth of a split looks wrong; crowd regions are not looked at."""
    boxes = [sample.truth.boxes[~sample.truth.crowd] for sample in samples]
    sizes = [
        np.broadcast_to((sample.width, sample.height), (len(each), 2))
        for sample, each in zip(samples, boxes, strict=True)
    ]
    reason = implausible_boxes(np.concatenate(boxes), np.concatenate(sizes)) if samples else ""
    return [Problem(split, reason, doubt=True)] if reason else []


def rotation_doubt(where: str, count: int) -> Problem:
    """Return the doubt about boxes that a tool wrote without the rotation that it keeps beside them."""
    boxes = "1 box has" if count == 1 else f"{count} boxes have"
    what = f"{boxes} a `rotation`, as CVAT writes, which is not applied; draw boxes upright, or export polygons"
    return Problem(where, what, doubt=True)


def implausible_boxes(boxes: NDArray[np.float64], sizes: NDArray[np.number]) -> str:
    """Explain why boxes cannot be right as a whole; empty if they may be.

    Args:
        boxes: ``(N, 4)`` xyxy in pixels, labelled or predicted.
        sizes: ``(N, 2)`` width and height of each box's image in pixels.
    """
    if not len(boxes):
        return ""
    sides = boxes[:, 2:] - boxes[:, :2]
    tiny = (sides <= _PIXEL).all(axis=1)
    if tiny.mean() > _MOST:
        of_all = f"all {len(boxes)}" if tiny.all() else f"{int(tiny.sum())} of {len(boxes)}"
        count = "the only box is" if len(boxes) == 1 else f"{of_all} boxes are"
        near = (boxes[tiny, 2:] <= 2).all()  # in the corner of the image
        why = (
            "fractions of the image written where pixels are expected?" if near else "labels of another form or scale?"
        )
        return f"{count} smaller than one pixel; {why}"
    far = ((boxes[:, :2] < -_FAR * sizes) | (boxes[:, 2:] > (1 + _FAR) * sizes)).any(axis=1)
    if far.sum() >= max(_FEW, _MANY_FAR * len(boxes)):
        return (
            f"{int(far.sum())} of {len(boxes)} boxes reach far out of their images; corners (x1 y1 x2 y2) written "
            "where a size is expected (x y w h), or labels of images of another size?"
        )
    return ""
