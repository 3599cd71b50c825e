"""Finished detections: one row per box, or boxes, class ids and scores as separate outputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .base import FRACTIONS, Array, Candidates, Floats, Layout, Output, Preprocessing, Reading, anchor_count


class Rows(Layout):
    """Rows ``x1, y1, x2, y2, score, class``: ``(1, N, 6)`` or ``(N, 6)``, as YOLOv10 and YOLO with NMS return them."""

    name, summary = "rows", "(1, N, 6) of x1, y1, x2, y2, score, class"
    columns, box, score, label = 6, slice(0, 4), 4, 5
    input = Preprocessing()
    unit = ""  # by the values

    def read(self, outputs: Sequence[Output], size: tuple[int, int], *, strict: bool) -> Reading | None:
        for index, (name, array) in enumerate(outputs):
            if array.ndim > 4 or array.ndim < 2 or array.shape[-1] != self.columns or array.dtype.kind != "f":
                continue
            rows = array.reshape(-1, self.columns)
            if strict and not self._fits(name, array, rows, size):
                continue
            filled = rows[rows[:, self.score] > 0][:, self.box]
            unit = "fractions" if filled.size and filled.max() <= FRACTIONS else "pixels"
            return Reading(
                {"rows": index}, self.input, unit=self.unit or unit, nms=False, why=f"{array.shape} of finished boxes"
            )
        return None

    def _fits(self, name: str, array: Array, rows: Array, size: tuple[int, int]) -> bool:
        del name
        return array.ndim < 4 and anchor_count(len(rows), size) is None and _are_ids(rows[:, self.label])

    def decode(self, arrays: dict[str, Array], size: tuple[int, int], reading: Reading) -> Candidates:
        rows = arrays["rows"].reshape(-1, self.columns)
        return _finished(rows[:, self.box], rows[:, self.score], rows[:, self.label])


class RowsV7(Rows):
    """YOLOv7's end-to-end rows ``image, x1, y1, x2, y2, class, score``: ``(N, 7)``."""

    name, summary = "yolov7-rows", "(N, 7) of image, x1, y1, x2, y2, class, score"
    columns, box, score, label = 7, slice(1, 5), 6, 5

    def _fits(self, name: str, array: Array, rows: Array, size: tuple[int, int]) -> bool:
        return array.ndim == 2

    def decode(self, arrays: dict[str, Array], size: tuple[int, int], reading: Reading) -> Candidates:
        rows = arrays["rows"].reshape(-1, self.columns)
        return super().decode({"rows": rows[rows[:, 0] == 0]}, size, reading)


class PaddleRows(Rows):
    """PaddleDetection's rows ``class, score, x1, y1, x2, y2``: ``(N, 6)``; unused rows have class −1."""

    name, summary = "paddle-rows", "(N, 6) of class, score, x1, y1, x2, y2"
    box, score, label = slice(2, 6), 1, 0
    input = Preprocessing("stretch")

    def _fits(self, name: str, array: Array, rows: Array, size: tuple[int, int]) -> bool:
        paddle = any(part in name for part in ("nms", "save_infer", "fetch_name"))
        filled = len(rows) > 0 and _are_ids(rows[:, 0]) and not _are_ids(rows[:, 5])
        return array.ndim == 2 and (filled or (paddle and not len(rows)))


class DetectionOutput(Rows):
    """Rows ``image, class, score, x1, y1, x2, y2`` in fractions: ``(1, 1, N, 7)``, Caffe's and OpenVINO's SSD.

    The input is BGR 0–255, stretched, as in Open Model Zoo.
    """

    name, summary = "detection-output", "(1, 1, N, 7) of image, class, score, x1, y1, x2, y2"
    columns, box, score, label = 7, slice(3, 7), 2, 1
    input = Preprocessing("stretch", scale=1, bgr=True)
    unit = "fractions"

    def _fits(self, name: str, array: Array, rows: Array, size: tuple[int, int]) -> bool:
        return array.ndim == 4 and array.shape[:2] == (1, 1)

    def decode(self, arrays: dict[str, Array], size: tuple[int, int], reading: Reading) -> Candidates:
        rows = arrays["rows"].reshape(-1, self.columns)
        return super().decode({"rows": rows[rows[:, 0] == 0]}, size, reading)


class Separate(Layout):
    """Boxes, class ids and scores of finished detections as separate outputs, with or without their number.

    TensorFlow's detection API (``detection_boxes`` as y1, x1, y2, x2 fractions, ids from 1), torchvision (``boxes,
    labels, scores``), MMDetection (``dets`` with the score as fifth column, ``labels``), NMS nodes of YOLO exports
    (``num_dets, det_boxes, det_scores, det_classes``), and RT-DETR and D-FINE (``labels, boxes, scores``).
    """

    name, summary = "detections", "boxes (1, N, 4), class ids (1, N) and scores (1, N)"

    def read(self, outputs: Sequence[Output], size: tuple[int, int], *, strict: bool) -> Reading | None:
        roles = _roles(outputs)
        if roles is None:
            return None
        names = {each.name for each in outputs}
        boxes = outputs[roles["boxes"]].array.reshape(-1, outputs[roles["boxes"]].array.shape[-1])
        why = ", ".join(f"{outputs[index].name} {outputs[index].array.shape}" for index in roles.values())
        filled = boxes[:, :4][(boxes[:, :4] != 0).any(axis=1)]
        unit = "fractions" if filled.size and filled.max() <= FRACTIONS else "pixels"
        if any("detection_boxes" in name for name in names) or any("postprocess" in name for name in names):
            taken = Preprocessing("stretch", scale=1)
            return Reading(roles, taken, boxes="yxyx", unit="fractions", first_id=1, nms=False, why=why)
        if boxes.shape[1] == 5:  # MMDetection, or Open Model Zoo's boxes and labels
            taken = Preprocessing("stretch", scale=1, bgr=True)
            if "dets" in names:
                mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
                taken = Preprocessing("corner", scale=1, mean=mean, std=std, pad=0)
            return Reading(roles, taken, unit=unit, nms=False, why=why)
        if {"boxes", "labels", "scores"} <= names and outputs[roles["boxes"]].array.ndim == 2:  # torchvision
            return Reading(roles, Preprocessing("none"), unit=unit, first_id=1, nms=False, why=why)
        if {"boxes", "labels", "scores"} <= names:  # RT-DETR, D-FINE
            return Reading(roles, Preprocessing("stretch"), unit=unit, nms=False, why=why)
        return Reading(roles, Preprocessing(), unit=unit, nms=False, why=why)

    def decode(self, arrays: dict[str, Array], size: tuple[int, int], reading: Reading) -> Candidates:
        boxes = arrays["boxes"].reshape(-1, arrays["boxes"].shape[-1]).astype(np.float32)
        scores = arrays["scores"].ravel() if "scores" in arrays else boxes[:, 4]
        labels = arrays["labels"].ravel() if "labels" in arrays else np.full(len(boxes), reading.first_id)
        count = min(len(boxes), len(scores), len(labels))
        if "count" in arrays:
            count = min(count, int(arrays["count"].ravel()[0]))
        return _finished(boxes[:count, :4], scores[:count], labels[:count])


def _roles(outputs: Sequence[Output]) -> dict[str, int] | None:
    """Return the outputs by role: boxes, scores, labels, count; None if they are no finished detections."""
    lists = {index: each.array for index, each in enumerate(outputs) if each.array.ndim in {1, 2}}
    lists |= {
        index: each.array[..., 0]
        for index, each in enumerate(outputs)
        if each.array.ndim == 3 and each.array.shape[2] == 1
    }
    boxes = [
        index
        for index, each in enumerate(outputs)
        if each.array.ndim in {2, 3} and each.array.shape[-1] in {4, 5} and each.array.dtype.kind == "f"
    ]
    named = [index for index in boxes if outputs[index].name in {"detection_boxes", "det_boxes", "boxes", "dets"}]
    for slot in named or boxes:
        array = outputs[slot].array
        count = array.shape[-2]
        fitting = {i: each for i, each in lists.items() if i != slot and each.size == count and each.shape[-1] == count}
        labels = [i for i, each in fitting.items() if each.dtype.kind in "iu" or _says(outputs[i].name, "class label")]
        scores = [i for i, each in fitting.items() if i not in labels and each.dtype.kind == "f"]
        if not labels and len(scores) == 2:  # TensorFlow Lite returns ids as floats, before the scores
            integral = [i for i in scores if _are_ids(fitting[i])]
            labels = integral[:1] or scores[:1]
            scores = [i for i in scores if i not in labels]
        scores.sort(key=lambda i: not _says(outputs[i].name, "score conf"))
        roles = {"boxes": slot} | ({"labels": labels[0]} if labels else {})
        if array.shape[-1] == 4:
            if not scores or not labels:
                continue
            roles["scores"] = scores[0]
        elif not labels:
            continue
        counts = [i for i, each in lists.items() if i not in roles.values() and each.size == 1 and count != 1]
        if counts and _says(outputs[counts[0]].name, "num count"):
            roles["count"] = counts[0]
        return roles
    return None


def _says(name: str, words: str) -> bool:
    return any(word in name for word in words.split())


def _are_ids(values: Array) -> bool:
    """Return True if all values are whole numbers from −1."""
    return bool((values == np.rint(values)).all() and (values >= -1).all())


def _finished(boxes: Array, scores: Array, labels: Array) -> Candidates:
    ids = np.rint(labels).astype(np.int64)
    values: Floats = scores.astype(np.float32)
    used = (ids >= 0) & (values > 0)
    return Candidates(boxes[used].astype(np.float32), values[used], ids[used])
