"""What every segmenter is: 8-bit RGB images in, a class for each of their pixels out."""

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
_BAND = 64  # rows whose probabilities are computed at a time: at 1920×1080×19 a second map of them would be 150 MiB


@dataclass(frozen=True)
class InferenceConfig:
    """How an image is shown to a network.

    Attributes:
        size: shorter side, pixels, that an image is scaled to (bilinear with antialias); None: as it is.
        window: side of a sliding window, pixels; None: the whole image at once.
        overlap: share of a window that its neighbour covers too, in [0, 0.9].
        flip: average with the answer to the mirrored image.
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
        """For the row; the overlap only where there are windows."""
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
    """Base of all segmenters: scaling, normalisation, padding, windows and mirroring, and the way back.

    A subclass gives the network, in ``network``, and its forward pass, in :meth:`logits`. Logits are resized
    (bilinear) to the image's own size before the best class is taken. Windows and mirrored answers are averaged as
    probabilities.

    Args:
        source, class_names, fingerprint: as for every model.
        view: how images are shown.
        mean, std: of RGB in [0, 1], that the network was trained with.
        stride: sides are padded to multiples of this, at right and bottom, with the mean colour.
        device: torch device.
        settings: further settings for the row.

    Raises:
        UserError: more classes than an 8-bit label map can tell apart.
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
        self._view = view
        self.mean, self.std = tuple(mean), tuple(std)
        self._mean = torch.tensor(mean, dtype=torch.float32, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(std, dtype=torch.float32, device=device).view(1, 3, 1, 1)
        self.stride = stride
        self._device = device

    @abstractmethod
    def logits(self, batch: Tensor) -> Tensor:
        """``(1, C, h', w')`` of a normalised ``(1, 3, h, w)`` whose sides divide by the stride; any h', w'.

        The answer is overwritten, so it must be no view of ``batch``.
        """

    @torch.inference_mode()
    def predict(self, images: Sequence[Image], *, confidence: bool = False) -> list[Segmentation]:
        """Label RGB uint8 ``(H, W, 3)`` images; each is its own batch, so order does not matter.

        Args:
            images: any sizes.
            confidence: also give the probability of each pixel's class.
        """
        return [self._predict(image, confidence) for image in images]

    def _predict(self, image: Image, confidence: bool) -> Segmentation:
        height, width = image.shape[:2]
        shown = to_tensor(image).to(self._device)
        if self._view.size is not None and self._view.size != min(height, width):
            ratio = self._view.size / min(height, width)
            size = (max(round(height * ratio), 1), max(round(width * ratio), 1))
            shown = F.interpolate(shown, size, mode="bilinear", align_corners=False, antialias=True)
        shown = (shown - self._mean) / self._std
        scores = self._windows(shown, self._view.window) if self._view.window else self._mirrored(shown)
        if scores.shape[2:] != (height, width):
            scores = F.interpolate(scores, (height, width), mode="bilinear", align_corners=False)
        best, labels = scores[0].max(dim=0)  # streams, where argmax over the first dimension does not
        sure = None
        if confidence:
            if not self._averages:
                for top, logits in zip(torch.split(best, _BAND), torch.split(scores[0], _BAND, dim=1), strict=True):
                    top.sub_(logits.logsumexp(dim=0)).exp_()
            sure = best.float().cpu().numpy()
        return Segmentation(labels.to(torch.uint8).cpu().numpy(), sure)

    @property
    def _averages(self) -> bool:
        """Whether scores are probabilities, not logits."""
        return self._view.flip or self._view.window is not None

    def _windows(self, shown: Tensor, window: int) -> Tensor:
        """``(1, C, h, w)`` probabilities, the mean over the windows that cover a pixel."""
        height, width = shown.shape[2:]
        total: Tensor | None = None
        times = torch.zeros(1, 1, height, width, device=shown.device)
        for top in self._starts(height, window):
            for left in self._starts(width, window):
                place = (..., slice(top, top + window), slice(left, left + window))
                part = self._mirrored(shown[place])
                if total is None:
                    total = torch.zeros(1, part.shape[1], height, width, device=shown.device)
                total[place] += part
                times[place] += 1
        assert total is not None  # there is at least one window
        return total.div_(times)

    def _starts(self, side: int, window: int) -> list[int]:
        """Where windows begin: evenly apart, the first at 0, the last at the border."""
        if side <= window:
            return [0]
        count = int(np.ceil((side - window) / (window * (1 - self._view.overlap)))) + 1
        return [round(index * (side - window) / (count - 1)) for index in range(count)]

    def _mirrored(self, shown: Tensor) -> Tensor:
        """Logits; probabilities where answers are averaged."""
        scores = self._padded(shown)
        if not self._averages:
            return scores
        for band in torch.split(scores, _BAND, dim=2):
            band.copy_(band.softmax(dim=1))
        if self._view.flip:
            mirrored = self._padded(shown.flip(3))
            for band, other in zip(torch.split(scores, _BAND, dim=2), torch.split(mirrored, _BAND, dim=2), strict=True):
                band.add_(other.softmax(dim=1).flip(3)).div_(2)
        return scores

    def _padded(self, shown: Tensor) -> Tensor:
        """Logits of ``(1, 3, h, w)`` at its own size."""
        height, width = shown.shape[2:]
        down, right = -height % self.stride, -width % self.stride
        padded = F.pad(shown, (0, right, 0, down)) if down or right else shown  # 0 is the mean colour
        scores = self.logits(padded)
        if scores.shape[2:] != padded.shape[2:]:
            scores = F.interpolate(scores, padded.shape[2:], mode="bilinear", align_corners=False)
        return scores[:, :, :height, :width]
