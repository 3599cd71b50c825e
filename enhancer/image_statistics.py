"""Cheap statistics of an image, by which gates decide and results are sliced: luma, dark share, noise.

All are computed from the 8-bit levels in integers, so they are the same on every machine and in an exported graph.
The luma is ITU-R BT.601's, 0.299 R + 0.587 G + 0.114 B, in thousandths of a level.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sgz_bench.core.images import Image

VERSION = 1  # raised when a statistic changes its values
DARK = 30  # levels of luma below which a pixel is dark
_WEIGHTS = (299, 587, 114)
_MILLE = 1_000


@dataclass(frozen=True)
class Statistic:
    """One statistic.

    Attributes:
        of: returns it of RGB ``(H, W, 3)`` uint8.
        of_batch: returns ``(B,)`` the same of RGB ``(B, 3, H, W)`` in [0, 1], rounded to 8 bits; can be exported.
    """

    of: Callable[[Image], float]
    of_batch: Callable[[Tensor], Tensor]


def luma(image: Image) -> float:
    """Return the mean luma, 0 to 255."""
    sums = cv2.sumElems(image)  # exact: far below 2⁵³
    total = sum(weight * int(channel) for weight, channel in zip(_WEIGHTS, sums, strict=False))
    return float(total / (_MILLE * image.shape[0] * image.shape[1]))


def dark(image: Image) -> float:
    """Return the share of pixels with a luma below :data:`DARK`, 0 to 1."""
    return float(np.count_nonzero(_luma(image) < _MILLE * DARK) / (image.shape[0] * image.shape[1]))


def noise(image: Image) -> float:
    """Return the estimated standard deviation of the noise of the luma, in levels; 0 for sides below 3 pixels.

    Source: Immerkær: "Fast noise variance estimation" (CVIU, 1996): the mean absolute response to the difference of two
    Laplacians, which is blind to constant, linear and quadratic structure; texture counts as noise.
    """
    height, width = image.shape[:2]
    if min(height, width) < 3:
        return 0.0
    levels = _luma(image)
    rows = levels[:-2] - 2 * levels[1:-1] + levels[2:]
    response = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    return int(np.abs(response).sum(dtype=np.int64)) * _scale(height, width)


def _luma(image: Image) -> NDArray[np.int32]:
    red, green, blue = (image[..., channel].astype(np.int32) for channel in range(3))
    return _WEIGHTS[0] * red + _WEIGHTS[1] * green + _WEIGHTS[2] * blue


def _scale(height: int, width: int) -> float:
    return math.sqrt(math.pi / 2) / (6 * _MILLE * (height - 2) * (width - 2))


def _luma_map(image: Tensor) -> Tensor:
    levels = (image * 255).round().to(torch.int64)
    return _WEIGHTS[0] * levels[:, 0] + _WEIGHTS[1] * levels[:, 1] + _WEIGHTS[2] * levels[:, 2]


def _pixels(image: Tensor) -> int:
    return image.shape[2] * image.shape[3]


def _luma_batch(image: Tensor) -> Tensor:
    return _luma_map(image).sum(dim=(1, 2)).double() / (_MILLE * _pixels(image))


def _dark_batch(image: Tensor) -> Tensor:
    return (_luma_map(image) < _MILLE * DARK).to(torch.int64).sum(dim=(1, 2)).double() / _pixels(image)


def _noise_batch(image: Tensor) -> Tensor:
    if not torch.onnx.is_in_onnx_export() and min(image.shape[2:]) < 3:  # an exported graph is for larger images
        return torch.zeros(len(image), dtype=torch.float64, device=image.device)
    levels = _luma_map(image)
    rows = levels[:, :-2] - 2 * levels[:, 1:-1] + levels[:, 2:]
    response = rows[:, :, :-2] - 2 * rows[:, :, 1:-1] + rows[:, :, 2:]
    return response.abs().sum(dim=(1, 2)).double() * _scale(image.shape[2], image.shape[3])


STATISTICS: Mapping[str, Statistic] = {
    "luma": Statistic(luma, _luma_batch),
    "dark": Statistic(dark, _dark_batch),
    "noise": Statistic(noise, _noise_batch),
}
