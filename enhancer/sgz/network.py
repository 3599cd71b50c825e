"""Network that estimates SGZ's factor map."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH = 32
REACH = 7  # pixels to each side that a factor depends on


class SeparableConv(nn.Module):
    """Zero-padded 3×3 depthwise convolution followed by a 1×1 convolution, without activation between them."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.depth_conv = nn.Conv2d(inputs, inputs, kernel_size=3, padding=1, groups=inputs)
        self.point_conv = nn.Conv2d(inputs, outputs, kernel_size=1)

    def forward(self, features: Tensor) -> Tensor:
        return self.point_conv(self.depth_conv(features))  # type: ignore[no-any-return]


class FactorNetwork(nn.Module):
    """Seven separable convolutions with skips (3, 4), (2, 5) and (1, 6): 10,561 parameters.

    Source: Zheng and Gupta, *Semantic-Guided Zero-Shot Learning for Low-Light Image/Video Enhancement*, WACV 2022
    workshops. Parameter names are those of the upstream checkpoint, which Zero-DCE++ shares.
    """

    def __init__(self) -> None:
        super().__init__()
        self.e_conv1 = SeparableConv(3, WIDTH)
        self.e_conv2 = SeparableConv(WIDTH, WIDTH)
        self.e_conv3 = SeparableConv(WIDTH, WIDTH)
        self.e_conv4 = SeparableConv(WIDTH, WIDTH)
        self.e_conv5 = SeparableConv(2 * WIDTH, WIDTH)
        self.e_conv6 = SeparableConv(2 * WIDTH, WIDTH)
        self.e_conv7 = SeparableConv(2 * WIDTH, 3)

    def forward(self, image: Tensor) -> Tensor:
        """Map RGB ``(B, 3, H, W)`` in [0, 1] to the factor map r ``(B, 3, H, W)`` in (−1, 1)."""
        x1 = self.e_conv1(image).relu()
        x2 = self.e_conv2(x1).relu()
        x3 = self.e_conv3(x2).relu()
        x4 = self.e_conv4(x3).relu()
        x5 = self.e_conv5(torch.cat([x3, x4], dim=1)).relu()
        x6 = self.e_conv6(torch.cat([x2, x5], dim=1)).relu()
        return self.e_conv7(torch.cat([x1, x6], dim=1)).tanh()  # type: ignore[no-any-return]


def factor_map(network: Callable[[Tensor], Tensor], image: Tensor, scale: int) -> Tensor:
    """Estimate the factor map of an image on a copy that is ``scale`` times smaller.

    As upstream, downsampling is bilinear with aligned pixel centres, upsampling bilinear with aligned corners.
    Deviation: upstream crops the image to a multiple of the scale; here the last row and column are repeated up to the
    next multiple, and the map is cropped back. Repeating works at any size (reflection needs more pixels than it adds)
    and adds no brightness that is not at the border already. Multiples of the scale are not padded.

    Args:
        network: a :class:`FactorNetwork`, or a function that computes one.
        image: RGB ``(B, 3, H, W)`` in [0, 1].
        scale: integer from 1.

    Returns:
        ``(B, 3, H, W)`` in (−1, 1).
    """
    if scale == 1:
        return network(image)
    height, width = image.shape[-2:]
    # Not −height % scale: torch.compile cannot trace it for dynamic sizes, and ONNX divides towards zero.
    down, right = ((side + scale - 1) // scale * scale - side for side in (height, width))
    if down or right or torch.onnx.is_in_onnx_export():  # an exported graph always pads, even by 0
        image = functional.pad(image, (0, right, 0, down), mode="replicate")
    padded = image.shape[-2:]
    # Sizes rather than the factor 1/scale: in floating point 49 · (1/49) is below 1.
    small = functional.interpolate(image, size=(padded[0] // scale, padded[1] // scale), mode="bilinear")
    factor = functional.interpolate(network(small), size=padded, mode="bilinear", align_corners=True)
    return factor[..., :height, :width]
