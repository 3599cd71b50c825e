"""Bounding boxes of COCO segmentations, for annotations without a ``bbox``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .values import as_number

_LARGEST_SIDE = 1 << 20


def box_of(segmentation: Any) -> list[float]:
    """Return the bounding box, xywh in pixels, of polygons or of a run-length code, plain or compressed.

    The box of a run-length code is that of pycocotools' ``toBbox``: whole pixels, the last one included.

    Raises:
        ValueError: it is neither, or holds no pixel.
    """
    if isinstance(segmentation, Mapping):
        return _box_of_runs(segmentation)
    if not isinstance(segmentation, list) or not segmentation:
        raise ValueError("the segmentation holds no polygon")
    polygons = segmentation if isinstance(segmentation[0], list) else [segmentation]
    xs, ys = [], []
    for polygon in polygons:
        if not isinstance(polygon, list):
            raise ValueError("the segmentation is not a list of polygons")
        points = polygon
        if polygon and isinstance(polygon[0], list):  # [[x, y], …] in place of [x, y, …]
            points = [side for point in polygon if isinstance(point, list) for side in point]
        if len(points) < 4 or len(points) % 2:
            raise ValueError(f"a polygon of the segmentation has {len(points)} coordinates")
        xs += [as_number(side) for side in points[::2]]
        ys += [as_number(side) for side in points[1::2]]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def _box_of_runs(code: Mapping[str, Any]) -> list[float]:
    size, counts = code.get("size"), code.get("counts")
    if not isinstance(size, list) or len(size) != 2:
        raise ValueError("the run-length code has no size [height, width]")
    height, width = (_whole(side) for side in size)
    if not (0 < height <= _LARGEST_SIDE and 0 < width <= _LARGEST_SIDE):
        raise ValueError(f"the run-length code has the size {height}, {width}")
    runs = _unpack(counts) if isinstance(counts, str) else [_whole(run) for run in _listed(counts)]
    if min(runs, default=0) < 0 or sum(runs) != height * width:
        raise ValueError(f"the run-length code does not fill its {height} × {width} pixels")
    ends = np.cumsum(np.array(runs, dtype=np.int64))
    first, last = ends[:-1:2], ends[1::2] - 1  # of each run of pixels, column by column
    first, last = first[first <= last], last[first <= last]
    if not len(first):
        raise ValueError("the run-length code holds no pixel")
    left, right = int(first[0] // height), int(last[-1] // height)
    spans = first // height != last // height  # a run over a column's end holds its last and the next one's first pixel
    top = 0 if spans.any() else int((first % height).min())
    bottom = height - 1 if spans.any() else int((last % height).max())
    return [float(left), float(top), float(right - left + 1), float(bottom - top + 1)]


def _whole(value: Any) -> int:
    number = as_number(value)
    if not number.is_integer():
        raise ValueError(f"the run-length code has the number {number}")
    return int(number)


def _listed(counts: Any) -> list[Any]:
    if not isinstance(counts, list):
        raise ValueError("the run-length code has no counts")
    return counts


def _unpack(text: str) -> list[int]:
    """Unpack COCO's compressed counts (``rleFrString`` in cocoapi's maskApi.c)."""
    runs: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or shift > 60:
            raise ValueError("the run-length code is damaged")
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            if code & 16:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError("the run-length code is cut short")
    return runs
