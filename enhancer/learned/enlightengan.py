"""EnlightenGAN: the generator."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..base import Enhancer
from ..checkpoint import load_weights
from ..weights import find_weights

SCALES = 16  # downsampling factor of the coarsest scale
WIDEST = 2200  # wider images are enhanced at half size
_LUMA = (0.299, 0.587, 0.114)
_INPUTS = (4, 32, 64, 128, 256, 512, 256, 128, 64)
_OUTPUTS = (32, 64, 128, 256, 512, 256, 128, 64, 32)


class EnlightenGanNetwork(nn.Module):
    """A U-net of nine stages guided by how dark each pixel is: 8,636,675 parameters, under the upstream names."""

    def __init__(self) -> None:
        super().__init__()
        for stage, (inputs, outputs) in enumerate(zip(_INPUTS, _OUTPUTS, strict=True), start=1):
            self.add_module(f"conv{stage}_1", nn.Conv2d(inputs, outputs, 3, padding=1))
            self.add_module(f"bn{stage}_1", nn.BatchNorm2d(outputs))
            self.add_module(f"conv{stage}_2", nn.Conv2d(outputs, outputs, 3, padding=1))
            if stage < 9:
                self.add_module(f"bn{stage}_2", nn.BatchNorm2d(outputs))
        for stage in range(5, 9):
            self.add_module(f"deconv{stage}", nn.Conv2d(_OUTPUTS[stage - 1], _OUTPUTS[stage], 3, padding=1))
        self.conv10 = nn.Conv2d(_OUTPUTS[-1], 3, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Map RGB ``(B, 3, H, W)`` in [0, 1], H and W multiples of 16, to the residual to add to it, same shape."""
        luma = (image * image.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
        attention = whole = 1 - luma
        features = torch.cat([2 * image - 1, attention], dim=1)
        skips = []
        for stage in range(1, 5):
            features = self._layer(f"{stage}_2", self._layer(f"{stage}_1", features))
            skips.append(features * attention)
            features, attention = functional.max_pool2d(features, 2), functional.max_pool2d(attention, 2)
        features = self._layer("5_2", self._layer("5_1", features) * attention)
        for stage in range(6, 10):
            larger = functional.interpolate(features, scale_factor=2, mode="bilinear", align_corners=True)
            features = torch.cat([self.get_submodule(f"deconv{stage - 1}")(larger), skips.pop()], dim=1)
            features = self._layer(f"{stage}_2", self._layer(f"{stage}_1", features))
        return self.conv10(features) * whole / 2  # type: ignore[no-any-return]

    def _layer(self, name: str, features: Tensor) -> Tensor:
        features = functional.leaky_relu(self.get_submodule(f"conv{name}")(features), 0.2)
        return features if name == "9_2" else self.get_submodule(f"bn{name}")(features)


class EnlightenGan(Enhancer):
    """EnlightenGAN: the image plus a residual, which is stronger for darker pixels.

    Source: Jiang et al., *EnlightenGAN: Deep Light Enhancement without Paired Supervision*, TIP 2021; upstream
    VITA-Group/EnlightenGAN, BSD. As upstream, sides are padded by reflection to multiples of 16, and images wider than
    2200 pixels are averaged to half size and upsampled again. Bilinear upsampling aligns corners as in PyTorch 0.3.1,
    which upstream requires; later versions run upstream's code without that.

    Checked: with random weights, the output is upstream's to 1e-6. Not checked: upstream's checkpoint.
    Deviations: images with a side of less than 6 pixels, too short to reflect, are padded by their border; before
    halving, an odd side is padded by its last row or column (upstream drops it).

    Args:
        weights: a file with the upstream parameter names.

    Raises:
        UserError: weights that are missing or do not fit.
    """

    name: ClassVar[str] = "enlightengan"
    summary: ClassVar[str] = "EnlightenGAN (Jiang et al. 2021): a U-net's residual, guided by how dark a pixel is"

    def __init__(self, weights: str = "") -> None:
        file = find_weights(self.name, str(weights))
        super().__init__(weights=str(weights))
        self.network = EnlightenGanNetwork()
        load_weights(self.network, file)

    def enhance(self, image: Tensor) -> Tensor:
        return torch.cat([self._enhance(one) for one in torch.split(image, 1)])  # one at a time, to bound memory

    def _enhance(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        if width <= WIDEST:
            return image + self._residual(image)
        even = functional.pad(image, (0, width % 2, 0, height % 2), mode="replicate")
        half = functional.avg_pool2d(even, 2)
        whole = functional.interpolate(half + self._residual(half), scale_factor=2, mode="bilinear", align_corners=True)
        return whole[..., :height, :width]

    def _residual(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        down, right = -height % SCALES, -width % SCALES
        top, left = down // 2, right // 2
        mode = "reflect" if down - top < height and right - left < width else "replicate"
        padded = functional.pad(image, (left, right - left, top, down - top), mode=mode)
        residual: Tensor = self.network(padded)
        return residual[..., top : top + height, left : left + width]
