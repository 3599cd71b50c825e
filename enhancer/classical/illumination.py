"""Illumination maps: weighted least squares smoothing of the brightest channel that preserves edges."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

Plane = NDArray[np.float64]  # (H, W)

EXACT_PIXELS = 640 * 480  # larger systems are solved at this size, where a factorisation takes about a second
_LEAF = 8


def reduced_size(height: int, width: int) -> tuple[int, int]:
    """Return ``(height, width)`` scaled down to ``EXACT_PIXELS`` pixels; smaller sizes are unchanged.

    No side falls below one pixel, so very thin images keep more pixels; their factorisations are cheap.
    """
    scale = min(1.0, math.sqrt(EXACT_PIXELS / (height * width)))
    return min(height, max(1, int(height * scale))), min(width, max(1, int(width * scale)))


def resize(plane: Plane, size: tuple[int, int], interpolation: int) -> Plane:
    """Resize ``plane`` to ``(height, width)`` by one of OpenCV's interpolations."""
    return np.asarray(cv2.resize(plane, size[::-1], interpolation=interpolation), dtype=np.float64)


def forward_differences(plane: Plane) -> tuple[Plane, Plane]:
    """Return differences to the right and to the lower neighbour, ``(H, W)`` each; 0 in the last column and row."""
    return (
        np.diff(plane, axis=1, append=plane[:, -1:]),
        np.diff(plane, axis=0, append=plane[-1:]),
    )


def smooth(plane: Plane, right: Plane, down: Plane) -> Plane:
    """Return the exact minimiser t of Σ (t − plane)² + Σ right (∂ₓt)² + Σ down (∂ᵧt)².

    ∂ are forward differences; there are no neighbours across the image's edge. The system is a sparse, symmetric,
    positive definite M-matrix, so min(plane) ≤ t ≤ max(plane). It is factorised in nested-dissection order.

    Args:
        plane: ``(H, W)`` float64.
        right: ``(H, W)`` weights ≥ 0 between a pixel and its right neighbour; the last column is not used.
        down: ``(H, W)`` weights ≥ 0 between a pixel and its lower neighbour; the last row is not used.
    """
    pixels = np.arange(plane.size).reshape(plane.shape)
    first = np.concatenate([pixels[:, :-1].ravel(), pixels[:-1].ravel()])
    second = np.concatenate([pixels[:, 1:].ravel(), pixels[1:].ravel()])
    weight = np.concatenate([right[:, :-1].ravel(), down[:-1].ravel()])
    order = np.concatenate(_dissect(pixels))
    position = np.empty_like(order)
    position[order] = np.arange(order.size)
    off_diagonal = sparse.coo_array((-weight, (position[first], position[second])), shape=(order.size, order.size))
    laplacian = (off_diagonal + off_diagonal.T).tocsc()
    matrix = laplacian + sparse.diags_array(1 - laplacian.sum(axis=0), format="csc")
    factors = splu(matrix, permc_spec="NATURAL", diag_pivot_thresh=0, options={"SymmetricMode": True})
    return np.asarray(factors.solve(plane.ravel()[order])[position].reshape(plane.shape), dtype=np.float64)


def _dissect(pixels: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the pixels in an order with little fill-in: both halves first, then the line that separates them."""
    height, width = pixels.shape
    if max(height, width) <= _LEAF:
        return [pixels.ravel()]
    if width > height:
        pixels = pixels.T
    middle = len(pixels) // 2
    return [*_dissect(pixels[:middle]), *_dissect(pixels[middle + 1 :]), pixels[middle]]


def guided_upsampling(small: Plane, small_guide: Plane, guide: Plane, radius: int = 4, epsilon: float = 1e-3) -> Plane:
    """Upsample ``small`` to the size of ``guide``, with the guide's edges.

    This is the fast guided filter (He and Sun, arXiv:1505.00996; He, Sun and Tang, TPAMI 2013): its linear coefficients
    are computed on the small planes and interpolated bilinearly.

    Args:
        small: ``(h, w)``.
        small_guide: the guide at the size of ``small``.
        guide: ``(H, W)`` in [0, 1].
        radius: radius of the windows, in pixels of ``small``.
        epsilon: variance of the guide below which a window counts as flat.
    """

    def mean(plane: Plane) -> Plane:
        return np.asarray(cv2.blur(plane, (2 * radius + 1,) * 2, borderType=cv2.BORDER_REFLECT))

    centre, level = mean(small_guide), mean(small)
    slope = (mean(small_guide * small) - centre * level) / (mean(small_guide**2) - centre**2 + epsilon)
    offset = mean(level - slope * centre)
    size = guide.shape[0], guide.shape[1]
    return resize(mean(slope), size, cv2.INTER_LINEAR) * guide + resize(offset, size, cv2.INTER_LINEAR)
