"""RUAS: a Retinex unrolling with searched layers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from sgz_bench.core.parameters import switch

from ..bands import in_bands
from ..base import Enhancer
from ..checkpoint import load_weights
from ..weights import find_weights

STAGES = 3
STEP = 0.5  # γ of the paper's warm start


class _Operation(NamedTuple):
    kernel: int
    dilation: int = 1
    residual: bool = False


# Searched operations by upstream's slot names; a slot that is not listed is the identity.
ILLUMINATION: Mapping[str, _Operation] = MappingProxyType(
    {
        "c1_r": _Operation(1, residual=True),
        "c2_d": _Operation(3, dilation=2, residual=True),
        "c2_r": _Operation(3),
        "c3_d": _Operation(3),
        "c4": _Operation(3),
    }
)
NOISE: Mapping[str, _Operation] = MappingProxyType(
    {
        "c1_d": _Operation(1, residual=True),
        "c1_r": _Operation(1, residual=True),
        "c2_d": _Operation(3, dilation=2, residual=True),
        "c3_d": _Operation(1, residual=True),
        "c3_r": _Operation(1, residual=True),
    }
)


class Searched(nn.Module):
    """Convolution of the search space, with or without a residual connection."""

    def __init__(self, width: int, operation: _Operation) -> None:
        super().__init__()
        kernel, dilation, self.residual = operation
        self.op = nn.Conv2d(width, width, kernel, padding=kernel // 2 * dilation, dilation=dilation)

    def forward(self, features: Tensor) -> Tensor:
        out: Tensor = self.op(features)
        return out + features if self.residual else out


class Cell(nn.Module):
    """Searched cell: three distillation steps, each with a branch kept aside; a 1×1 convolution joins all branches."""

    def __init__(self, width: int, operations: Mapping[str, _Operation]) -> None:
        super().__init__()
        for slot in ("c1_d", "c1_r", "c2_d", "c2_r", "c3_d", "c3_r", "c4"):
            layer = Searched(width, operations[slot]) if slot in operations else nn.Identity()
            self.add_module(slot, layer)
        self.c5 = nn.Conv2d(4 * width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        def layer(slot: str, rest: Tensor) -> Tensor:
            return self.get_submodule(slot)(rest)  # type: ignore[no-any-return]

        parts = []
        for step in ("c1", "c2", "c3"):
            parts.append(layer(f"{step}_d", features))
            features = _leaky(layer(f"{step}_r", features) + features)
        parts.append(layer("c4", features))
        return self.c5(_leaky(torch.cat(parts, dim=1)))  # type: ignore[no-any-return]


class IlluminationModule(nn.Module):
    """One stage of the unrolling: refines the illumination from its warm start."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = Cell(3, ILLUMINATION)

    def forward(self, start: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to the illumination, same shape, in [0.001, 1]."""
        return self.cell(start).sigmoid().clamp(0.001, 1)  # type: ignore[no-any-return]


class EnhanceNet(nn.Module):
    """Illumination module: three stages, each of which divides the original image by its illumination."""

    def __init__(self) -> None:
        super().__init__()
        self.iems = nn.ModuleList(IlluminationModule() for _ in range(STAGES))

    def forward(self, image: Tensor) -> Tensor:
        """Enhance RGB ``(B, 3, H, W)`` in [0, 1]; same shape and range."""
        start, lit = _brightest(image), image
        for index, stage in enumerate(self.iems):
            if index:
                start = _brightest(lit) - STEP * (lit - image)
            lit = (image / stage(start)).clamp(0, 1)
        return lit


class DenoiseNet(nn.Module):
    """Noise module: estimates the noise to subtract."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.nrms = nn.Sequential(*(Cell(6, NOISE) for _ in range(STAGES)))
        self.activate = nn.Sequential(nn.Conv2d(6, 3, 3, padding=1))

    def forward(self, lit: Tensor) -> Tensor:
        return self.activate(self.nrms(self.stem(lit)))  # type: ignore[no-any-return]


class RuasNetwork(nn.Module):
    """Both modules under the upstream names: 3,438 parameters."""

    REACH = STAGES * (1 + 2) + 1 + STAGES * 2 + 1  # pixels to each side that an output depends on

    def __init__(self) -> None:
        super().__init__()
        self.enhance_net = EnhanceNet()
        self.denoise_net = DenoiseNet()

    def forward(self, image: Tensor, denoise: bool) -> Tensor:
        """Enhance RGB ``(B, 3, H, W)`` in [0, 1]; the result is in [0, 1] unless ``denoise`` is set."""
        lit: Tensor = self.enhance_net(image)
        return lit - self.denoise_net(lit) if denoise else lit


def _leaky(features: Tensor) -> Tensor:
    return nn.functional.leaky_relu(features, 0.05)


def _brightest(image: Tensor) -> Tensor:
    """Return the maximum over each pixel and its right, lower and lower right neighbours; 0 outside the image."""
    return nn.functional.max_pool2d(nn.functional.pad(image, (0, 1, 0, 1)), 2, stride=1)


class Ruas(Enhancer):
    """RUAS: division by an illumination that three unrolled stages refine, each from a warm start.

    Let y be the image, x its latest estimate, Ω a 2×2 neighbourhood and γ = 0.5. A stage starts from the maximum of x
    over Ω, minus γ·(x − y); the first stage starts from the maximum of y over Ω.

    Source: Liu et al., *Retinex-inspired Unrolling with Cooperative Prior Architecture Search for Low-light Image
    Enhancement*, CVPR 2021; upstream KarelZhang/RUAS, which states no licence. No deviations: with upstream's three
    checkpoints the output is bit-identical to upstream's on a photograph, with and without the noise module.

    Args:
        weights: upstream's ``lol``, ``upe`` or ``dark``, or a file with the upstream parameter names.
        denoise: subtract the estimated noise, as upstream does with ``lol`` alone.

    Raises:
        UserError: weights that are missing or do not fit, or a switch that is neither true nor false.
    """

    name: ClassVar[str] = "ruas"
    summary: ClassVar[str] = "RUAS (Liu et al. 2021): division by an illumination from three unrolled stages"

    def __init__(self, weights: str = "lol", denoise: bool = False) -> None:
        file = find_weights(self.name, str(weights))
        self_denoise = switch(self.name, "denoise", denoise)
        super().__init__(weights=str(weights), denoise=self_denoise)
        self.denoise = self_denoise
        self.network = RuasNetwork()
        load_weights(self.network, file)

    def enhance(self, image: Tensor) -> Tensor:
        return in_bands(lambda band: self.network(band, self.denoise), image, RuasNetwork.REACH)
