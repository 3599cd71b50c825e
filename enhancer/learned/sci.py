"""SCI: self-calibrated illumination."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from ..base import Enhancer
from ..checkpoint import load_weights
from ..weights import find_weights


class IlluminationNet(nn.Module):
    """One residual convolution between two others, three channels wide: 258 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.in_conv = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU())
        # One layer under two names: the paper shares it among all residual blocks, of which the code has one.
        self.conv = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU())
        self.blocks = nn.ModuleList([self.conv])
        self.out_conv = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Sigmoid())

    def forward(self, image: Tensor) -> Tensor:
        """Map RGB ``(B, 3, H, W)`` in [0, 1] to the illumination, same shape, in [1e-4, 1]."""
        features = self.in_conv(image)
        return (self.out_conv(features + self.conv(features)) + image).clamp(1e-4, 1)  # type: ignore[no-any-return]


class SciNetwork(nn.Module):
    """The part of SCI used at test time, under the upstream names."""

    def __init__(self) -> None:
        super().__init__()
        self.enhance = IlluminationNet()

    def forward(self, image: Tensor) -> Tensor:
        """Map RGB ``(B, 3, H, W)`` in [0, 1] to the illumination, same shape, in [1e-4, 1]."""
        return self.enhance(image)  # type: ignore[no-any-return]


class Sci(Enhancer):
    """SCI: division by an illumination estimated by small convolutions (section 2.1).

    Source: Ma et al., *Toward Fast, Flexible, and Robust Low-Light Image Enhancement*, CVPR 2022; upstream
    vis-opt-group/SCI, MIT. The cascade and its calibration are used in training alone: at test time one stage runs, and
    a checkpoint's tensors ``calibrate.*`` are not read. No deviations.

    Args:
        weights: upstream's ``easy``, ``medium`` or ``difficult``, for light to severe darkness, or a file with the
            upstream parameter names.

    Raises:
        UserError: weights that are missing or do not fit.
    """

    name: ClassVar[str] = "sci"
    summary: ClassVar[str] = "SCI (Ma et al. 2022): division by an illumination from a 258-parameter network"

    def __init__(self, weights: str = "medium") -> None:
        file = find_weights(self.name, str(weights))
        super().__init__(weights=str(weights))
        self.network = SciNetwork()
        load_weights(self.network, file, training_only=("calibrate.",))

    def enhance(self, image: Tensor) -> Tensor:
        return image / self.network(image)  # type: ignore[no-any-return]
