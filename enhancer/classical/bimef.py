"""BIMEF: fusion of the image with a longer exposure predicted by a camera response model."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sgz_bench.core.parameters import number

from ..base import Enhancer
from .illumination import Plane, forward_differences, reduced_size, resize, smooth

Picture = NDArray[np.float64]  # RGB (H, W, 3) in [0, 1]; functions of levels accept any shape

_A, _B = -0.3293, 1.1258  # upstream's defaults, for an unknown camera
_STRENGTH, _SHARPNESS, _SPAN = 0.5, 0.001, 5
_DARK = 0.5
_SAMPLE = (50, 50)
RATIOS = np.linspace(1, 7, 601)


def expose(levels: Picture, ratio: float) -> Picture:
    """Predict levels at ``ratio`` k times the exposure: β xᵞ with γ = kᵃ, β = exp(b (1 − kᵃ)); they may exceed 1."""
    exponent = ratio**_A
    return np.asarray(np.exp(_B * (1 - exponent)) * levels**exponent)


def entropy(levels: Picture) -> float:
    """Return the Shannon entropy, in bits, of levels clipped to [0, 1] and rounded to 8 bits."""
    counts = np.bincount(np.rint(levels.ravel().clip(0, 1) * 255).astype(np.int64))
    shares = counts[counts > 0] / levels.size
    return float(-(shares * np.log2(shares)).sum())


def exposure_ratio(levels: Picture) -> float:
    """Return the ratio of ``RATIOS`` (1 to 7 in steps of 0.01) whose exposure of ``levels`` has the largest entropy."""
    return float(max(RATIOS, key=lambda ratio: entropy(expose(levels, ratio))))


def texture_weights(plane: Plane) -> tuple[Plane, Plane]:
    """Return the weights of the smoothness terms to the right and to the lower neighbour, ``(H, W)`` each.

    They are 1 / (|Σ ∂t̂| · |∂t̂| + 0.001), where the sum is over the five differences along ∂ centred on the pixel.
    """
    right, down = forward_differences(plane)
    along_row, along_column = (
        cv2.boxFilter(difference, cv2.CV_64F, window, normalize=False, borderType=cv2.BORDER_CONSTANT)
        for difference, window in ((right, (_SPAN, 1)), (down, (1, _SPAN)))
    )
    return (
        np.asarray(1 / (np.abs(along_row * right) + _SHARPNESS)),
        np.asarray(1 / (np.abs(along_column * down) + _SHARPNESS)),
    )


def illumination(image: Picture) -> Plane:
    """Return the illumination map, ``(H, W)`` in [0, 1]: the brightest channel after edge-preserving smoothing.

    The map is solved at half the size, at most ``EXACT_PIXELS`` pixels; reduction is by area, upsampling bicubic.
    """
    height, width = image.shape[:2]
    half = reduced_size(max(1, height // 2), max(1, width // 2))
    small = resize(image.max(axis=2), half, cv2.INTER_AREA)
    right, down = texture_weights(small)
    refined = smooth(small, _STRENGTH * right, _STRENGTH * down)
    return resize(refined, (height, width), cv2.INTER_CUBIC).clip(0, 1)


class Bimef(Enhancer):
    """BIMEF: weighted mean of the image and a longer exposure, whose weight is larger in dark regions.

    Source: Ying, Li and Gao, *A Bio-Inspired Multi-Exposure Fusion Framework for Low-light Image Enhancement*,
    arXiv:1711.00591; constants of ``baidut/BIMEF`` (no licence file found; none of its code is used).

    With the illumination map t and the weight W = t^μ, the output is W x + (1 − W) (expose(x, k) − 0.01). The ratio k
    maximises the entropy of the exposed geometric mean of the channels over the dark pixels, t < 0.5, of a 50 × 50
    reduction. An image without dark pixels is not changed.

    Deviations: the linear system is solved exactly (upstream stops conjugate gradients at a tenth of the first
    residual), and the image does not wrap around at its edges. k is the best value of a grid over its whole range
    (upstream searches locally, which may stop early on this jagged function). Reductions are by area.

    Args:
        mu: exponent μ in [0, 5]; 0 keeps the image, larger values use more of the longer exposure.

    Raises:
        UserError: ``mu`` is out of range.
    """

    name: ClassVar[str] = "bimef"
    summary: ClassVar[str] = "BIMEF (Ying et al. 2017): fusion with a simulated longer exposure"

    def __init__(self, mu: float = 0.5) -> None:
        self.mu = number(self.name, "mu", mu, 0, 5)
        super().__init__(mu=self.mu)

    def enhance(self, image: Tensor) -> Tensor:
        pictures = image.permute(0, 2, 3, 1).double().cpu().numpy()
        fused = np.stack([self._fuse(picture).astype(np.float32) for picture in pictures])
        return torch.from_numpy(fused).permute(0, 3, 1, 2).to(image.device)

    def _fuse(self, picture: Picture) -> Picture:
        light = illumination(picture)
        sample = np.cbrt(cv2.resize(picture, _SAMPLE, interpolation=cv2.INTER_AREA).prod(axis=2))
        dark = resize((light < _DARK).astype(np.float64), _SAMPLE, cv2.INTER_AREA) > 0.5
        if not dark.any():
            return picture
        longer = expose(picture, exposure_ratio(sample[dark])) - 0.01
        weight = light[..., None] ** self.mu
        return np.asarray(weight * picture + (1 - weight) * longer)
