"""Dense heads: a box and class scores for every anchor, before NMS."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .base import (
    FRACTIONS,
    Array,
    Candidates,
    Floats,
    Layout,
    Output,
    Preprocessing,
    Reading,
    activated,
    anchor_count,
    are_probabilities,
)

_STRIDES = (8, 16, 32)


class YoloV5(Layout):
    """YOLOv5 to YOLOv7 (Ultralytics, Meituan, WongKinYiu): ``(1, N, 5 + C)``, decoded.

    Columns are centre x, centre y, width, height in pixels, objectness, class scores; a class's score is the product.
    """

    name, summary = "yolov5", "(1, N, 5 + classes)"

    def read(self, outputs: Sequence[Output], size: tuple[int, int], *, strict: bool) -> Reading | None:
        index = _dense(outputs, size, strict)
        if index is None:
            return None
        array = outputs[index].array[0]
        if array.shape[1] < 6 or not are_probabilities(array[:, 4:]):
            return None  # raw heads, before their sigmoid
        if strict and anchor_count(len(array), size) == (1, 3) and not (array[:, 4] == 1).all():
            return None  # one anchor per cell is YOLOX, except for YOLOv6, whose objectness is 1
        unit = "fractions" if array[:, :4].max() <= FRACTIONS else "pixels"
        return Reading({"rows": index}, classes=array.shape[1] - 5, boxes="cxcywh", unit=unit, why=f"{array.shape}")

    def decode(self, arrays: dict[str, Array], size: tuple[int, int], reading: Reading) -> Candidates:
        rows = arrays["rows"].reshape(-1, arrays["rows"].shape[-1])
        return Candidates(rows[:, :4], rows[:, 4:5] * rows[:, 5:])


class Yolox(Layout):
    """YOLOX: ``(1, N, 5 + C)`` with one anchor per cell, decoded or not.

    The input is BGR 0–255, padded at right and bottom (upstream ``yolox/data/data_augment.py``, ``preproc``).
    """

    name, summary = "yolox", "(1, N, 5 + classes), one anchor per cell"

    def read(self, outputs: Sequence[Output], size: tuple[int, int], *, strict: bool) -> Reading | None:
        index = _dense(outputs, size, strict)
        if index is None:
            return None
        array = outputs[index].array[0]
        if anchor_count(len(array), size) != (1, 3) or (strict and (array[:, 4] == 1).all()):
            return None
        taken = Preprocessing("corner", scale=1, bgr=True)
        # Decoded centres span the input; undecoded ones are offsets of a few cells.
        role = "rows" if array[:, :2].max() > max(size) / 2 else "offsets"
        return Reading({role: index}, taken, classes=array.shape[1] - 5, boxes="cxcywh", why=f"{array.shape}")

    def decode(self, arrays: dict[str, Array], size: tuple[int, int], reading: Reading) -> Candidates:
        rows = next(iter(arrays.values()))[0]
        boxes = rows[:, :4]
        if "offsets" in arrays:
            corner, stride = grid(size, _STRIDES)
            boxes = np.concatenate([(boxes[:, :2] + corner) * stride, np.exp(boxes[:, 2:]) * stride], axis=1)
        return Candidates(boxes, rows[:, 4:5] * rows[:, 5:])


class YoloV8(Layout):
    """YOLOv8 and later without NMS, from exporters that leave Ultralytics' metadata out: ``(1, 4 + C, N)``."""

    name, summary = "yolov8", "(1, 4 + classes, N)"

    def read(self, outputs: Sequence[Output], size: tuple[int, int], *, strict: bool) -> Reading | None:
        for index, (_, array) in enumerate(outputs):
            if array.ndim == 3 and 5 <= array.shape[1] < array.shape[2] and are_probabilities(array[:, 4:]):
                count = anchor_count(array.shape[2], size)
                if strict and count is None:
                    continue
                unit = "fractions" if array[:, :4].max() <= FRACTIONS else "pixels"
                shape = array.shape[1:]
                return Reading({"columns": index}, classes=shape[0] - 4, boxes="cxcywh", unit=unit, why=f"{shape}")
        return None

    def decode(self, arrays: dict[str, Array], size: tuple[int, int], reading: Reading) -> Candidates:
        rows = arrays["columns"][0].T
        return Candidates(rows[:, :4], rows[:, 4:])


class BoxesScores(Layout):
    """Boxes ``(1, N, 4)`` and class scores ``(1, N, C)`` or ``(1, C, N)`` as two outputs, before NMS.

    Objectness ``(1, N, 1)`` may be a third output. A first column more than there are names is the background.
    """

    name, summary = "boxes-scores", "boxes (1, N, 4) and scores (1, N, classes)"

    def read(self, outputs: Sequence[Output], size: tuple[int, int], *, strict: bool) -> Reading | None:
        shaped = [(index, each.name, _flat(each.array)) for index, each in enumerate(outputs)]
        known = [(index, name, array) for index, name, array in shaped if array is not None and len(array) > 1]
        boxes = [each for each in known if each[2].shape[1] == 4]
        named = [each for each in boxes if "box" in each[1] or "loc" in each[1] or "bbox" in each[1]]
        boxes = named or boxes
        if not boxes:
            return None
        slot, _, corners = boxes[0]
        others = [(index, name, array) for index, name, array in shaped if array is not None and index != slot]
        count = len(corners)
        ones = [index for index, _, array in others if array.shape == (count, 1)]
        fitting = [each for each in others if count in each[2].shape and each[2].shape != (count, 1)]
        scores = [each for each in fitting if "score" in each[1] or "conf" in each[1] or "cls" in each[1]] or fitting
        roles = {"boxes": slot}
        if scores:
            index, _, values = scores[0]
            values = values if len(values) == count else values.T
            roles |= {"scores": index} | ({"objectness": ones[0]} if ones else {})
        elif ones:
            roles["scores"] = ones[0]
            values = next(array for index, _, array in others if index == ones[0])
        else:
            return None
        unit = "fractions" if np.abs(corners).max() <= FRACTIONS else "pixels"
        ordered = float((corners[:, 2:] >= corners[:, :2]).all(axis=1).mean())
        return Reading(
            roles,
            classes=values.shape[1],
            boxes="xyxy" if ordered > 0.98 else "cxcywh",
            unit=unit,
            activation="none" if are_probabilities(values) else "sigmoid",
            background="either",
            why=f"{outputs[slot].name} {corners.shape} and {outputs[roles['scores']].name} {values.shape}",
        )

    def decode(self, arrays: dict[str, Array], size: tuple[int, int], reading: Reading) -> Candidates:
        boxes, scores = _flat(arrays["boxes"]), _flat(arrays["scores"])
        assert boxes is not None
        assert scores is not None
        scores = activated(scores if len(scores) == len(boxes) else scores.T, reading.activation)
        if "objectness" in arrays:
            scores = scores * activated(arrays["objectness"].reshape(-1, 1), reading.activation)
        return Candidates(boxes, scores)


def grid(size: tuple[int, int], strides: Sequence[int]) -> tuple[Floats, Floats]:
    """Return cell corners ``(cells, 2)`` in cells and strides ``(cells, 1)`` in pixels, in the order of ``strides``."""
    corners, scale = [], []
    for stride in strides:
        rows, columns = np.mgrid[: -(-size[0] // stride), : -(-size[1] // stride)]
        corners.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        scale.append(np.full((rows.size, 1), stride))
    return np.concatenate(corners).astype(np.float32), np.concatenate(scale).astype(np.float32)


def _dense(outputs: Sequence[Output], size: tuple[int, int], strict: bool) -> int | None:
    """Return the index of an output ``(1, anchors, columns)``; further outputs are the same heads undecoded."""
    for index, (_, array) in enumerate(outputs):
        if array.ndim == 3 and array.shape[0] == 1 and array.shape[2] >= 6:
            count = anchor_count(array.shape[1], size)
            levels = count is not None and not (count[0] == 1 and count[1] == 4)  # that is NanoDet-Plus
            if levels or (not strict and array.shape[1] > 0):
                return index
    return None


def _flat(array: Array) -> Floats | None:
    """Return ``(1, N, C)`` or ``(1, N, 1, C)`` as ``(N, C)``; None for other shapes."""
    if array.dtype.kind != "f" or array.ndim not in {3, 4} or array.shape[0] != 1:
        return None
    if array.ndim == 4:
        if array.shape[2] != 1:
            return None
        array = array[:, :, 0]
    return np.asarray(array[0], dtype=np.float32)
