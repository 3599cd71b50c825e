"""NanoDet and PicoDet: class scores and, for each side of a box, a distribution over distances, for every cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .anchors import grid
from .base import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Array,
    Candidates,
    Floats,
    Layout,
    Output,
    Preprocessing,
    Reading,
    activated,
    are_probabilities,
    cells,
)

_MEAN, _STD = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)  # BGR, 0–255
_PLUS = Preprocessing("stretch", scale=1, mean=_MEAN, std=_STD, bgr=True)
_NANODET = Preprocessing("letterbox", scale=1, mean=_MEAN, std=_STD, bgr=True, pad=0)
_STRIDES = (8, 16, 32, 64)


class _Heads(NamedTuple):
    """Outputs in the order of levels."""

    scores: list[int]
    distances: list[int]
    classes: int


class NanoDet(Layout):
    """NanoDet (RangiLyu): scores ``(1, cells, C)`` and distances ``(1, cells, 4 · bins)`` for strides 8, 16 and 32.

    A distance is the mean of the bin numbers under a softmax, times the stride, from the centre of the cell (upstream
    ``nanodet/model/head/gfl_head.py``). The input is BGR, normalised on 0–255, with its aspect ratio kept on black.
    """

    name, summary = "nanodet", "scores (1, cells, classes) and distances (1, cells, 32) for strides 8, 16, 32"
    levels: tuple[int, ...] = (3,)
    input = _NANODET
    centre = 0.5  # of a cell, in strides

    def read(self, outputs: Sequence[Output], size: tuple[int, int], *, strict: bool) -> Reading | None:
        for count in self.levels:
            heads = _heads(outputs, cells(size, _STRIDES[:count]))
            if heads is not None:
                roles = {f"scores{level}": index for level, index in enumerate(heads.scores)}
                roles |= {f"distances{level}": index for level, index in enumerate(heads.distances)}
                values = np.concatenate([outputs[index].array.ravel() for index in heads.scores])
                return Reading(
                    roles,
                    self.input,
                    classes=heads.classes,
                    activation="none" if are_probabilities(values) else "sigmoid",
                    nms_iou=0.6,
                    why=f"heads of strides {', '.join(map(str, _STRIDES[:count]))}",
                )
        return None

    def decode(self, arrays: dict[str, Array], size: tuple[int, int], reading: Reading) -> Candidates:
        count = sum(role.startswith("scores") for role in arrays)
        scores = np.concatenate([arrays[f"scores{level}"][0] for level in range(count)])
        distances = np.concatenate([arrays[f"distances{level}"][0] for level in range(count)])
        return Candidates(self._boxes(distances, size, count), activated(scores, reading.activation))

    def _boxes(self, distances: Floats, size: tuple[int, int], levels: int) -> Floats:
        corner, stride = grid(size, _STRIDES[:levels])
        shares = activated(distances.reshape(len(distances), 4, -1), "softmax")
        sides = (shares * np.arange(shares.shape[2], dtype=np.float32)).sum(axis=2) * stride
        centre = (corner + self.centre) * stride
        boxes = np.concatenate([centre - sides[:, :2], centre + sides[:, 2:]], axis=1)
        return np.asarray(np.clip(boxes, 0, [size[1], size[0], size[1], size[0]]), dtype=np.float32)


class PicoDet(NanoDet):
    """PicoDet (PaddleDetection) without its postprocessing: as NanoDet, with strides 8 to 64 and ImageNet's RGB."""

    name, summary = "picodet", "scores (1, cells, classes) and distances (1, cells, 32) for strides 8, 16, 32, 64"
    levels = (4,)
    input = Preprocessing("stretch", mean=IMAGENET_MEAN, std=IMAGENET_STD)


class NanoDetPlus(NanoDet):
    """NanoDet-Plus: one output ``(1, cells, C + 4 · 8)`` for strides 8 to 64, from the corners of cells; stretched."""

    name, summary = "nanodet-plus", "(1, cells, classes + 32) for strides 8, 16, 32, 64"
    centre = 0.0

    def read(self, outputs: Sequence[Output], size: tuple[int, int], *, strict: bool) -> Reading | None:
        if len(outputs) != 1 or outputs[0].array.ndim != 3:
            return None
        _, count, columns = outputs[0].array.shape
        if count != sum(cells(size, _STRIDES)) or columns < 33:
            return None
        activation = "none" if are_probabilities(outputs[0].array[..., :-32]) else "sigmoid"
        return Reading(
            {"heads": 0}, _PLUS, classes=columns - 32, activation=activation, nms_iou=0.6, why=f"{(count, columns)}"
        )

    def decode(self, arrays: dict[str, Array], size: tuple[int, int], reading: Reading) -> Candidates:
        heads = arrays["heads"][0]
        return Candidates(self._boxes(heads[:, -32:], size, 4), activated(heads[:, :-32], reading.activation))


def _heads(outputs: Sequence[Output], counts: Sequence[int]) -> _Heads | None:
    """Assign outputs ``(1, cells, columns)`` to levels; of two for a level, distances have 4 · bins columns."""
    if len(outputs) != 2 * len(counts) or any(each.array.ndim != 3 for each in outputs):
        return None
    scores, distances = [], []
    for count in counts:
        level = [index for index, each in enumerate(outputs) if each.array.shape[1] == count]
        if len(level) != 2:
            return None
        first, second = level
        sides = [index for index in (second, first) if outputs[index].array.shape[2] in {32, 68}]
        if not sides:
            return None
        distances.append(sides[0])
        scores.append(second if sides[0] == first else first)
    widths = {outputs[index].array.shape[2] for index in scores}
    return _Heads(scores, distances, widths.pop()) if len(widths) == 1 else None
