"""PairLIE: learned from pairs of low-light images."""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import torch
from torch import Tensor, nn

from sgz_bench.core.parameters import number

from ..bands import in_bands
from ..base import Enhancer
from ..checkpoint import load_weights
from ..weights import find_weights

WIDTH = 64
LAYERS = 5


def _branch(name: str, outputs: int) -> nn.Sequential:
    """Return five 3×3 convolutions with reflection padding and ReLU between them, and a final sigmoid."""
    layers: list[nn.Module] = []
    for index in range(LAYERS):
        inner = index < LAYERS - 1
        layers.append(nn.ReflectionPad2d(1))
        layers.append(nn.Conv2d(WIDTH if index else 3, WIDTH if inner else outputs, 3))
        layers.append(nn.ReLU() if inner else nn.Sigmoid())
    return nn.Sequential(OrderedDict({name: nn.Sequential(*layers)}))


class PairLieNetwork(nn.Module):
    """A projection that removes noise, then illumination and reflectance of the result: 341,767 parameters."""

    REACH = 2 * LAYERS  # pixels to each side that an output depends on

    def __init__(self) -> None:
        super().__init__()
        self.L_net = _branch("L_net", 1)
        self.R_net = _branch("R_net", 3)
        self.N_net = _branch("N_net", 3)

    def forward(self, image: Tensor) -> Tensor:
        """Map RGB ``(B, 3, H, W)`` in [0, 1], H and W at least 2, to illumination and reflectance ``(B, 4, H, W)``."""
        projected = self.N_net(image)
        return torch.cat([self.L_net(projected), self.R_net(projected)], dim=1)


class PairLie(Enhancer):
    """PairLIE: reflectance times a power of the illumination, both of a projected image (section 3).

    Source: Fu et al., *Learning a Simple Low-light Image Enhancer from Paired Low-light Instances*, CVPR 2023;
    upstream zhenqifu/PairLIE, which states no licence. Deviation: a single row or column, which cannot be
    reflected, is repeated.

    Args:
        weights: ``official``, or a file with the upstream parameter names.
        exponent: of the illumination, in [0, 1]; upstream uses 0.2, and 0.14 on LOL.

    Raises:
        UserError: weights that are missing or do not fit, or an exponent out of range.
    """

    name: ClassVar[str] = "pairlie"
    summary: ClassVar[str] = "PairLIE (Fu et al. 2023): reflectance times a power of the illumination"

    def __init__(self, weights: str = "official", exponent: float = 0.2) -> None:
        file = find_weights(self.name, str(weights))
        power = number(self.name, "exponent", exponent, 0, 1)
        super().__init__(weights=str(weights), exponent=power)
        self.exponent = power
        self.network = PairLieNetwork()
        load_weights(self.network, file)

    def enhance(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]  # 1 // side stays an operation of an exported graph
        image = nn.functional.pad(image, (0, 1 // width, 0, 1 // height), mode="replicate")
        layers = in_bands(self.network, image, PairLieNetwork.REACH)[..., :height, :width]
        return layers[:, :1].pow(self.exponent) * layers[:, 1:]
