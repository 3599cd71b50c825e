"""HVI colour space of HVI-CIDNet: chroma, and with it the chroma's noise, shrinks for dark colours."""

from __future__ import annotations

import torch
from torch import Tensor, nn

EPSILON = 1e-8


class HviTransform(nn.Module):
    """Transform from RGB to HVI and back, with the exponent k of a checkpoint.

    In the plane (H, V), the angle is HSV's hue and the radius is HSV's saturation times (sin(π I / 2) + ε)^k; I is the
    largest of the three channels. Source: Yan et al., CVPR 2025, section 3; their k is the inverse of this one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.density_k = nn.Parameter(torch.full((1,), 0.2))

    def forward(self, image: Tensor) -> Tensor:
        """Convert RGB ``(B, 3, H, W)`` in [0, 1] to H and V in [-1, 1] and I in [0, 1], ``(B, 3, H, W)``."""
        red, green, blue = image.unbind(dim=1)
        value, least = image.amax(dim=1), image.amin(dim=1)
        chroma = value - least
        steady = chroma + EPSILON
        sixths = torch.where(value == green, 2 + (blue - red) / steady, 4 + (red - green) / steady)
        sixths = torch.where(value == red, (green - blue) / steady % 6, sixths)
        radius = self._density(value) * chroma / (value + EPSILON)  # 0 for grey, whatever its angle
        angle = sixths * (torch.pi / 3)
        return torch.stack([radius * angle.cos(), radius * angle.sin(), value], dim=1)

    def inverse(self, hvi: Tensor, saturation: float = 1.0) -> Tensor:
        """Clip H, V and I ``(B, 3, H, W)`` to their ranges; convert to RGB in [0, 1] of ``saturation`` times HSV's."""
        value = hvi[:, 2:].clamp(0, 1)
        plane = (hvi[:, :2].clamp(-1, 1) / (self._density(value) + EPSILON)).clamp(-1, 1)
        across, up = plane.chunk(2, dim=1)
        sixths = torch.atan2(up + EPSILON, across + EPSILON) * (3 / torch.pi)
        chroma = value * (saturation * (across**2 + up**2 + EPSILON).sqrt()).clamp(0, 1)
        # A channel is at its maximum within a sixth of a turn of its own hue, and at its minimum from two sixths on.
        distance = (sixths - sixths.new_tensor([0.0, 2.0, 4.0]).view(1, 3, 1, 1) + 3) % 6 - 3
        return value - chroma * (distance.abs() - 1).clamp(0, 1)

    def _density(self, intensity: Tensor) -> Tensor:
        return ((intensity * (torch.pi / 2)).sin() + EPSILON).pow(self.density_k)
