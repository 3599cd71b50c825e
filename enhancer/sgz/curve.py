"""The enhancement curve that SGZ shares with Zero-DCE."""

from __future__ import annotations

from torch import Tensor

STEPS = 8


def apply_curve(image: Tensor, factor: Tensor) -> Tensor:
    """Eight steps of ``x ← x + r·(x² − x)`` (SGZ, section 3.2; Zero-DCE, equation 2, with r = −α).

    Args:
        image: RGB ``(B, 3, H, W)`` in [0, 1].
        factor: r in [−1, 1], broadcast to the image's shape; below 0 brightens.

    Returns:
        ``(B, 3, H, W)`` in [0, 1], up to rounding: a step is monotonic and keeps 0 and 1.
    """
    for _ in range(STEPS):
        image = image + factor * (image.square() - image)
    return image
