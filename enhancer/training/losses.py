"""Loss terms that train an enhancer without image pairs and without labels.

Terms that SGZ's and Zero-DCE's upstream code (``Myloss.py``) has follow its formulas. Images are RGB ``(B, 3, H, W)``
in [0, 1], factor maps r ``(B, C, H, W)``; every term is a scalar ≥ 0.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_TINY = 1e-12  # added under a square root, whose gradient is infinite at 0
_ASIDE = ((0, 1), (0, -1), (1, 0), (-1, 0))
_DIAGONAL = ((1, 1), (1, -1), (-1, 1), (-1, -1))
# Rows: Y, Cb, Cr of RGB (ITU-R BT.601). SCI's smoothness weights neighbours by their colour distance in YCbCr.
_YCBCR = ((0.257, 0.564, 0.098), (-0.148, -0.291, 0.439), (0.439, -0.368, -0.071))
_WINDOW = (
    (0, 1),
    (0, 2),
    *((dy, dx) for dy in (1, 2) for dx in range(-2, 3)),
)  # half of 5 × 5, without its centre


def total_variation(factor: Tensor) -> Tensor:
    """Return squared differences of neighbours: sum over channels, mean over pixels and images, times 2 (``L_TV``)."""
    height, width = factor.shape[-2:]
    down = (factor[..., 1:, :] - factor[..., :-1, :]).square().sum() / ((height - 1) * width)
    across = (factor[..., 1:] - factor[..., :-1]).square().sum() / (height * (width - 1))
    return 2 * (down + across) / len(factor)


def spatial_consistency(enhanced: Tensor, original: Tensor, *, patch: int = 4, diagonal: float = 0.5) -> Tensor:
    """Return the squared change of differences between neighbouring patches (``L_spa8``).

    With ``diagonal=0`` it is Zero-DCE's ``L_spa``. Patches outside the image are 0, as with upstream's padding.

    Args:
        enhanced, original: the image after and before enhancement.
        patch: side of the averaged patches, in pixels.
        diagonal: weight of the four diagonal neighbours.
    """
    change = F.avg_pool2d((enhanced - original).mean(dim=1, keepdim=True), patch)
    padded = F.pad(change, (1, 1, 1, 1))
    height, width = change.shape[-2:]

    def against(dy: int, dx: int) -> Tensor:
        return (change - padded[..., 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]).square().mean()

    total = sum((against(*step) for step in _ASIDE), start=change.new_zeros(()))
    if diagonal:
        total = total + diagonal * sum((against(*step) for step in _DIAGONAL), start=change.new_zeros(()))
    return total


def color_constancy(image: Tensor) -> Tensor:
    """Return the distance between channel means: √(Σ (difference)⁴) over the three pairs (``L_color``).

    The gradient is 0 for equal means; upstream's is NaN.
    """
    red, green, blue = image.mean(dim=(2, 3)).unbind(dim=1)
    fourth: Tensor = (red - green).pow(4) + (red - blue).pow(4) + (green - blue).pow(4)
    distance: Tensor = (fourth + _TINY).sqrt() - math.sqrt(_TINY)
    return distance.mean()


def exposure(image: Tensor, *, level: float = 0.6, patch: int = 16) -> Tensor:
    """Return the mean squared distance of patch brightness from ``level`` (``L_exp``); ``patch`` is in pixels."""
    return (F.avg_pool2d(image.mean(dim=1, keepdim=True), patch) - level).square().mean()


def smoothness(illumination: Tensor, image: Tensor, *, sigma: float = 10.0) -> Tensor:
    """Return absolute differences within 5 × 5 windows, weighted by colour similarity in the image (SCI, equation 5).

    Each of the 24 neighbours contributes the mean over pixels of its sum over channels. Upstream's ``SmoothLoss``
    indexes the three colours wrongly; with its ``sigma`` all weights lie above 0.98, so the effect is negligible.

    Args:
        illumination: map to be smooth.
        image: guide whose edges reduce the weights.
        sigma: colour distance, for values in [0, 1], at which the weight is 0.6.
    """
    colours = torch.einsum("kc,bchw->bkhw", image.new_tensor(_YCBCR), image)
    total = image.new_zeros(())
    for dy, dx in _WINDOW:
        distance = _difference(colours, dy, dx).square().sum(dim=1)
        weight = (distance / (-2 * sigma**2)).exp()
        total = total + (weight * _difference(illumination, dy, dx).abs().sum(dim=1)).mean()
    return 2 * total  # each pair counts from both of its pixels


def _difference(image: Tensor, dy: int, dx: int) -> Tensor:
    """Return each pixel's neighbour at ``(dy, dx)`` minus the pixel, where both lie in the image; ``dy ≥ 0``."""
    height, width = image.shape[-2:]
    here = image[..., : height - dy, max(0, -dx) : width - max(0, dx)]
    return image[..., dy:, max(0, dx) : width - max(0, -dx)] - here


def focal(logits: Tensor, target: Tensor, *, gamma: float = 2.0, weight: Tensor | None = None) -> Tensor:
    """Return the focal loss (Lin et al. 2017), mean over pixels: ``−(1 − p)^γ log p``, p the target's probability.

    Args:
        logits: ``(B, C, H, W)``.
        target: ``(B, H, W)`` int64 class ids.
        gamma: exponent γ, which reduces the loss of easy pixels.
        weight: ``(B, H, W)`` pixel weights; None: all pixels count equally.
    """
    log_p = F.log_softmax(logits, dim=1).gather(1, target[:, None])[:, 0]
    # Upstream clamps p to [1e-7, 1 − 1e-7].
    log_p = log_p.clamp(torch.finfo(torch.float32).min, -1e-7).clamp_min(-16.118095650958319)
    each = -(1 - log_p.exp()).pow(gamma) * log_p
    return each.mean() if weight is None else (each * weight).sum() / weight.sum().clamp_min(1)


def identity(enhanced: Tensor, original: Tensor) -> Tensor:
    """Return the mean absolute change; for well-lit images, which should not change."""
    return (enhanced - original).abs().mean()


def neutrality(image: Tensor) -> Tensor:
    """Return the mean absolute distance of channels from their mean: the colour cast of an enhanced grey image."""
    return (image - image.mean(dim=1, keepdim=True)).abs().mean()
