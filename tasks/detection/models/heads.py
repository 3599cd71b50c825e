"""Forms of YOLO and RT-DETR outputs: recognised when a file is opened, then read per image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError

from ...sessions import ExportMetadata, Nms

Array = NDArray[Any]
F = TypeVar("F", np.float32, np.float64)
Form = Literal["anchors", "final", "queries", "batched"]

_MASKS = 32  # coefficients per anchor of a segmentation model
_MOST_FINAL = 1000  # rows
_STRIDES = ((8, 16, 32), (4, 8, 16, 32), (8, 16, 32, 64), (16, 32))


class Rows(NamedTuple):
    """Final boxes of one image: ``(N, 4)`` xyxy in input pixels or fractions, ``(N,)`` scores and class ids."""

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    classes: NDArray[np.int64]


@dataclass(frozen=True)
class Head:
    """Form of a network's answer.

    Attributes:
        form: ``anchors``, boxes with class scores before NMS; ``final``, rows of box, score and class; ``queries``,
            rows of box and class scores that need no NMS; ``batched``, rows of image index, box, class and score.
        output: index among the network's outputs.
        across: True if an anchor is a column, ``(4 + classes, N)``.
        objectness: True if a score is objectness × class score (YOLOv3 to v7).
        centred: True for centre, width and height in place of corners.
        fractions: True if boxes are fractions of the input.
        rows: number of rows of a final form.
    """

    form: Form = "anchors"
    output: int = 0
    across: bool = True
    objectness: bool = False
    centred: bool = True
    fractions: bool = False
    rows: int | None = None

    @property
    def stretches(self) -> bool:
        """True for RT-DETR, whose input is the image stretched to a square, without padding."""
        return self.form == "queries" or (self.form == "final" and self.centred)

    def anchors(self, output: Array, size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return xyxy boxes in input pixels ``(N, 4)`` and scores ``(N, classes)`` of one image.

        Args:
            output: of one image.
            size: height and width of the input.
        """
        each = output.T if self.across else output
        boxes = each[:, :4]
        if self.fractions:
            boxes = boxes * _whwh(size).astype(np.float32)
        scores = each[:, 4:5] * each[:, 5:] if self.objectness else each[:, 4:]
        return xyxy(boxes), scores  # float32 corners equal float64 corners rounded to float32

    def final(self, output: Array, size: tuple[int, int]) -> Rows:
        """Return the rows of one image; ``size`` is what fractions are of, height and width in pixels."""
        rows = output.astype(np.float64)
        if self.form == "queries":
            boxes, scores, classes = rows[:, :4], rows[:, 4:].max(axis=1), rows[:, 4:].argmax(axis=1)
        elif self.form == "batched":
            boxes, scores, classes = rows[:, 1:5], rows[:, 6], rows[:, 5].astype(np.int64)
        else:
            boxes, scores, classes = rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64)
        if self.fractions:
            boxes = boxes * _whwh(size)
        return Rows(xyxy(boxes) if self.centred else boxes, scores, classes.astype(np.int64))


def xyxy(xywh: NDArray[F]) -> NDArray[F]:
    """Return the corners of ``(N, 4)`` boxes given by centre, width and height."""
    centre, half = xywh[:, :2], xywh[:, 2:4] / 2
    corners: NDArray[F] = np.concatenate([centre - half, centre + half], axis=1)
    return corners


def recognise(
    path: Path,
    outputs: Sequence[Array],
    classes: int | None,
    meta: ExportMetadata,
    nms: Nms | None,
    size: tuple[int, int],
) -> Head:
    """Recognise the form of a network's answer to a grey image: by its metadata, then by shapes and values.

    Args:
        path: for messages.
        outputs: of the network, with a first axis of images.
        classes: number of classes, None if unknown.
        meta: of the file.
        nms: NMS inside the file.
        size: height and width of the input.

    Raises:
        UserError: the answer is not that of a YOLO or RT-DETR detector with these classes.
    """
    shapes = ", ".join(str(each.shape) for each in outputs)
    fix = f"it outputs {shapes}; give a YOLO or RT-DETR detector, or try onnx:{path.name} for another family"
    candidates = [index for index, each in enumerate(outputs) if each.ndim == 3 and min(each.shape[1:]) >= 5]
    if not candidates:
        batched = [index for index, each in enumerate(outputs) if each.ndim == 2 and each.shape[1] == 7]
        if batched and len(outputs) == 1:
            return Head("batched", batched[0], across=False, centred=False)
        if outputs and all(each.ndim >= 4 for each in outputs):
            fix = f"it outputs feature maps {shapes}; export it with its decoding (YOLOv7: --grid)"
        raise UserError(f"{path} is not an Ultralytics detector: {fix}")
    shape = outputs[candidates[0]].shape[1:]
    if len(candidates) > 1 and outputs[candidates[1]].shape[1:] == shape:
        raise UserError(f"{path} has several heads ({shapes}); export it with its main one (YOLOv9: convert it first)")
    masks = any(each.ndim == 4 and _MASKS in each.shape[1:] for each in outputs)
    head = _form(candidates[0], shape, classes, meta, nms, size, masks)
    if isinstance(head, str):
        of = f" of {classes} classes" if classes else ""
        raise UserError(f"{path} {head or f'is not an Ultralytics detector{of}: {fix}'}")
    if head.form == "final" and classes == 2 and nms is None and not (meta.nms or meta.end_to_end):
        row = outputs[head.output][0]
        if np.abs(row[:, :4]).max() <= 1 and (row[:, 5] != np.rint(row[:, 5])).any():
            # Scores of two classes, not a score and a class: RT-DETR before Ultralytics chose the class inside.
            head = Head("queries", head.output, across=False, fractions=True, rows=len(row))
    return _checked(path, head, outputs[head.output], meta, size)


def _form(
    output: int,
    shape: tuple[int, ...],
    classes: int | None,
    meta: ExportMetadata,
    nms: Nms | None,
    size: tuple[int, int],
    masks: bool,
) -> Head | str:
    """Return the form of ``(a, b)`` answers, or what is wrong with the file (empty if nothing particular)."""
    a, b = shape
    counts = {scale * _cells(size, strides) for strides in _STRIDES for scale in (1, 3)}
    final = Head("final", output, across=False, centred=meta.transformer, fractions=meta.transformer, rows=a)
    if b == 6 and (meta.nms or meta.end_to_end or meta.transformer or nms is not None):
        return final
    if classes is None and masks:
        return "is a segment model; use a detection model"
    if classes is None:
        return _without_names(a, b, counts, _cells(size, _STRIDES[0]))
    if b == 6 and a not in counts and a <= _MOST_FINAL and a != 4 + classes:
        return final
    if masks and {4 + classes + _MASKS, 5 + classes + _MASKS} & {a, b}:
        return "is a segment model; use a detection model"
    if a == 4 + classes:
        return Head("anchors", output)
    if b == 5 + classes and (b != 4 + classes):
        return Head("anchors", output, across=False, objectness=True)
    if b == 4 + classes:
        if a not in counts and a <= _MOST_FINAL:
            return Head("queries", output, across=False, fractions=True, rows=a)
        return Head("anchors", output, across=False)
    if a == 5 + classes and meta.task != "detect":
        return (
            f"outputs {a} values per anchor for {classes} classes, as an oriented-box model does; use a detection model"
        )
    if a == 5 + classes:
        return Head("anchors", output, objectness=True)
    return ""


def _without_names(a: int, b: int, counts: set[int], cells: int) -> str:
    """Return what to do about a file without class names; empty if its answer does not look like a detector's."""
    ask = "give names=coco, names=FILE or names=A|B"
    if b == 6 and a <= _MOST_FINAL and a not in counts:
        return f"has no class names; {ask}"
    if b in counts:
        return f"has no class names; it seems to have {a - 4} classes: {ask}"
    if a in counts:
        yolox = ", or yolox:FILE if it is a YOLOX" if a == cells else ""
        return f"has no class names; it seems to have {b - 5} classes: {ask}{yolox}"
    return ""


def _checked(path: Path, head: Head, output: Array, meta: ExportMetadata, size: tuple[int, int]) -> Head:
    """Return a head with what the values of the answer to a grey image show.

    Raises:
        UserError: values that no detector reports.
    """
    if output.dtype.kind != "f":
        raise UserError(f"{path} outputs {output.dtype}, which holds no scores; export it with an output of floats")
    if not np.isfinite(output).all():
        raise UserError(f"{path} outputs NaN or infinity for a grey image; export it in single precision")
    first = output[0]
    scores = first[:, 4:5] if head.form == "final" else first[4:] if head.across else first[:, 4:]
    if scores.size and (scores.min() < -0.01 or scores.max() > 1.01):
        raise UserError(
            f"{path} outputs scores from {scores.min():.3g} to {scores.max():.3g}, outside 0 to 1; "
            "export it with its sigmoid and without other changes to its head"
        )
    boxes = first[:4].T if head.across else first[:, :4]
    small = bool(boxes.size and 0 < np.abs(boxes).max() <= 2)
    if head.form == "final" and small and not meta.transformer:
        # Fractions: corners in older TensorFlow Lite files of known task; of unknown files, centre and size (RT-DETR)
        # where they cannot be corners.
        centred = meta.task is None and bool((boxes[:, 2:] < boxes[:, :2]).any())
        return Head("final", head.output, across=False, centred=centred, fractions=True, rows=head.rows)
    if head.objectness and boxes[:, :2].max() < (0.5 if small else max(size) / 2):
        raise UserError(f"{path} outputs boxes that are not decoded; give yolox:{path.name} if it is a YOLOX")
    if head.form == "anchors" and small:
        return Head("anchors", head.output, head.across, head.objectness, fractions=True)
    return head


def _cells(size: tuple[int, int], strides: Sequence[int]) -> int:
    return sum(-(-size[0] // stride) * -(-size[1] // stride) for stride in strides)


def _whwh(size: tuple[int, int]) -> NDArray[np.float64]:
    return np.array([size[1], size[0], size[1], size[0]], dtype=np.float64)
