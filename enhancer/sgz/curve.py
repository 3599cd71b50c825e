"""Tone curve of SGZ and Zero-DCE."""

from __future__ import annotations

from torch import Tensor

STEPS = 8


def apply_curve(image: Tensor, factor: Tensor) -> Tensor:
    """Apply eight steps of ``x ← x + r·(x² − x)`` (SGZ, section 3.2; Zero-DCE, equation 2, with r = −α).

    Args:
        image: RGB ``(B, 3, H, W)`` in [0, 1].
        factor: r in [−1, 1]; negative values brighten. Either broadcastable to the image's shape, the same for all
            steps, or ``(B, 24, H, W)``, three channels for each step in order (Zero-DCE, equation 4).

    Returns:
        ``(B, 3, H, W)`` in [0, 1], up to rounding: a step is monotonic and maps 0 to 0 and 1 to 1.
    """
    factors = factor.chunk(STEPS, dim=1) if factor.ndim == 4 and factor.shape[1] == 3 * STEPS else [factor] * STEPS
    for factor in factors:
        image = image + factor * (image.square() - image)
    return image
