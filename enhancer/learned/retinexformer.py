"""Retinexformer: a one-stage transformer with illumination-guided attention."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..bands import in_bands
from ..base import Enhancer
from ..checkpoint import load_weights
from ..weights import find_weights

WIDTH = 40  # channels of the features at full resolution, and of one attention head
BLOCKS = (1, 2, 2)  # number of blocks at full, half and quarter resolution
STRIDE = 4  # of the coarsest features
LARGE = 3000  # from this side on, even and odd columns are enhanced as two pictures
BAND = 1 << 18  # pixels per band: 160 channels of float32 are then 160 MiB
_EPSILON = 1e-12


class IlluminationEstimator(nn.Module):
    """Estimator of illumination features and of the light-up map."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4, WIDTH, 1)
        self.depth_conv = nn.Conv2d(WIDTH, WIDTH, 5, padding=2, groups=4)
        self.conv2 = nn.Conv2d(WIDTH, 3, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Map RGB ``(B, 3, H, W)`` to features ``(B, 40, H, W)`` and the light-up map ``(B, 3, H, W)``, unbounded."""
        features = self.depth_conv(self.conv1(torch.cat([image, image.mean(dim=1, keepdim=True)], dim=1)))
        return features, self.conv2(features)


class GuidedAttention(nn.Module):
    """Attention between the 40 channels of each head, over all pixels; the illumination weights its values."""

    def __init__(self, width: int) -> None:
        super().__init__()
        heads = width // WIDTH
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(width, width, bias=False)
        self.to_v = nn.Linear(width, width, bias=False)
        self.rescale = nn.Parameter(torch.ones(heads, 1, 1))
        self.proj = nn.Linear(width, width)
        self.pos_emb = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False, groups=width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False, groups=width),
        )

    def forward(self, features: Tensor, light: Tensor) -> Tensor:
        """Add attention, weighted by the illumination features ``light``, to ``features``; ``(1, C, H, W)`` each."""
        weights = self._weights(features)

        def attend(band: Tensor, lit: Tensor) -> Tensor:
            values = _maps(self.to_v(_tokens(band)), band)
            mixed = _heads(_tokens(values * lit)) @ weights.mT
            return _maps(self.proj(mixed.transpose(1, 2).flatten(2)), band) + self.pos_emb(values) + band  # type: ignore[no-any-return]

        return in_bands(attend, features, margin=2, pixels=BAND, extra=(light,))

    def _weights(self, features: Tensor) -> Tensor:
        """Return softmax weights over a head's channels of the cosines of keys and queries, ``(1, heads, 40, 40)``."""
        products, keys, queries = (features.new_zeros(()) for _ in range(3))
        for band in torch.split(features, max(BAND // features.shape[-1], 1), dim=-2):
            key, query = (_heads(layer(_tokens(band))) for layer in (self.to_k, self.to_q))
            products = products + key.mT @ query
            keys, queries = keys + key.square().sum(dim=2), queries + query.square().sum(dim=2)
        lengths = [squares.clamp_min(_EPSILON**2).sqrt() for squares in (keys, queries)]
        cosine = products / lengths[0].unsqueeze(3) / lengths[1].unsqueeze(2)
        return (cosine * self.rescale).softmax(dim=-1)


class FeedForward(nn.Module):
    """Residual feed-forward layer: normalisation, expansion by 4, and a depthwise convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers = nn.Sequential(
            nn.Conv2d(width, 4 * width, 1, bias=False),
            nn.GELU(),
            nn.Conv2d(4 * width, 4 * width, 3, padding=1, bias=False, groups=4 * width),
            nn.GELU(),
            nn.Conv2d(4 * width, width, 1, bias=False),
        )
        self.fn = nn.Sequential(OrderedDict(net=layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(1, C, H, W)`` to the same shape."""

        def widen(band: Tensor) -> Tensor:
            return self.fn(_maps(self.norm(_tokens(band)), band)) + band  # type: ignore[no-any-return]

        return in_bands(widen, features, margin=1, pixels=BAND)


class GuidedBlocks(nn.Module):
    """Alternating attention and feed-forward layers at one scale."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        pairs = (nn.ModuleList([GuidedAttention(width), FeedForward(width)]) for _ in range(blocks))
        self.blocks = nn.ModuleList(pairs)

    def forward(self, features: Tensor, light: Tensor) -> Tensor:
        for block in self.blocks:
            attention, feed_forward = block.children()
            features = feed_forward(attention(features, light))
        return features


class Denoiser(nn.Module):
    """U-net of three scales that restores the lit image, guided by illumination features at each scale."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Conv2d(3, WIDTH, 3, padding=1, bias=False)
        self.encoder_layers, self.decoder_layers = nn.ModuleList(), nn.ModuleList()
        for scale, blocks in enumerate(BLOCKS[:-1]):
            fine, coarse = WIDTH << scale, WIDTH << scale + 1
            down = (nn.Conv2d(fine, coarse, 4, stride=2, padding=1, bias=False) for _ in range(2))
            self.encoder_layers.append(nn.ModuleList([GuidedBlocks(fine, blocks), *down]))
            up, fuse = nn.ConvTranspose2d(coarse, fine, 2, stride=2), nn.Conv2d(coarse, fine, 1, bias=False)
            self.decoder_layers.insert(0, nn.ModuleList([up, fuse, GuidedBlocks(fine, blocks)]))
        self.bottleneck = GuidedBlocks(WIDTH << len(BLOCKS) - 1, BLOCKS[-1])
        self.mapping = nn.Conv2d(WIDTH, 3, 3, padding=1, bias=False)

    def forward(self, lit: Tensor, light: Tensor) -> Tensor:
        """Map the lit image ``(1, 3, H, W)`` and illumination features ``(1, 40, H, W)`` to the restored image."""
        features = self.embedding(lit)
        skips = []
        for layer in self.encoder_layers:
            attend, down, down_light = layer.children()
            features = attend(features, light)
            skips.append((features, light))
            features, light = down(features), down_light(light)
        features = self.bottleneck(features, light)
        for layer in self.decoder_layers:
            up, fuse, attend = layer.children()
            skip, light = skips.pop()
            features = in_bands(_on_both(fuse), up(features), margin=0, pixels=BAND, extra=(skip,))
            del skip  # frees memory as large as the features
            features = attend(features, light)
        return self.mapping(features) + lit  # type: ignore[no-any-return]


class Stage(nn.Module):
    """One stage: estimator and denoiser."""

    def __init__(self) -> None:
        super().__init__()
        self.estimator, self.denoiser = IlluminationEstimator(), Denoiser()

    def forward(self, image: Tensor) -> Tensor:
        features, gain = self.estimator(image)
        return self.denoiser(image * gain + image, features)  # type: ignore[no-any-return]


class RetinexformerNetwork(nn.Module):
    """One stage, under the upstream names: 1,605,701 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(Stage())

    def forward(self, image: Tensor) -> Tensor:
        """Enhance RGB ``(1, 3, H, W)`` in [0, 1], H and W multiples of 4; result about in [0, 1]."""
        return self.body(image)  # type: ignore[no-any-return]


class Retinexformer(Enhancer):
    """Retinexformer: the image is lit up by an estimated map and restored by a transformer (section 3).

    Source: Cai et al., *Retinexformer: One-stage Retinex-based Transformer for Low-light Image Enhancement*, ICCV 2023;
    upstream caiyuanhao1998/Retinexformer, MIT. The network is that of all of upstream's option files: 40 channels, one
    stage, blocks 1, 2, 2. As upstream, sides are padded by reflection at the right and bottom to multiples of 4, and
    even and odd columns of an image with a side of 3000 or more are enhanced as two images.

    Attention covers all pixels at once, so features of the whole picture are kept: about 1 KB of memory per pixel, and
    half of that from a side of 3000 on. 4000 × 3000 pixels need about 7 GB.

    Checked: with random weights, the output is upstream's to 2e-7. Not checked: upstream's checkpoints.
    Deviations: sides below 4 pixels, too short to reflect, are padded by their border; the width of an image enhanced
    as two images is padded to a multiple of 8, without which upstream fails.

    Args:
        weights: a file with the upstream parameter names, at top level or under ``params`` as upstream saves them.

    Raises:
        UserError: weights that are missing or do not fit.
    """

    name: ClassVar[str] = "retinexformer"
    summary: ClassVar[str] = (
        "Retinexformer (Cai et al. 2023): lit by a map, restored by an illumination-guided transformer"
    )

    def __init__(self, weights: str = "") -> None:
        file = find_weights(self.name, str(weights))
        super().__init__(weights=str(weights))
        self.network = RetinexformerNetwork()
        load_weights(self.network, file)

    def enhance(self, image: Tensor) -> Tensor:
        return torch.cat([self._enhance(one) for one in torch.split(image, 1)])  # one at a time, to bound memory

    def _enhance(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        parts = 2 if max(height, width) >= LARGE else 1
        down, right = -height % STRIDE, -width % (STRIDE * parts)
        mode = "reflect" if down < height and right < width else "replicate"
        padded = functional.pad(image, (0, right, 0, down), mode=mode)
        columns = [self.network(padded[..., first::parts]) for first in range(parts)]
        return torch.stack(columns, dim=-1).flatten(-2)[..., :height, :width]


def _tokens(maps: Tensor) -> Tensor:
    """Reshape ``(1, C, h, w)`` to ``(1, h · w, C)``."""
    return maps.flatten(2).mT


def _maps(tokens: Tensor, like: Tensor) -> Tensor:
    """Reshape ``(1, h · w, C)`` to ``(1, C, h, w)``."""
    return tokens.mT.reshape(like.shape)


def _heads(tokens: Tensor) -> Tensor:
    """Reshape ``(1, n, C)`` to ``(1, heads, n, 40)``."""
    return tokens.view(*tokens.shape[:2], -1, WIDTH).transpose(1, 2)


def _on_both(layer: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a function that applies ``layer`` to the concatenation of its two arguments."""
    return lambda one, other: layer(torch.cat([one, other], dim=1))
