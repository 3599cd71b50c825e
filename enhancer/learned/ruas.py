"""RUAS, a Retinex unrolling whose layers were searched."""

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


# What the search chose, by upstream's names of the places; a place that is not named hands its input on.
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
    """A convolution of the search space, with or without its input added."""

    def __init__(self, width: int, operation: _Operation) -> None:
        super().__init__()
        kernel, dilation, self.residual = operation
        self.op = nn.Conv2d(width, width, kernel, padding=kernel // 2 * dilation, dilation=dilation)

    def forward(self, features: Tensor) -> Tensor:
        out: Tensor = self.op(features)
        return out + features if self.residual else out


class Cell(nn.Module):
    """A cell of the search: three times a part is distilled and the rest goes on; a 1×1 convolution joins them."""

    def __init__(self, width: int, operations: Mapping[str, _Operation]) -> None:
        super().__init__()
        for place in ("c1_d", "c1_r", "c2_d", "c2_r", "c3_d", "c3_r", "c4"):
            layer = Searched(width, operations[place]) if place in operations else nn.Identity()
            self.add_module(place, layer)
        self.c5 = nn.Conv2d(4 * width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        def layer(place: str, rest: Tensor) -> Tensor:
            return self.get_submodule(place)(rest)  # type: ignore[no-any-return]

        parts = []
        for place in ("c1", "c2", "c3"):
            parts.append(layer(f"{place}_d", features))
            features = _leaky(layer(f"{place}_r", features) + features)
        parts.append(layer("c4", features))
        return self.c5(_leaky(torch.cat(parts, dim=1)))  # type: ignore[no-any-return]


class IlluminationModule(nn.Module):
    """One stage of the unrolling: the illumination from its warm start."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = Cell(3, ILLUMINATION)

    def forward(self, start: Tensor) -> Tensor:
        """``(B, 3, H, W)`` to the illumination, same shape, in [0.001, 1]."""
        return self.cell(start).sigmoid().clamp(0.001, 1)  # type: ignore[no-any-return]


class EnhanceNet(nn.Module):
    """The illumination part: three stages, each of which divides the image anew."""

    def __init__(self) -> None:
        super().__init__()
        self.iems = nn.ModuleList(IlluminationModule() for _ in range(STAGES))

    def forward(self, image: Tensor) -> Tensor:
        """RGB ``(B, 3, H, W)`` in [0, 1] to the brighter image, same shape and range."""
        start, lit = _brightest(image), image
        for place, stage in enumerate(self.iems):
            if place:
                start = _brightest(lit) - STEP * (lit - image)
            lit = (image / stage(start)).clamp(0, 1)
        return lit


class DenoiseNet(nn.Module):
    """The noise part: what is to be subtracted."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.nrms = nn.Sequential(*(Cell(6, NOISE) for _ in range(STAGES)))
        self.activate = nn.Sequential(nn.Conv2d(6, 3, 3, padding=1))

    def forward(self, lit: Tensor) -> Tensor:
        return self.activate(self.nrms(self.stem(lit)))  # type: ignore[no-any-return]


class RuasNetwork(nn.Module):
    """Both parts under the upstream names: 3,438 parameters."""

    REACH = STAGES * (1 + 2) + 1 + STAGES * 2 + 1  # pixels that an output depends on, to each side

    def __init__(self) -> None:
        super().__init__()
        self.enhance_net = EnhanceNet()
        self.denoise_net = DenoiseNet()

    def forward(self, image: Tensor, denoise: bool) -> Tensor:
        """RGB ``(B, 3, H, W)`` in [0, 1] to the brighter image; within [0, 1] unless noise was subtracted."""
        lit: Tensor = self.enhance_net(image)
        return lit - self.denoise_net(lit) if denoise else lit


def _leaky(features: Tensor) -> Tensor:
    return nn.functional.leaky_relu(features, 0.05)


def _brightest(image: Tensor) -> Tensor:
    """The maximum over each pixel and its neighbours to the right, below, and below to the right; 0 lies beyond."""
    return nn.functional.max_pool2d(nn.functional.pad(image, (0, 1, 0, 1)), 2, stride=1)


class Ruas(Enhancer):
    """RUAS: the image divided by an illumination that three unrolled stages refine, each from a warm start.

    With y the image, x its latest estimate and Ω a 2×2 neighbourhood, a stage starts from max over Ω of x, less
    γ·(x − y), γ = 0.5; the first from max over Ω of y.

    Source: Liu et al., *Retinex-inspired Unrolling with Cooperative Prior Architecture Search for Low-light Image
    Enhancement*, CVPR 2021; upstream KarelZhang/RUAS, which states no licence. No deviations: with upstream's three
    checkpoints the output was upstream's bit for bit, on a photograph, with and without the noise part.

    Args:
        weights: upstream's ``lol``, ``upe`` or ``dark``, or a file with the upstream parameter names.
        denoise: subtract the noise that the second part estimates, as upstream does with lol alone.

    Raises:
        UserError: no weights, weights that do not fit, or a switch that is neither true nor false.
    """

    name: ClassVar[str] = "ruas"
    summary: ClassVar[str] = "RUAS (Liu et al. 2021): divided by an illumination from three unrolled stages"

    def __init__(self, weights: str = "lol", denoise: bool = False) -> None:
        file = find_weights(self.name, str(weights))
        self_denoise = switch(self.name, "denoise", denoise)
        super().__init__(weights=str(weights), denoise=self_denoise)
        self.denoise = self_denoise
        self.network = RuasNetwork()
        load_weights(self.network, file)

    def enhance(self, image: Tensor) -> Tensor:
        return in_bands(lambda band: self.network(band, self.denoise), image, RuasNetwork.REACH)
