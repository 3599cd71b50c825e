"""KinD: networks that decompose into reflectance and illumination, restore the former and adjust the latter."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from sgz_bench.core.parameters import number

from ..bands import in_bands
from ..base import Enhancer
from ..checkpoint import load_weights
from ..weights import find_weights

WIDTHS = (32, 64, 128, 256, 512)
STRIDE = 16  # of the restoration's coarsest features
REACH = 128  # rows; an output depends on at most 93 + 15 through the restoration and 10 + 3 through the decomposition
PIXELS = 1 << 21  # per band; larger than usual, as the margins are large
_LUMA = (0.2125, 0.7154, 0.0721)
_SIGMA, _RADIUS = 3, 12


class DecompositionNet(nn.Module):
    """U-net of three scales for the reflectance, with a branch for the illumination: 235,876 parameters."""

    def __init__(self) -> None:
        super().__init__()
        fine, middle, coarse = WIDTHS[:3]
        self.g_conv1_1 = nn.Conv2d(3, fine, 3, padding=1)
        self.g_conv2_1 = nn.Conv2d(fine, middle, 3, padding=1)
        self.g_conv3_1 = nn.Conv2d(middle, coarse, 3, padding=1)
        self.g_up_1 = nn.ConvTranspose2d(coarse, middle, 2, stride=2, bias=False)
        self.g_conv8_1 = nn.Conv2d(2 * middle, middle, 3, padding=1)
        self.g_up_2 = nn.ConvTranspose2d(middle, fine, 2, stride=2, bias=False)
        self.g_conv9_1 = nn.Conv2d(2 * fine, fine, 3, padding=1)
        self.g_conv10 = nn.Conv2d(fine, 3, 1)
        self.l_conv1_2 = nn.Conv2d(fine, fine, 3, padding=1)
        self.l_conv1_4 = nn.Conv2d(2 * fine, 1, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Map RGB ``(B, 3, H, W)`` in [0, 1] to reflectance, same shape, and illumination ``(B, 1, H, W)``.

        Both are in (0, 1).
        """
        whole = _leaky(self.g_conv1_1(image))
        half = _leaky(self.g_conv2_1(_pool(whole)))
        quarter = _leaky(self.g_conv3_1(_pool(half)))
        features = _leaky(self.g_conv8_1(_up(self.g_up_1, quarter, half)))
        features = _leaky(self.g_conv9_1(_up(self.g_up_2, features, whole)))
        light = torch.cat([_leaky(self.l_conv1_2(whole)), features], dim=1)
        return self.g_conv10(features).sigmoid(), self.l_conv1_4(light).sigmoid()


class RestorationNet(nn.Module):
    """U-net of five scales that removes noise and false colour from the reflectance: 7,760,739 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self._stages(1, (4, *WIDTHS))
        self._stages(6, WIDTHS[::-1], up=True)
        self.de_conv10 = nn.Conv2d(WIDTHS[0], 3, 3, padding=1)

    def _stages(self, first: int, widths: Sequence[int], up: bool = False) -> None:
        for stage, (inputs, outputs) in enumerate(pairwise(widths), start=first):
            if up:
                self.add_module(f"up_{stage}", nn.ConvTranspose2d(inputs, outputs, 2, stride=2, bias=False))
            self.add_module(f"de_conv{stage}_1", nn.Conv2d(inputs, outputs, 3, padding=1))
            self.add_module(f"de_conv{stage}_2", nn.Conv2d(outputs, outputs, 3, padding=1))

    def forward(self, reflectance: Tensor, illumination: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` and ``(B, 1, H, W)`` to the restored reflectance, ``(B, 3, H, W)`` in (0, 1)."""
        features = self._layers(1, torch.cat([reflectance, illumination], dim=1))
        skips = []
        for stage in range(2, 6):
            skips.append(features)
            features = self._layers(stage, _pool(features))
        for stage in range(6, 10):
            features = self._layers(stage, _up(self.get_submodule(f"up_{stage}"), features, skips.pop()))
        return self.de_conv10(features).sigmoid()  # type: ignore[no-any-return]

    def _layers(self, stage: int, features: Tensor) -> Tensor:
        for index in (1, 2):
            features = _leaky(self.get_submodule(f"de_conv{stage}_{index}")(features))
        return features


class AdjustmentNet(nn.Module):
    """Four convolutions that brighten the illumination by a given ratio: 19,393 parameters."""

    def __init__(self) -> None:
        super().__init__()
        widths = (2, 32, 32, 32, 1)
        for index in range(1, 5):
            self.add_module(f"en_conv_{index}", nn.Conv2d(widths[index - 1], widths[index], 3, padding=1))

    def forward(self, illumination: Tensor, ratio: float) -> Tensor:
        """Map the illumination ``(B, 1, H, W)`` to the adjusted one, same shape, in (0, 1)."""
        features = torch.cat([illumination, torch.full_like(illumination, ratio)], dim=1)
        for layer in self.children():
            features = _leaky(layer(features))  # the last layer too, as upstream
        return features.sigmoid()


class KindNetwork(nn.Module):
    """The three networks and their combination: 8,016,008 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.decomposition, self.restoration, self.adjustment = DecompositionNet(), RestorationNet(), AdjustmentNet()

    def forward(self, image: Tensor, ratio: float) -> Tensor:
        """Enhance RGB ``(B, 3, H, W)`` in [0, 1]; same shape and range."""
        reflectance, illumination = self.decomposition(image)
        luma = (reflectance * image.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
        trust = (2 * _blur(luma)).sqrt().clamp_max(1)  # the restoration turns very dark regions grey
        lit = self.restoration(reflectance, illumination) * trust * self.adjustment(illumination, ratio)
        return illumination * image + (1 - illumination) * lit  # type: ignore[no-any-return]


class Kind(Enhancer):
    """KinD: restored reflectance times adjusted illumination, blended with the image itself where it is light.

    Source: Zhang et al., *Kindling the Darkness: A Practical Low-light Image Enhancer*, ACM MM 2019; upstream
    zhangyhuaee/KinD (TensorFlow), which states no licence. Let S be the image stretched to [0, 1], R and I its
    reflectance and illumination, R̂ and Î the restored and adjusted ones, and G the luma of R blurred by σ = 3. The
    output is I·S + (1 − I)·R̂·min(√(2·G), 1)·Î, as in upstream's evaluate.py; the paper has R̂·Î alone. An image of a
    single value is stretched to black.

    Upstream's checkpoints are TensorFlow's, and the PyTorch ports differ from its networks. Here one file holds all
    three: the variable ``DecomNet/g_conv1_1/weights`` is named ``decomposition.g_conv1_1.weight``, ``biases`` become
    ``bias``, ``Restoration_net`` becomes ``restoration`` and ``Illumination_adjust_net`` becomes ``adjustment``.
    Kernels are permuted from HWIO to OIHW by (3, 2, 0, 1), including those of the transposed convolutions ``g_up_1``,
    ``up_6`` and so on.

    Checked: with upstream's decomposition and adjustment and a random restoration, the output is upstream's to 2e-6, on
    a photograph and at odd sizes. Not checked: upstream's restoration. No deviations.

    Args:
        weights: a file with these names.
        ratio: brightening ratio of the illumination, in [0, 100]; upstream uses 5, and varies it from 0 to 5.

    Raises:
        UserError: weights that are missing or do not fit, or a ratio out of range.
    """

    name: ClassVar[str] = "kind"
    summary: ClassVar[str] = "KinD (Zhang et al. 2019): networks restore the reflectance and adjust the illumination"

    def __init__(self, weights: str = "", ratio: float = 5.0) -> None:
        file = find_weights(self.name, str(weights))
        factor = number(self.name, "ratio", ratio, 0, 100)
        super().__init__(weights=str(weights), ratio=factor)
        self.ratio = factor
        self.network = KindNetwork()
        load_weights(self.network, file)

    def enhance(self, image: Tensor) -> Tensor:
        darkest, brightest = image.amin(dim=(1, 2, 3), keepdim=True), image.amax(dim=(1, 2, 3), keepdim=True)
        stretched = (image - darkest) / (brightest - darkest).clamp_min(0.001)
        return in_bands(partial(self.network, ratio=self.ratio), stretched, REACH, step=STRIDE, pixels=PIXELS)


def _leaky(features: Tensor) -> Tensor:
    return functional.leaky_relu(features, 0.2)


def _pool(features: Tensor) -> Tensor:
    """Return the maximum over 2 × 2 pixels, fewer at the border: TensorFlow's padding SAME."""
    return functional.max_pool2d(features, 2, ceil_mode=True)


def _up(layer: nn.Module, features: Tensor, skip: Tensor) -> Tensor:
    """Upsample features to the finer scale's size and concatenate them with its features."""
    return torch.cat([layer(features)[..., : skip.shape[-2], : skip.shape[-1]], skip], dim=1)


def _blur(plane: Tensor) -> Tensor:
    """Blur ``(B, 1, H, W)`` by a Gaussian, with a repeated border."""
    kernel = torch.arange(-_RADIUS, _RADIUS + 1, device=plane.device).div(_SIGMA).square().div(-2).exp()
    kernel = kernel / kernel.sum()
    padded = functional.pad(plane, (_RADIUS,) * 4, mode="replicate")
    return functional.conv2d(functional.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
