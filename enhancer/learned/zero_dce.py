"""Zero-DCE and Zero-DCE++."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from sgz_bench.core.parameters import integer

from ..bands import in_bands
from ..base import Enhancer
from ..checkpoint import load_weights, trained_scale
from ..sgz.curve import STEPS, apply_curve
from ..sgz.enhancer import Sgz
from ..sgz.network import REACH, WIDTH, factor_map
from ..weights import find_weights


class ZeroDceNetwork(nn.Module):
    """Seven 3×3 convolutions with skips (3, 4), (2, 5) and (1, 6): 79,416 parameters.

    Source: Guo et al., *Zero-Reference Deep Curve Estimation for Low-Light Image Enhancement*, CVPR 2020. The
    parameter names are those of the upstream checkpoint.
    """

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, WIDTH, WIDTH, WIDTH, 2 * WIDTH, 2 * WIDTH, 2 * WIDTH)
        outputs = (WIDTH,) * 6 + (3 * STEPS,)
        for index, (channels_in, channels_out) in enumerate(zip(inputs, outputs, strict=True), start=1):
            self.add_module(f"e_conv{index}", nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        """Map RGB ``(B, 3, H, W)`` in [0, 1] to the factor maps of the eight steps, ``(B, 24, H, W)`` in (−1, 1)."""

        def layer(index: int, *features: Tensor) -> Tensor:
            return self.get_submodule(f"e_conv{index}")(torch.cat(features, dim=1))  # type: ignore[no-any-return]

        x1 = layer(1, image).relu()
        x2 = layer(2, x1).relu()
        x3 = layer(3, x2).relu()
        x4 = layer(4, x3).relu()
        x5 = layer(5, x3, x4).relu()
        x6 = layer(6, x2, x5).relu()
        return layer(7, x1, x6).tanh()


class ZeroDce(Enhancer):
    """Zero-DCE: eight per-pixel curve steps, each with its own factor map.

    Source: Guo et al., CVPR 2020; upstream's code and checkpoint are CC BY-NC 4.0.

    Args:
        weights: ``official``, or a ``.safetensors``, ``.pth`` or ``.pt`` file with the upstream parameter names.
        scale: the factor maps are estimated on an image this many times smaller, 1 to 256; 0: the scale in the weight
            file's metadata, else 1 as upstream.

    Raises:
        UserError: weights that are missing or do not fit, or a scale out of range.
    """

    name: ClassVar[str] = "zero-dce"
    summary: ClassVar[str] = "Zero-DCE (Guo et al. 2020): eight per-pixel curves from a 79,416-parameter network"

    def __init__(self, weights: str = "official", scale: int = 0) -> None:
        file = find_weights(self.name, str(weights))
        scale = integer(self.name, "scale", scale, 0, 256) or trained_scale(file)
        super().__init__(weights=str(weights), scale=scale)
        self.scale = scale
        self.reach = REACH if scale == 1 else None
        self.network = ZeroDceNetwork()
        load_weights(self.network, file)

    def factors(self, image: Tensor) -> Tensor:
        """Return the factor maps of the eight steps, ``(B, 24, H, W)`` in (−1, 1), of RGB ``(B, 3, H, W)``."""
        return factor_map(partial(in_bands, self.network, margin=REACH), image, self.scale)

    def enhance(self, image: Tensor) -> Tensor:
        return apply_curve(image, self.factors(image))


class ZeroDcePlus(Sgz):
    """Zero-DCE++: the network and curve that SGZ adopted, with its own weights.

    Source: Li, Guo and Loy, *Learning to Enhance Low-Light Image via Zero-Reference Deep Curve Estimation*, TPAMI
    2021; upstream's code and checkpoint are CC BY-NC 4.0.

    Args:
        weights: as for ``zero-dce``.
        scale: as for ``sgz``, but 12, the scale of upstream's test, if the file states none.

    Raises:
        UserError: as for ``sgz``.
    """

    name: ClassVar[str] = "zero-dce-pp"
    summary: ClassVar[str] = "Zero-DCE++ (Li et al. 2021): SGZ's network with its own weights, at scale 12"

    def __init__(self, weights: str = "official", scale: int = 0) -> None:
        super().__init__(weights, scale or trained_scale(find_weights(self.name, str(weights)), default=12))
