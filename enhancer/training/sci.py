"""SCI's training model: a cascade of one illumination network, with a calibration that makes the stages agree."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..learned.sci import IlluminationNet, SciNetwork
from . import losses

STAGES = 3
_STD = 0.02  # standard deviation of the initial weights


class Stage(NamedTuple):
    """Input and estimated illumination of one stage, both ``(B, 3, H, W)``."""

    image: Tensor
    illumination: Tensor


class Calibration(nn.Module):
    """Self-calibration: the correction that turns the image into the next stage's input. Used in training alone."""

    def __init__(self, blocks: int = 3, width: int = 16) -> None:
        super().__init__()
        self.blocks = blocks
        self.in_conv = nn.Sequential(*_convolution(3, width))
        self.conv = nn.Sequential(*_convolution(width, width), *_convolution(width, width))  # shared by all blocks
        self.out_conv = nn.Sequential(nn.Conv2d(width, 3, 3, padding=1), nn.Sigmoid())

    def forward(self, reflectance: Tensor) -> Tensor:
        """Map a stage's result ``(B, 3, H, W)`` in [0, 1] to a correction of the same shape."""
        features = self.in_conv(reflectance)
        for _ in range(self.blocks):
            features = features + self.conv(features)
        return reflectance - self.out_conv(features)  # type: ignore[no-any-return]


class Cascade(nn.Module):
    """SCI's training model (section 2.2 of the paper; upstream vis-opt-group/SCI, ``model.py``, MIT).

    Initial weights follow upstream: normal with standard deviation 0.02, biases 0.

    Args:
        seed: of the initial weights.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = SciNetwork()
            self.calibration = Calibration()
            for layer in self.modules():
                if isinstance(layer, nn.Conv2d):
                    nn.init.normal_(layer.weight, std=_STD)
                    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
                elif isinstance(layer, nn.BatchNorm2d):
                    nn.init.normal_(layer.weight, 1.0, _STD)

    def forward(self, image: Tensor) -> tuple[Tensor, list[Stage]]:
        """Return ``(B, 3, H, W)`` images enhanced by the first stage, the one used at test time, and all stages."""
        network: IlluminationNet = self.network.enhance
        stages: list[Stage] = []
        results: list[Tensor] = []
        for _ in range(STAGES):
            source = image + self.calibration(results[-1]) if results else image
            stages.append(Stage(source, network(source)))
            results.append((image / stages[-1].illumination).clamp(0, 1))
        return results[0], stages


def stage_losses(stages: list[Stage]) -> dict[str, Tensor]:
    """Return SCI's two loss terms, summed over stages: fidelity of the illumination to its image, and smoothness."""
    fidelity = torch.stack([F.mse_loss(stage.illumination, stage.image) for stage in stages]).sum()
    smoothness = torch.stack([losses.smoothness(stage.illumination, stage.image) for stage in stages]).sum()
    return {"fidelity": fidelity, "smoothness": smoothness}


def _convolution(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()
