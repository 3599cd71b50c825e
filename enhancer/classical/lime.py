"""LIME and DUAL: division by a smoothed illumination map, alone or fused with the same on the negative."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sgz_bench.core.parameters import number

from ..base import Enhancer
from .illumination import Plane, forward_differences, guided_upsampling, reduced_size, resize, smooth

_EPSILON = 1e-3
_WINDOW = 15


def affinity_weights(plane: Plane, sigma: float) -> tuple[Plane, Plane]:
    """Return the weights of the smoothness terms to the right and to the lower neighbour, ``(H, W)`` each.

    W = Σ G / (|Σ G ∂t̂| + ε) / (|∂t̂| + ε) with forward differences ∂ and ε = 0.001. Sums are over the part of a pixel's
    15 × 15 window inside the image, with G = exp(−d² / 2σ²) at distance d. This is the third weighting strategy of Guo
    et al., and the weights of Zhang et al.
    """
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))

    def window_sum(values: Plane) -> Plane:
        summed = cv2.sepFilter2D(values, cv2.CV_64F, kernel, kernel, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(summed, dtype=np.float64)

    total = window_sum(np.ones_like(plane))
    right, down = (
        total / ((np.abs(window_sum(difference)) + _EPSILON) * (np.abs(difference) + _EPSILON))
        for difference in forward_differences(plane)
    )
    return right, down


def illumination(image: NDArray[np.float32], strength: float, sigma: float) -> Plane:
    """Return the refined illumination map, ``(H, W)`` in [0.001, 1], of RGB ``(H, W, 3)`` in [0, 1].

    Above ``EXACT_PIXELS`` pixels, the map is solved on an image reduced to that many by area, and upsampled by the fast
    guided filter with the full brightest channel as the guide.
    """
    brightest = image.max(axis=2).astype(np.float64)
    height, width = brightest.shape
    size = reduced_size(height, width)
    small = brightest if size == (height, width) else resize(brightest, size, cv2.INTER_AREA)
    right, down = affinity_weights(small, sigma)
    refined = smooth(small, strength * right, strength * down)
    if size != (height, width):
        refined = guided_upsampling(refined, small, brightest)
    return np.clip(refined, _EPSILON, 1)


class Lime(Enhancer):
    """LIME: the image divided by T^γ, where T is its brightest channel after edge-preserving smoothing.

    Source: Guo, Li and Ling, *LIME: Low-Light Image Enhancement via Illumination Map Estimation*, TIP 2017: the
    sped-up solver with the third weighting strategy. Constants are those of ``baidut/BIMEF``, which calls the authors'
    code; window size and ε are those of ``dual``.

    Deviations: no BM3D denoising afterwards; above 640 × 480 pixels the map is solved at that size
    (:func:`illumination`).

    Args:
        gamma: exponent γ of the map in [0, 1]; 0 keeps the image, 1 removes all of its illumination.
        strength: weight α of the smoothness in [0, 100].
        sigma: standard deviation of the Gaussian window weights in [0.1, 100], in pixels.

    Raises:
        UserError: a parameter out of range.
    """

    name: ClassVar[str] = "lime"
    summary: ClassVar[str] = "LIME (Guo et al. 2017): division by the smoothed brightest channel"

    def __init__(self, gamma: float = 0.8, strength: float = 0.15, sigma: float = 2.0) -> None:
        self.gamma = number(self.name, "gamma", gamma, 0, 1)
        self.strength = number(self.name, "strength", strength, 0, 100)
        self.sigma = number(self.name, "sigma", sigma, 0.1, 100)
        super().__init__(gamma=self.gamma, strength=self.strength, sigma=self.sigma)

    def correct(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Brighten the underexposed parts of RGB ``(H, W, 3)`` float32 in [0, 1]; the result is in [0, 1]."""
        light = illumination(image, self.strength, self.sigma) ** self.gamma
        return np.minimum(image / light[..., None].astype(np.float32), 1)

    def enhance(self, image: Tensor) -> Tensor:
        pictures = image.permute(0, 2, 3, 1).cpu().numpy()
        corrected = np.stack([self.correct(picture) for picture in pictures])
        return torch.from_numpy(corrected).permute(0, 3, 1, 2).to(image.device)


class Dual(Lime):
    """DUAL: fusion of the image, its underexposure corrected by LIME, and its overexposure corrected on the negative.

    Source: Zhang, Nie and Zheng, *Dual Illumination Estimation for Robust Exposure Correction*, Computer Graphics
    Forum 2019; fusion by Mertens, Kautz and Van Reeth, *Exposure Fusion*, 2007 (OpenCV's, its three measures with
    exponent 1). Compared with ``pvnieo/Low-light-Image-Enhancement`` (MIT), which is not the authors'. It uses central
    differences and gives a pair of neighbours two weights, so its matrix is not symmetric and its map not a minimum.
    With these two choices in place of ours, outputs are equal to the last bit.

    Deviations: above 640 × 480 pixels, maps are solved at that size (:func:`illumination`). If all fusion weights are
    0, as for grey images, which have no saturation, the fusion is the plain mean.

    Args:
        gamma: as for ``lime``.
        strength: weight λ of the smoothness, as for ``lime``.
        sigma: as for ``lime``.

    Raises:
        UserError: as for ``lime``.
    """

    name: ClassVar[str] = "dual"
    summary: ClassVar[str] = "DUAL (Zhang et al. 2019): LIME on the image and on its negative, exposures fused"

    def __init__(self, gamma: float = 0.6, strength: float = 0.15, sigma: float = 3.0) -> None:
        super().__init__(gamma, strength, sigma)

    def correct(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        exposures = [image, super().correct(image), 1 - super().correct(1 - image)]
        # OpenCV divides by 255 for any type, so the exposures need no rounding to 8 bits.
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)  # several threads sum the weights in the order in which they finish
        try:
            fused = cv2.createMergeMertens(1, 1, 1).process([exposure * 255 for exposure in exposures])
        finally:
            cv2.setNumThreads(threads)
        return np.asarray(fused, dtype=np.float32)
