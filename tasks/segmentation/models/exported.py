"""Segmenters as ONNX, OpenVINO or TensorFlow Lite files: logits, probabilities or label maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import to_tensor
from sgz_bench.core.parameters import integer, number, switch
from sgz_bench.core.specs import Value, format_value

from ...classes import read_class_list
from ...models import file_fingerprint, require_file
from ...normalisation import triple
from ...sessions import ExportMetadata, open_session
from ...types import Image
from ..types import VOID, Segmentation
from .base import IMAGENET, InferenceConfig, Segmenter, takes_inference_config
from .file_reading import map_size, read_answer, read_names

_PROBE = (256, 320)  # height and width of the first image for networks of any size
_LEAST = 1e-12  # probability
_RESIZES = ("stretch", "window")


class OnnxSegmenter(Segmenter):
    """A segmenter as an ONNX file with logits, probabilities or a label map as its output.

    Args:
        source: ``.onnx`` file.
        names: class names: ``cityscapes``, ``camvid``, ``voc`` (background and 20), or a file; by default the file's
            metadata, else by the number of channels.
        output: name of the output, if there are several; by default the first that fits.
        resize: for a fixed input size: ``stretch`` the whole image, or slide a ``window`` of that size.
        scale: 8-bit values are divided by this first.
        mean, std: ``imagenet``, one number or three (``0.485/0.456/0.406``), after ``scale``, in the order of channels;
            by default ImageNet's, for TensorFlow Lite 0.5.
        bgr: channels are blue, green, red.
        stride: sides of images are padded to multiples of this, for networks of any size.
        engine: ``onnxruntime`` (default) or ``openvino`` (CPU only).
        precision: of OpenVINO, ``fp32`` or ``bf16``.
        device: torch device.
        inference: ``size``, ``window``, ``overlap`` and ``flip`` of :class:`.base.InferenceConfig`.

    Raises:
        UserError: no such file, an output that is no segmentation, unknown classes, or a bad setting.
    """

    family: ClassVar[str] = "onnx"
    suffix: ClassVar[str] = ".onnx"
    usual: ClassVar[tuple[Sequence[float], Sequence[float]]] = IMAGENET

    @takes_inference_config
    def __init__(
        self,
        source: str,
        names: str | None = None,
        output: str | None = None,
        resize: str | None = None,
        scale: float | None = None,
        mean: str | float | None = None,
        std: str | float | None = None,
        bgr: bool = False,
        stride: int = 32,
        *,
        engine: str | None = None,
        precision: str = "fp32",
        device: str = "cpu",
        **inference: object,
    ) -> None:
        path = require_file(source, "model file")
        if path.suffix.lower() != self.suffix:
            raise UserError(f"{path}: a model of family {self.family} is a file with the suffix {self.suffix}")
        self.session, engine_settings = open_session(self.family, path, device, engine, precision)
        meta = ExportMetadata.of(self.session.metadata, path)
        if meta.task not in {None, "semantic"}:
            raise UserError(f"{path} is an Ultralytics {meta.task} model; give a semantic segmentation model")
        view = InferenceConfig.checked(self.family, **inference)
        view = self._fixed(path, view, resize)
        usual = ((0.0,) * 3, (1.0,) * 3) if meta.task == "semantic" else self.usual
        means, stds, divisor = _normalisation(self.family, usual, scale, mean, std)
        self._bgr = switch(self.family, "bgr", bgr)
        several = names is not None and len(read_class_list(names)) != 2
        self.answer = read_answer(path, self.session, output, self._side(view), several=several)
        class_names, label = read_names(path, self.answer, names, meta.names)
        if self.answer.form == "map" and (view.window is not None or view.flip):
            raise UserError(f"{path} returns a label map, which cannot be averaged; leave window and flip out")
        settings: dict[str, Value | None] = {"names": label, "bgr": self._bgr}
        if not self.session.integer:
            settings |= {"scale": divisor, "mean": _text(means), "std": _text(stds)}
        settings |= {"resize": self._resize} if self._resize else {"stride": stride}
        order = slice(None, None, -1) if self._bgr else slice(None)
        factor = divisor / 255  # the base class normalises values in [0, 1], in the order RGB
        rgb = [[value * factor for value in values[order]] for values in (means, stds)]
        if self.session.integer:
            rgb = [[0.0] * 3, [1 / 255] * 3]
        super().__init__(
            source,
            class_names,
            file_fingerprint(*self.session.files),
            view=view,
            mean=rgb[0],
            std=rgb[1],
            stride=integer(self.family, "stride", stride, 1, 1024),
            device=device,
            settings=settings | engine_settings,
        )
        self.packages = self.session.packages
        self.notes = (self._said(label, means, stds, divisor),)

    def _fixed(self, path: Path, view: InferenceConfig, resize: str | None) -> InferenceConfig:
        """Set how images reach a fixed input size.

        Raises:
            UserError: settings that contradict the file.
        """
        height, width = self.session.input_size
        self._size = (height, width) if height is not None and width is not None else None
        self._resize = ""
        if resize is not None and resize not in _RESIZES:
            raise UserError(f"{self.family}: resize={resize} is not one of {', '.join(_RESIZES)}")
        if self._size is None:
            if resize is not None:
                raise UserError(f"{path} takes images of any size; leave resize out, or give size= or window=")
            return view
        if view.size is not None:
            raise UserError(f"{path} takes images of {width}×{height} only; leave size out")
        if resize != "window" and view.window is None:
            self._resize = "stretch"
            return view
        if height != width or view.window not in {None, height}:
            raise UserError(f"{path} takes images of {width}×{height} only; leave window out and use resize=stretch")
        self._resize = "window"
        return InferenceConfig(None, height, view.overlap, view.flip)

    def _side(self, view: InferenceConfig) -> tuple[int, int]:
        if self._size is not None:
            return self._size
        return (view.window, view.window) if view.window is not None else _PROBE

    def _said(self, label: str, means: Sequence[float], stds: Sequence[float], divisor: float) -> str:
        kind = "label map" if self.answer.form == "map" else "probabilities" if self.answer.probabilities else "logits"
        values = "0–255" if self.session.integer else f"/ {divisor:g} with mean {_text(means)} and std {_text(stds)}"
        size = f"images of any size, padded to multiples of {self.stride}"
        if self._size is not None:
            size = f"{'windows of' if self._resize == 'window' else 'stretch to'} {self._size[1]}×{self._size[0]}"
        without = "; without probabilities, AUIoU is left out" if self.answer.form == "map" else ""
        order = "BGR" if self._bgr else "RGB"
        return f"{kind} of output {self._output_name!r}, names={label}, input {order} {values}, {size}{without}"

    @property
    def _output_name(self) -> str:
        return str(self.session.outputs[self.answer.output].name)

    def logits(self, batch: Tensor) -> Tensor:
        values = torch.from_numpy(np.ascontiguousarray(self._run(batch), dtype=np.float32)).to(batch.device)
        if self.answer.form == "nhwc":
            values = values.permute(0, 3, 1, 2).contiguous()
        if self.answer.channels == 1:  # the probability of the second class
            if self.answer.probabilities:
                values = torch.logit(values.clamp(_LEAST, 1 - 1e-7))
            return torch.cat([torch.zeros_like(values), values], dim=1)
        return values.clamp_min(_LEAST).log() if self.answer.probabilities else values.clone()

    def _run(self, batch: Tensor) -> NDArray[Any]:
        images = batch.flip(1) if self._bgr else batch
        return self.session(images.cpu().numpy())[self.answer.output]

    def _padded(self, planes: Tensor) -> Tensor:
        if self._size is None:
            return super()._padded(planes)
        height, width = planes.shape[2:]
        if self._resize == "stretch":
            scores = self.logits(_scaled(planes, self._size))
            return F.interpolate(scores, (height, width), mode="bilinear", align_corners=False)
        padded = F.pad(planes, (0, self._size[1] - width, 0, self._size[0] - height))
        scores = F.interpolate(self.logits(padded), self._size, mode="bilinear", align_corners=False)
        return scores[:, :, :height, :width].contiguous()

    def _predict(self, image: Image, confidence: bool) -> Segmentation:
        if self.answer.form != "map":
            return super()._predict(image, confidence)
        height, width = image.shape[:2]
        planes = to_tensor(image).to(self._device)
        if self._inference.size is not None:
            ratio = self._inference.size / min(height, width)
            planes = _scaled(planes, (max(round(height * ratio), 1), max(round(width * ratio), 1)))
        if self._size is not None:
            planes = _scaled(planes, self._size)
        planes = (planes - self._mean) / self._std
        rows, columns = planes.shape[2:]
        if self._size is None:
            planes = F.pad(planes, (0, -columns % self.stride, 0, -rows % self.stride))
        raw = self._run(planes)
        labels = torch.from_numpy(raw.reshape(map_size(raw.shape)).astype(np.float32))[None, None]
        if labels.shape[2:] != planes.shape[2:]:
            labels = F.interpolate(labels, planes.shape[2:], mode="nearest-exact")
        labels = F.interpolate(labels[:, :, :rows, :columns], (height, width), mode="nearest-exact")
        ids = labels[0, 0].numpy().round()
        if ids.min(initial=0) < 0 or ids.max(initial=0) > VOID:
            raise UserError(f"{self.source} returns labels from {ids.min():g} to {ids.max():g}; ids are 0 to {VOID}")
        return Segmentation(ids.astype(np.uint8), None)


class OpenvinoSegmenter(OnnxSegmenter):
    """A segmenter as an OpenVINO model, ``.xml`` beside its ``.bin``; settings as of family ``onnx``."""

    family: ClassVar[str] = "openvino"
    suffix: ClassVar[str] = ".xml"


class TfliteSegmenter(OnnxSegmenter):
    """A segmenter as a TensorFlow Lite file; settings as of family ``onnx``."""

    family: ClassVar[str] = "tflite"
    suffix: ClassVar[str] = ".tflite"
    usual: ClassVar[tuple[Sequence[float], Sequence[float]]] = ((0.5,) * 3, (0.5,) * 3)


def _normalisation(
    family: str,
    usual: tuple[Sequence[float], Sequence[float]],
    scale: float | None,
    mean: str | float | None,
    std: str | float | None,
) -> tuple[tuple[float, ...], tuple[float, ...], float]:
    """Return mean, standard deviation and divisor; ``mean`` and ``std`` above 2 imply ``scale=1``.

    Raises:
        UserError: a setting has the wrong type or is out of range.
    """
    means = tuple(usual[0]) if mean is None else triple(family, "mean", mean)
    stds = tuple(usual[1]) if std is None else triple(family, "std", std)
    if min(stds) <= 0:
        raise UserError(f"{family}: std must be above 0, got {std}")
    divisor = 1.0 if max(*means, *stds) > 2 else 255.0
    return means, stds, divisor if scale is None else number(family, "scale", scale, 0.001, 65535)


def _scaled(planes: Tensor, size: tuple[int, int]) -> Tensor:
    if planes.shape[2:] == size:
        return planes
    return F.interpolate(planes, size, mode="bilinear", align_corners=False, antialias=True)


def _text(numbers: Sequence[float]) -> str:
    return "/".join(format_value(float(each)) for each in numbers)
