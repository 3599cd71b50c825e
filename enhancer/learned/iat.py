"""IAT: the illumination-adaptive transformer."""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import torch
from torch import Tensor, nn

from sgz_bench.core.parameters import switch

from ..bands import in_bands
from ..base import Enhancer
from ..checkpoint import load_weights
from ..weights import find_weights

WIDTH = 16
TOKENS = 64
HEADS = 4
QUERIES = 10  # one for the exponent, nine for the colour matrix


class ColourNorm(nn.Module):
    """The paper's light normalisation: a matrix over the channels, then a scale and a shift per channel."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, 1, WIDTH))
        self.beta = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.color = nn.Parameter(torch.eye(WIDTH))

    def forward(self, features: Tensor) -> Tensor:
        mixed = nn.functional.conv2d(features, self.color[:, :, None, None])
        return mixed * self.alpha.view(1, -1, 1, 1) + self.beta.view(1, -1, 1, 1)


class Perceptron(nn.Module):
    """Two layers with a GELU between them, over channels (1×1 convolutions) or tokens (matrices)."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.fc1, self.fc2 = first, second

    def forward(self, features: Tensor) -> Tensor:
        return self.fc2(nn.functional.gelu(self.fc1(features)))  # type: ignore[no-any-return]


class LocalBlock(nn.Module):
    """The pixel-wise enhancement module: a transformer block with convolutions instead of attention."""

    def __init__(self) -> None:
        super().__init__()
        self.pos_embed = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH)
        self.norm1, self.norm2 = ColourNorm(), ColourNorm()
        self.conv1, self.conv2 = nn.Conv2d(WIDTH, WIDTH, 1), nn.Conv2d(WIDTH, WIDTH, 1)
        self.attn = nn.Conv2d(WIDTH, WIDTH, 5, padding=2, groups=WIDTH)
        self.mlp = Perceptron(nn.Conv2d(WIDTH, 4 * WIDTH, 1), nn.Conv2d(4 * WIDTH, WIDTH, 1))
        self.gamma_1 = nn.Parameter(torch.full((1, WIDTH, 1, 1), 1e-4))
        self.gamma_2 = nn.Parameter(torch.full((1, WIDTH, 1, 1), 1e-4))

    def forward(self, features: Tensor) -> Tensor:
        features = features + self.pos_embed(features)
        features = features + self.gamma_1 * self.conv2(self.attn(self.conv1(self.norm1(features))))
        return features + self.gamma_2 * self.mlp(self.norm2(features))  # type: ignore[no-any-return]


class LocalNet(nn.Module):
    """The local branch: a factor and an offset at every pixel."""

    REACH = 1 + 3 * (1 + 2) + 1  # pixels to each side that an output depends on

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTH, 3, padding=1)
        self.mul_blocks = nn.Sequential(*(LocalBlock() for _ in range(3)))
        self.add_blocks = nn.Sequential(*(LocalBlock() for _ in range(3)))
        self.mul_end = nn.Sequential(nn.Conv2d(WIDTH, 3, 3, padding=1), nn.ReLU())
        self.add_end = nn.Sequential(nn.Conv2d(WIDTH, 3, 3, padding=1), nn.Tanh())

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to a factor ≥ 0 and an offset in (−1, 1), ``(B, 6, H, W)``."""
        features = nn.functional.leaky_relu(self.conv1(image), 0.2)
        factor = self.mul_end(self.mul_blocks(features) + features)
        return torch.cat([factor, self.add_end(self.add_blocks(features) + features)], dim=1)


class QueryAttention(nn.Module):
    """Attention of learned queries to an image's tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.q = nn.Parameter(torch.ones(1, QUERIES, TOKENS))
        self.k = nn.Linear(TOKENS, TOKENS, bias=False)
        self.v = nn.Linear(TOKENS, TOKENS, bias=False)
        self.proj = nn.Linear(TOKENS, TOKENS)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map ``(B, N, 64)`` to ``(B, 10, 64)``."""

        def heads(rows: Tensor) -> Tensor:
            return rows.view(*rows.shape[:2], HEADS, -1).transpose(1, 2)

        query = heads(self.q.expand(len(tokens), -1, -1))
        scores = query @ heads(self.k(tokens)).transpose(-2, -1) * (TOKENS // HEADS) ** -0.5
        mixed: Tensor = scores.softmax(dim=-1) @ heads(self.v(tokens))
        return self.proj(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class QueryBlock(nn.Module):
    """Transformer block with learned queries."""

    def __init__(self) -> None:
        super().__init__()
        self.pos_embed = nn.Conv2d(TOKENS, TOKENS, 3, padding=1, groups=TOKENS)
        self.norm1, self.norm2 = nn.LayerNorm(TOKENS), nn.LayerNorm(TOKENS)
        self.attn = QueryAttention()
        self.mlp = Perceptron(nn.Linear(TOKENS, 4 * TOKENS), nn.Linear(4 * TOKENS, TOKENS))

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(B, 64, h, w)`` to ``(B, 10, 64)``."""
        tokens = (features + self.pos_embed(features)).flatten(2).transpose(-2, -1)
        answers = self.attn(self.norm1(tokens))
        return answers + self.mlp(self.norm2(answers))  # type: ignore[no-any-return]


class GlobalNet(nn.Module):
    """The global branch: a colour matrix and an exponent for the whole image."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma_base = nn.Parameter(torch.ones(1))
        self.color_base = nn.Parameter(torch.eye(3))
        projection = nn.Sequential(
            nn.Conv2d(3, TOKENS // 2, 3, stride=2, padding=1),
            nn.BatchNorm2d(TOKENS // 2),
            nn.GELU(),
            nn.Conv2d(TOKENS // 2, TOKENS, 3, stride=2, padding=1),
            nn.BatchNorm2d(TOKENS),
        )
        self.conv_large = nn.Sequential(OrderedDict(proj=projection))
        self.generator = QueryBlock()
        self.gamma_linear = nn.Linear(TOKENS, 1)
        self.color_linear = nn.Linear(TOKENS, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Map ``(B, 3, H, W)`` to exponents ``(B, 1, 1, 1)`` and colour matrices ``(B, 3, 3)``."""
        answers = self.generator(self.conv_large(image))
        gamma = self.gamma_linear(answers[:, 0]) + self.gamma_base
        color = self.color_linear(answers[:, 1:]).view(-1, 3, 3) + self.color_base
        return gamma.view(-1, 1, 1, 1), color


class IatNetwork(nn.Module):
    """Both branches under the upstream names: 91,154 parameters, 91,348 values with batch-norm statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.local_net = LocalNet()
        self.global_net = GlobalNet()

    def forward(self, image: Tensor) -> Tensor:
        """Enhance RGB ``(B, 3, H, W)`` in the range that the weights were trained with; result about in [0, 1]."""
        factor, offset = in_bands(self.local_net, image, LocalNet.REACH).chunk(2, dim=1)
        gamma, color = self.global_net(image)
        mixed = torch.einsum("bij,bjhw->bihw", color, image * factor + offset)
        return mixed.clamp(1e-8, 1).pow(gamma)


class Iat(Enhancer):
    """IAT: a factor and an offset per pixel, then a colour matrix and an exponent per image.

    Source: Cui et al., *You Only Need 90K Parameters to Adapt Light: a Light Weight Transformer for Image Enhancement
    and Exposure Correction*, BMVC 2022; upstream cuiziteng/Illumination-Adaptive-Transformer, Apache-2.0. Low-light
    enhancement and exposure correction use the same network with different weights. No deviations.

    Args:
        weights: upstream's ``lol_v1``, ``lol`` (LOL-v2) or ``exposure``, or a file with the upstream parameter names.
        centred: feed the network 2·x − 1 instead of x; required by upstream's lol, not by lol_v1 and exposure.

    Raises:
        UserError: weights that are missing or do not fit, or a switch that is neither true nor false.
    """

    name: ClassVar[str] = "iat"
    summary: ClassVar[str] = "IAT (Cui et al. 2022): gain and offset per pixel, colour matrix and exponent per image"

    def __init__(self, weights: str = "lol_v1", centred: bool = False) -> None:
        file = find_weights(self.name, str(weights))
        self_centred = switch(self.name, "centred", centred)
        super().__init__(weights=str(weights), centred=self_centred)
        self.centred = self_centred
        self.network = IatNetwork()
        load_weights(self.network, file)

    def enhance(self, image: Tensor) -> Tensor:
        return self.network(2 * image - 1 if self.centred else image)  # type: ignore[no-any-return]
