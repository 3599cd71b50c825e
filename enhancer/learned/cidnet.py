"""HVI-CIDNet: two branches in the HVI colour space."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from sgz_bench.core.parameters import number

from ..bands import in_bands
from ..base import Enhancer
from ..checkpoint import load_weights
from ..weights import find_weights
from .hvi import HviTransform

STRIDE = 8  # of the coarsest scale
REACH = 2  # margin of layers computed in bands, in pixels
BAND = 1 << 17  # pixels per band: 382 channels of float32 are then 191 MiB
_HEADS = {36: 2, 72: 4, 144: 8}  # attention heads by number of channels


def _conv(inputs: int, outputs: int, side: int, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, side, padding=side // 2, groups=groups, bias=False)


def _outer(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.ReplicationPad2d(1), nn.Conv2d(inputs, outputs, 3, bias=False))


def _banded(layers: Callable[[Tensor], Tensor], features: Tensor) -> Tensor:
    return in_bands(layers, features, REACH, pixels=BAND)


def _resize(features: Tensor, scale: float) -> Tensor:
    return functional.interpolate(features, scale_factor=scale, mode="bilinear", align_corners=True)


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, features: Tensor) -> Tensor:
        variance, mean = torch.var_mean(features, dim=1, correction=0, keepdim=True)
        scaled = (features - mean) * (variance + 1e-6).rsqrt()
        return scaled * self.weight[:, None, None] + self.bias[:, None, None]


class CrossAttention(nn.Module):
    """Cross-attention of one branch's channels to the other branch's channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(_HEADS[width], 1, 1))
        self.q, self.q_dwconv = _conv(width, width, 1), _conv(width, width, 3, groups=width)
        self.kv, self.kv_dwconv = _conv(width, 2 * width, 1), _conv(2 * width, 2 * width, 3, groups=2 * width)
        self.project_out = _conv(width, width, 1)

    def forward(self, features: Tensor, other: Tensor, norm: ChannelNorm) -> Tensor:
        """Attend from ``features`` to ``other``, both ``(B, C, H, W)`` before ``norm``; return the same shape."""

        def heads(maps: Tensor) -> Tensor:
            return maps.reshape(len(maps), len(self.temperature), -1, maps.shape[-2] * maps.shape[-1])

        query = heads(_banded(lambda band: self.q_dwconv(self.q(norm(band))), features))
        key, value = map(heads, _banded(lambda band: self.kv_dwconv(self.kv(norm(band))), other).chunk(2, dim=1))
        lengths = [maps.norm(dim=-1, keepdim=True).clamp_min(1e-12) for maps in (query, key)]
        cosines = (
            query @ key.mT / (lengths[0] * lengths[1].mT)
        )  # normalised after the product, which saves two copies of the maps
        del query
        mixed: Tensor = (cosines * self.temperature).softmax(dim=-1) @ value
        return self.project_out(mixed.flatten(1, 2).view_as(features))  # type: ignore[no-any-return]


class GatedLayer(nn.Module):
    """Product of two branches of depthwise convolutions: the intensity enhancement and colour denoise layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = int(2.66 * width)
        self.project_in = _conv(width, 2 * hidden, 1)
        self.dwconv = _conv(2 * hidden, 2 * hidden, 3, groups=2 * hidden)
        self.dwconv1, self.dwconv2 = (_conv(hidden, hidden, 3, groups=hidden) for _ in range(2))
        self.project_out = _conv(hidden, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        first, second = self.dwconv(self.project_in(features)).chunk(2, dim=1)
        gated = (self.dwconv1(first).tanh() + first) * (self.dwconv2(second).tanh() + second)
        return self.project_out(gated)  # type: ignore[no-any-return]


class LightweightCrossAttention(nn.Module):
    """Attention to the other branch, then a gated layer; both share one normalisation.

    The gated layer is residual in the intensity branch only.
    """

    def __init__(self, width: int, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.gdfn = GatedLayer(width)
        self.norm = ChannelNorm(width)
        self.ffn = CrossAttention(width)

    def forward(self, features: Tensor, other: Tensor) -> Tensor:
        features = features + self.ffn(features, other, self.norm)
        gated = _banded(lambda band: self.gdfn(self.norm(band)), features)
        return features + gated if self.residual else gated


class Down(nn.Module):
    """Convolution at the finer scale, then downsampling by 2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.prelu = nn.PReLU()
        self.down = nn.Sequential(_conv(inputs, outputs, 3))

    def forward(self, features: Tensor, stem: nn.Sequential | None = None) -> Tensor:
        """Map ``(B, C, H, W)``, passed through ``stem`` first if there is one, to ``(B, K, H / 2, W / 2)``."""
        finer = _banded(nn.Sequential(*(stem or ()), *self.down), features)
        return self.prelu(_resize(finer, 0.5))  # type: ignore[no-any-return]


class Up(nn.Module):
    """Convolution at the coarser scale, upsampling by 2, and fusion with the encoder's features at the finer scale."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.prelu = nn.PReLU()
        self.up_scale = nn.Sequential(_conv(inputs, outputs, 3))
        self.up = _conv(2 * outputs, outputs, 1)

    def forward(
        self, features: Tensor, finer: Tensor, stem: nn.Sequential | None = None, head: nn.Sequential | None = None
    ) -> Tensor:
        """Map ``(B, C, H / 2, W / 2)`` and ``(B, D, H, W)`` to ``(B, K, H, W)``.

        ``stem`` maps ``finer`` from D to K channels; ``head`` maps the result to its own number of channels.
        """
        width = self.up.out_channels
        both = torch.cat([_resize(self.up_scale(features), 2), finer], dim=1)

        def join(band: Tensor) -> Tensor:
            skip = band[:, width:]
            skip = stem(skip) if stem else skip
            joined = self.prelu(self.up(torch.cat([band[:, :width], skip], dim=1)))
            return head(joined) if head else joined  # type: ignore[no-any-return]

        return _banded(join, both)


class CidNetwork(nn.Module):
    """Two U-nets of three scales, for colour and intensity, that attend to each other: 1,975,569 parameters.

    Parameter names are upstream's. As upstream, the third scale starts from the second's features before attention, and
    the intensity branch's fifth attention has 70,960 parameters but no effect.
    """

    def __init__(self) -> None:
        super().__init__()
        self.HVE_block0, self.IE_block0 = _outer(3, 36), _outer(1, 36)
        self.HVE_block1, self.IE_block1 = Down(36, 36), Down(36, 36)
        self.HVE_block2, self.IE_block2 = Down(36, 72), Down(36, 72)
        self.HVE_block3, self.IE_block3 = Down(72, 144), Down(72, 144)
        self.HVD_block3, self.ID_block3 = Up(144, 72), Up(144, 72)
        self.HVD_block2, self.ID_block2 = Up(72, 36), Up(72, 36)
        self.HVD_block1, self.ID_block1 = Up(36, 36), Up(36, 36)
        self.HVD_block0, self.ID_block0 = _outer(36, 2), _outer(36, 1)
        for index, width in enumerate((36, 72, 144, 144, 72, 36), start=1):
            self.add_module(f"HV_LCA{index}", LightweightCrossAttention(width, residual=False))
            self.add_module(f"I_LCA{index}", LightweightCrossAttention(width, residual=True))
        self.trans = HviTransform()

    def forward(self, image: Tensor, saturation: float = 1.0) -> Tensor:
        """Enhance RGB ``(B, 3, H, W)`` in [0, 1], H and W multiples of 8; ``saturation`` is a factor of HSV's."""
        hvi = self.trans(image)
        hv = self.HVE_block1(hvi, stem=self.HVE_block0)
        light = self.IE_block1(hvi[:, 2:], stem=self.IE_block0)
        skips = hv, light = self._attend(1, hv, light)
        hv, light = self.HVE_block2(hv), self.IE_block2(light)
        coarser_skips = self._attend(2, hv, light)
        hv, light = self.HVE_block3(hv), self.IE_block3(light)
        hv, light = self._attend(4, *self._attend(3, hv, light))
        hv, light = self.HVD_block3(hv, coarser_skips[0]), self.ID_block3(light, coarser_skips[1])
        hv = self.get_submodule("HV_LCA5")(hv, light)
        hv, light = self.HVD_block2(hv, skips[0]), self.ID_block2(light, skips[1])
        del skips, coarser_skips
        hv, light = self._attend(6, hv, light)
        # The finest maps, the largest ones, are recomputed from the image instead of kept.
        hv = self.HVD_block1(hv, hvi, stem=self.HVE_block0, head=self.HVD_block0)
        light = self.ID_block1(light, hvi[:, 2:], stem=self.IE_block0, head=self.ID_block0)
        return self.trans.inverse(torch.cat([hv, light], dim=1) + hvi, saturation)

    def _attend(self, index: int, hv: Tensor, light: Tensor) -> tuple[Tensor, Tensor]:
        return self.get_submodule(f"HV_LCA{index}")(hv, light), self.get_submodule(f"I_LCA{index}")(light, hv)


class CidNet(Enhancer):
    """HVI-CIDNet: separate enhancement of colour and intensity, in a space where dark colours lie close together.

    Source: Yan et al., *HVI: A New Color Space for Low-light Image Enhancement*, CVPR 2025; upstream
    Fediory/HVI-CIDNet, MIT. As upstream, sides are padded by reflection to multiples of 8. Upstream's evaluation uses
    factors that belong to its checkpoints: saturation 1.3 with those of LOLv1, intensity 0.84, 0.8 and 0.82 with
    LOLv2-real's w_perc, best_PSNR and best_SSIM, and 1 otherwise and in its demonstration. Its gamma, 1 by default, is
    not offered.

    Checked: with random weights, the output is upstream's to 1.2e-6. Not checked: upstream's checkpoints.
    Deviations: images with a side too short to reflect are padded by their border; reds whose hue is rounded up to a
    full turn stay red (upstream makes them black).

    Args:
        weights: a file with the upstream parameter names.
        saturation: factor of the output's saturation, in [0, 2]; upstream's alpha_s.
        intensity: factor of the output, in [0, 2]; upstream's alpha_i.

    Raises:
        UserError: weights that are missing or do not fit, or a factor out of range.
    """

    name: ClassVar[str] = "cidnet"
    summary: ClassVar[str] = (
        "HVI-CIDNet (Yan et al. 2025): separate enhancement of colour and intensity in the HVI space"
    )

    def __init__(self, weights: str = "", saturation: float = 1.0, intensity: float = 1.0) -> None:
        file = find_weights(self.name, str(weights))
        factors = {
            "saturation": number(self.name, "saturation", saturation, 0, 2),
            "intensity": number(self.name, "intensity", intensity, 0, 2),
        }
        super().__init__(weights=str(weights), **factors)
        self.saturation, self.intensity = factors["saturation"], factors["intensity"]
        self.network = CidNetwork()
        load_weights(self.network, file)

    def enhance(self, image: Tensor) -> Tensor:
        return torch.cat([self._enhance(one) for one in torch.split(image, 1)])  # one at a time, to bound memory

    def _enhance(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        down, right = -height % STRIDE, -width % STRIDE
        mode = "reflect" if down < height and right < width else "replicate"
        padded = functional.pad(image, (0, right, 0, down), mode=mode)
        enhanced: Tensor = self.network(padded, self.saturation)
        return enhanced[..., :height, :width] * self.intensity
