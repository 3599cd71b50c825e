"""Interface of output layouts: find the outputs of a detector by name and shape, and decode them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float32]
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FRACTIONS = 1.5  # coordinates up to this are fractions of the input; boxes in pixels reach further


class Output(NamedTuple):
    """One output of a network on a probe image.

    Attributes:
        name: lower case, without folders and ``:0``.
        array: the answer for one grey image.
    """

    name: str
    array: Array


@dataclass(frozen=True)
class Preprocessing:
    """Presentation of an image to a network.

    Attributes:
        resize: ``letterbox`` (centred), ``corner`` (padding at right and bottom), ``stretch`` or ``none``.
        scale: 8-bit values are divided by this first.
        mean, std: subtracted and divided by after that, in the network's order of channels.
        bgr: channels are blue, green, red.
        pad: value of padding, 0–255.
    """

    resize: str = "letterbox"
    scale: float = 255
    mean: tuple[float, ...] = (0, 0, 0)
    std: tuple[float, ...] = (1, 1, 1)
    bgr: bool = False
    pad: int = 114


@dataclass(frozen=True)
class Reading:
    """Reading of a network's outputs by one layout.

    Attributes:
        outputs: role → index of the output.
        input: preprocessing that models of this layout expect.
        classes: number of class columns; None if the network returns class ids.
        boxes: ``xyxy``, ``yxyx``, ``xywh`` (corner and size) or ``cxcywh`` (centre and size).
        unit: ``pixels`` of the input, or ``fractions`` of it.
        activation: ``none``, ``sigmoid`` or ``softmax`` of the class columns.
        background: column without a class: ``none``, ``first`` or ``last``; ``either`` follows the number of names.
        first_id: id of the first class, where the network returns ids.
        nms: True if boxes still overlap.
        nms_iou: usual threshold.
        why: evidence in a few words, for the note.
    """

    outputs: dict[str, int]
    input: Preprocessing = field(default_factory=Preprocessing)
    classes: int | None = None
    boxes: str = "xyxy"
    unit: str = "pixels"
    activation: str = "none"
    background: str = "none"
    first_id: int = 0
    nms: bool = True
    nms_iou: float = 0.65
    why: str = ""


class Candidates(NamedTuple):
    """Decoded boxes of one image.

    Attributes:
        boxes: ``(N, 4)`` in the form and unit of the reading.
        scores: ``(N, C)`` of all classes, or ``(N,)``.
        class_ids: ``(N,)`` with scores ``(N,)``; None with all classes.
    """

    boxes: Floats
    scores: Floats
    class_ids: NDArray[np.int64] | None = None


class Layout(ABC):
    """A layout of outputs.

    Attributes:
        name: as in ``layout=NAME``.
        summary: shapes of its outputs, for messages.
    """

    name: ClassVar[str]
    summary: ClassVar[str]

    @abstractmethod
    def read(self, outputs: Sequence[Output], size: tuple[int, int], *, strict: bool) -> Reading | None:
        """Return the reading of these outputs, or None if they have another layout.

        Args:
            outputs: of the probe.
            size: height and width of the probe.
            strict: False if the user named the layout, so that shapes shared with other layouts suffice.
        """

    @abstractmethod
    def decode(self, arrays: dict[str, Array], size: tuple[int, int], reading: Reading) -> Candidates:
        """Return the candidates of one image.

        Args:
            arrays: outputs by role.
            size: height and width of the input.
            reading: of the probe, with the user's settings.
        """


def cells(size: tuple[int, int], strides: Sequence[int]) -> list[int]:
    """Return the number of grid cells of each level."""
    return [-(-size[0] // stride) * -(-size[1] // stride) for stride in strides]


def anchor_count(count: int, size: tuple[int, int]) -> tuple[int, int] | None:
    """Return anchors per cell and number of levels if ``count`` is the number of anchors of a YOLO-like grid."""
    for levels, strides in ((3, (8, 16, 32)), (4, (8, 16, 32, 64)), (2, (16, 32))):
        for per_cell in (1, 3):
            if count == per_cell * sum(cells(size, strides)):
                return per_cell, levels
    return None


def to_xyxy(boxes: Floats, form: str) -> Floats:
    """Convert ``(N, 4)`` boxes of a form of :class:`Reading` to corners."""
    if form == "yxyx":
        return np.asarray(boxes[:, [1, 0, 3, 2]])
    if form == "xywh":
        return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    if form == "cxcywh":
        half = boxes[:, 2:] / 2
        return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)
    return boxes


def activated(scores: Floats, activation: str) -> Floats:
    """Apply the activation over the last axis."""
    values = scores.astype(np.float32)
    if activation == "sigmoid":
        with np.errstate(over="ignore"):
            return np.asarray(1 / (1 + np.exp(-values)), dtype=np.float32)
    if activation == "softmax":
        exponent = np.exp(values - values.max(axis=-1, keepdims=True))
        return np.asarray(exponent / exponent.sum(axis=-1, keepdims=True), dtype=np.float32)
    return values


def are_probabilities(scores: Array) -> bool:
    """Return True if all values are in [0, 1]."""
    return bool(scores.size and scores.min() >= -1e-4 and scores.max() <= 1 + 1e-4)
