"""An exported network as a session: images in, all outputs out, whatever types, layout and batch its input has."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError

Array = NDArray[Any]
INPUT_TYPES = ("float32", "float16", "float64", "uint8")


class Port(NamedTuple):
    """An input or output of a network.

    Attributes:
        name: as in the file.
        shape: sizes; None if dynamic.
        dtype: NumPy's name of the type.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str


class Nms(NamedTuple):
    """NMS inside a network's file; None where the file does not tell.

    Attributes:
        conf: boxes with lower scores are dropped.
        iou: of two boxes of one class with a higher IoU, the worse one is dropped.
        max_det: most boxes per class.
    """

    conf: float | None
    iou: float | None
    max_det: int | None = None


class Session(ABC):
    """A network in an engine. One of its inputs is a batch of images.

    Args:
        path: file or folder, for messages.
        inputs, outputs: of the network, in its order.
        metadata: written by the exporter; values are text or what a YAML or JSON holds.
        files: all files that the network was read from.

    Attributes:
        image: the port of the image input.
        others: further inputs.
        channels_last: True if the network takes ``(B, h, w, 3)``; callers pass ``(B, 3, h, w)`` in any case.
        integer: True if the network takes integers 0–255 in place of floats.
        input_size: height and width, None if dynamic.
        batch_size: images per call, None if dynamic.

    Raises:
        UserError: the network does not take one image of three channels.
    """

    packages: tuple[str, ...] = ()

    def __init__(
        self,
        path: Path,
        inputs: Sequence[Port],
        outputs: Sequence[Port],
        metadata: Mapping[str, Any],
        files: Sequence[Path],
    ) -> None:
        images = [port for port in inputs if len(port.shape) == 4]
        singles = [port for port in inputs if len(port.shape) == 3 and 3 in (port.shape[0], port.shape[2])]
        self._single = not images and len(singles) == 1  # (3, H, W), as torchvision's detectors are exported
        images = singles if self._single else images
        if len(images) != 1:
            takes = ", ".join(f"{port.name} {_sizes(port.shape)}" for port in inputs)
            raise UserError(f"{path} takes {takes or 'no input'}; a vision model takes one image (1, 3, H, W)")
        self.path, self.image = path, images[0]
        self.others = tuple(port for port in inputs if port is not self.image)
        self.outputs, self.metadata, self.files = tuple(outputs), dict(metadata), tuple(files)
        batch, first, second, last = (1, *self.image.shape) if self._single else self.image.shape
        self.channels_last = last == 3 and first != 3
        if not self.channels_last and first not in {3, None}:
            raise UserError(
                f"{path} takes images {_sizes(self.image.shape)}; only networks of 3 channels are supported"
            )
        if self.image.dtype not in INPUT_TYPES:
            raise UserError(f"{path} takes {self.image.dtype} images; supported are {', '.join(INPUT_TYPES)}")
        self.integer = self.image.dtype == "uint8"
        self.input_size = (first, second) if self.channels_last else (second, last)
        self.batch_size = batch

    @abstractmethod
    def _run(self, images: Array, others: Mapping[str, Array]) -> Sequence[Array]:
        """Run one batch of the network's own size, type and layout; return all outputs as arrays of their own."""

    @property
    def nms(self) -> Nms | None:
        """The NMS inside the network; None if it has none, or none that its graph shows."""
        return None

    def __call__(self, images: NDArray[np.floating[Any]], others: Mapping[str, Array] | None = None) -> list[Array]:
        """Run images and return every output, float16 as float32.

        A fixed batch is filled with copies of the last image, whose answers are dropped.

        Args:
            images: ``(B, 3, h, w)``, in the values that the network expects; 0–255 if :attr:`integer`.
            others: arrays for :attr:`others`, by name.

        Raises:
            UserError: the engine fails on images of this size.
        """
        step = self.batch_size or len(images)
        parts = [self._part(images[begin : begin + step], others or {}) for begin in range(0, len(images), step)]
        return parts[0] if len(parts) == 1 else [np.concatenate(each) for each in zip(*parts, strict=True)]

    def _part(self, images: Array, others: Mapping[str, Array]) -> list[Array]:
        count = len(images)
        if self.batch_size is not None and count < self.batch_size:
            images = np.concatenate([images, np.repeat(images[-1:], self.batch_size - count, axis=0)])
        if self.channels_last:
            images = images.transpose(0, 2, 3, 1)
        if self.integer:
            images = np.clip(np.rint(images), 0, 255)
        batch = np.ascontiguousarray(images, dtype=self.image.dtype)
        try:
            outputs = self._run(batch[0] if self._single else batch, others)
        except Exception as error:  # an engine has a class for each kind of failure
            height, width = batch.shape[1:3] if self.channels_last else batch.shape[2:]
            raise UserError(
                f"{self.path} fails on {count} image{'s' * (count > 1)} of {width}×{height} ({reason(error)})"
            ) from error
        return [_plain(each[:count] if each.ndim and len(each) == len(batch) else each) for each in outputs]

    def probe(self, height: int, width: int, count: int = 1, scale: float = 255) -> list[Array]:
        """Run ``count`` grey images, to see the outputs' true shapes and values.

        Args:
            height, width: of the images; the network's own size where it is fixed.
            count: images.
            scale: the images' white; 1 for networks that take fractions.

        Raises:
            UserError: the engine fails.
        """
        size = (self.input_size[0] or height, self.input_size[1] or width)
        grey = np.full((count, 3, *size), 114 / 255 * scale, dtype=np.float32)
        return self(grey)


def reason(error: BaseException) -> str:
    """Return an engine's message in one line, without its codes and source files, shortened."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : |\S+\.(?:cc|cpp|h):\d+\s*", "", " ".join(str(error).split()))
    return (text if len(text) <= 160 else f"{text[:160]}…") or type(error).__name__


def _sizes(shape: Sequence[int | None]) -> str:
    return f"({', '.join('?' if size is None else str(size) for size in shape)})"


def _plain(array: Array) -> Array:
    return array.astype(np.float32) if array.dtype == np.float16 else array
