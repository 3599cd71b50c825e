"""Base of segmenters: 8-bit RGB images in, a class per pixel out."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import ParamSpec

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import to_tensor
from sgz_bench.core.parameters import integer, number
from sgz_bench.core.specs import Value

from ...models import Model
from ...types import Image
from ..types import VOID, Segmentation

P = ParamSpec("P")
Normalisation = tuple[Sequence[float], Sequence[float]]  # mean and standard deviation of RGB in [0, 1]
IMAGENET: Normalisation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_BAND = 64  # rows per softmax; a full second map would take 150 MiB at 1920×1080×19


@dataclass(frozen=True)
class InferenceConfig:
    """Presentation of an image to a network.

    Attributes:
        size: scale the shorter side to this many pixels (bilinear with antialias); None keeps the size.
        window: side of a sliding window, pixels; None uses the whole image.
        overlap: share of a window that is also covered by its neighbour, in [0, 0.9].
        flip: average with the prediction for the mirrored image.
    """

    size: int | None = None
    window: int | None = None
    overlap: float = 0.33
    flip: bool = False

    @staticmethod
    def checked(
        family: str, size: object = size, window: object = window, overlap: object = overlap, flip: object = flip
    ) -> InferenceConfig:
        """Return a config with checked values of a spec.

        Raises:
            UserError: a value has the wrong type or is out of range.
        """
        return InferenceConfig(
            None if size is None else integer(family, "size", size, 32, 8192),
            None if window is None else integer(family, "window", window, 32, 8192),
            number(family, "overlap", overlap, 0, 0.9),
            bool(integer(family, "flip", int(flip) if isinstance(flip, bool) else flip, 0, 1)),
        )

    @property
    def settings(self) -> dict[str, Value | None]:
        """Settings for the row; the overlap only with windows."""
        windows = {} if self.window is None else {"window": self.window, "overlap": self.overlap}
        return {"size": self.size, **windows, "flip": self.flip}


View = InferenceConfig  # the former name, for plugins


def takes_inference_config(init: Callable[P, None]) -> Callable[P, None]:
    """Replace ``**inference`` in a constructor's signature by the fields of :class:`InferenceConfig`.

    Specs are checked against this signature and ``list models`` shows it. The fields come before the keyword-only
    parameters.
    """
    signature = inspect.signature(init)
    *parameters, _ = signature.parameters.values()
    options = [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default)
        for field in fields(InferenceConfig)
    ]
    first = next(index for index, each in enumerate(parameters) if each.kind is inspect.Parameter.KEYWORD_ONLY)
    parameters[first:first] = options
    init.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return init


class Segmenter(Model):
    """Base of all segmenters: scaling, normalisation, padding, windows and mirroring, and their inverse.

    A subclass sets ``network`` and implements its forward pass in :meth:`logits`. Logits are resized (bilinear) to the
    image's size before the best class is taken. Windows and mirrored predictions are averaged as probabilities.

    Args:
        source, class_names, fingerprint: as for every model.
        view: presentation of images.
        mean, std: of RGB in [0, 1], as in the network's training.
        stride: sides are padded to multiples of this, at right and bottom, with the mean colour.
        device: torch device.
        settings: further settings for the row.

    Raises:
        UserError: more classes than an 8-bit label map can hold.
    """

    network: nn.Module

    def __init__(
        self,
        source: str,
        class_names: Sequence[str],
        fingerprint: str,
        *,
        view: InferenceConfig,
        mean: Sequence[float],
        std: Sequence[float],
        stride: int,
        device: str,
        settings: Mapping[str, Value | None] | None = None,
    ) -> None:
        if len(class_names) > VOID:
            raise UserError(f"{source} has {len(class_names)} classes; a label map of 8 bits holds {VOID} at most")
        super().__init__(source, class_names, fingerprint, {**view.settings, **(settings or {})})
        self._inference = view
        self.mean, self.std = tuple(mean), tuple(std)
        self._mean = torch.tensor(mean, dtype=torch.float32, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(std, dtype=torch.float32, device=device).view(1, 3, 1, 1)
        self.stride = stride
        self._device = device

    @abstractmethod
    def logits(self, batch: Tensor) -> Tensor:
        """Return ``(1, C, h', w')`` logits, any h' and w', of a normalised ``(1, 3, h, w)``.

        The sides h and w are divisible by the stride.
        The caller overwrites the result, so it must not be a view of ``batch``.
        """

    @torch.inference_mode()
    def predict(self, images: Sequence[Image], *, confidence: bool = False) -> list[Segmentation]:
        """Label RGB uint8 ``(H, W, 3)`` images; each is its own batch, so their order has no effect.

        Args:
            images: any sizes.
            confidence: also return the probability of each pixel's class.
        """
        return [self._predict(image, confidence) for image in images]

    @torch.inference_mode()
    def predict_fused(self, pictures: Sequence[Image], *, confidence: bool = False) -> Segmentation:
        """Label one image from several pictures of it: the mean of their logits, or probabilities where it averages.

        Args:
            pictures: RGB uint8 ``(H, W, 3)``, of one size.
            confidence: also return the probability of each pixel's class.
        """
        total = self._scores(pictures[0])
        for picture in pictures[1:]:
            total += self._scores(picture)
        return self._labelled(total.div_(len(pictures)), confidence)

    def _predict(self, image: Image, confidence: bool) -> Segmentation:
        return self._labelled(self._scores(image), confidence)

    def _scores(self, image: Image) -> Tensor:
        """Return ``(1, C, H, W)`` logits, or probabilities if predictions are averaged."""
        height, width = image.shape[:2]
        planes = to_tensor(image).to(self._device)
        if self._inference.size is not None and self._inference.size != min(height, width):
            ratio = self._inference.size / min(height, width)
            size = (max(round(height * ratio), 1), max(round(width * ratio), 1))
            planes = F.interpolate(planes, size, mode="bilinear", align_corners=False, antialias=True)
        planes = (planes - self._mean) / self._std
        scores = self._windows(planes, self._inference.window) if self._inference.window else self._mirrored(planes)
        if scores.shape[2:] != (height, width):
            scores = F.interpolate(scores, (height, width), mode="bilinear", align_corners=False)
        return scores

    def _labelled(self, scores: Tensor, confidence: bool) -> Segmentation:
        """Return the best class of each pixel; scores are overwritten."""
        best, labels = scores[0].max(dim=0)  # faster than argmax over the first dimension
        certainty = None
        if confidence:
            if not self._averages:
                for top, logits in zip(torch.split(best, _BAND), torch.split(scores[0], _BAND, dim=1), strict=True):
                    top.sub_(logits.logsumexp(dim=0)).exp_()
            certainty = best.float().cpu().numpy()
        return Segmentation(labels.to(torch.uint8).cpu().numpy(), certainty)

    @property
    def _averages(self) -> bool:
        """True if scores are probabilities, not logits."""
        return self._inference.flip or self._inference.window is not None

    def _windows(self, planes: Tensor, window: int) -> Tensor:
        """Return ``(1, C, h, w)`` probabilities, averaged over the windows that cover a pixel."""
        height, width = planes.shape[2:]
        total: Tensor | None = None
        times = torch.zeros(1, 1, height, width, device=planes.device)
        for top in self._starts(height, window):
            for left in self._starts(width, window):
                tile = (..., slice(top, top + window), slice(left, left + window))
                part = self._mirrored(planes[tile])
                if total is None:
                    total = torch.zeros(1, part.shape[1], height, width, device=planes.device)
                total[tile] += part
                times[tile] += 1
        assert total is not None  # there is at least one window
        return total.div_(times)

    def _starts(self, side: int, window: int) -> list[int]:
        """Return the start of each window: evenly spaced, the first at 0, the last ending at the border."""
        if side <= window:
            return [0]
        count = int(np.ceil((side - window) / (window * (1 - self._inference.overlap)))) + 1
        return [round(index * (side - window) / (count - 1)) for index in range(count)]

    def _mirrored(self, planes: Tensor) -> Tensor:
        """Return logits, or probabilities if predictions are averaged."""
        scores = self._padded(planes)
        if not self._averages:
            return scores
        for band in torch.split(scores, _BAND, dim=2):
            band.copy_(band.softmax(dim=1))
        if self._inference.flip:
            mirrored = self._padded(planes.flip(3))
            for band, other in zip(torch.split(scores, _BAND, dim=2), torch.split(mirrored, _BAND, dim=2), strict=True):
                band.add_(other.softmax(dim=1).flip(3)).div_(2)
        return scores

    def _padded(self, planes: Tensor) -> Tensor:
        """Return the logits of ``(1, 3, h, w)`` at its own size."""
        height, width = planes.shape[2:]
        down, right = -height % self.stride, -width % self.stride
        padded = F.pad(planes, (0, right, 0, down)) if down or right else planes  # 0 is the mean colour
        scores = self.logits(padded)
        if scores.shape[2:] != padded.shape[2:]:
            scores = F.interpolate(scores, padded.shape[2:], mode="bilinear", align_corners=False)
        return scores[:, :, :height, :width]
