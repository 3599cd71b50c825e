"""SGZ, and a constant version of its tone curve without a network."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from torch import Tensor

from sgz_bench.core.parameters import integer, number

from ..bands import in_bands
from ..base import Enhancer
from ..checkpoint import load_weights, trained_scale
from ..weights import find_weights
from .curve import apply_curve
from .network import REACH, FactorNetwork, factor_map


class ConstantCurve(Enhancer):
    """SGZ's eight-step curve with one factor per channel for all pixels of all images.

    It shows to what extent SGZ is a global tone curve. The default factors are typical of the upstream checkpoint's
    factor maps; on the 64 photographs of DICM their output has a PSNR of 17 to 41 dB (median 21) relative to that
    checkpoint's at scale 12.

    Args:
        r: factor of the red channel in [−1, 1]; negative values brighten.
        g: factor of the green channel.
        b: factor of the blue channel.

    Raises:
        UserError: a factor is out of range.
    """

    name: ClassVar[str] = "constant-curve"
    summary: ClassVar[str] = "SGZ's eight-step curve with one fixed factor per channel, no network"

    def __init__(self, r: float = -0.283, g: float = -0.289, b: float = -0.319) -> None:
        self.factors = tuple(number(self.name, key, value, -1, 1) for key, value in (("r", r), ("g", g), ("b", b)))
        super().__init__(**dict(zip("rgb", self.factors, strict=True)))

    def enhance(self, image: Tensor) -> Tensor:
        return apply_curve(image, image.new_tensor(self.factors).view(1, 3, 1, 1))


class Sgz(Enhancer):
    """Semantic-guided zero-shot enhancement: a small network estimates the curve's factor at every pixel.

    Source: Zheng and Gupta, WACV 2022 workshops. Deviation: sizes that are not multiples of the scale are padded
    (upstream crops them).

    Args:
        weights: ``sgz-v1``, trained by us (``enhancer/weights/sgz-v1.md``), ``official``, or a ``.safetensors``,
            ``.pth`` or ``.pt`` file with the upstream parameter names.
        scale: the factor map is estimated on an image this many times smaller, 1 to 256 (upstream's test: 12); 0: the
            scale in the weight file's metadata, else 1.

    Raises:
        UserError: weights that are missing or do not fit, or a scale out of range.
    """

    name: ClassVar[str] = "sgz"
    summary: ClassVar[str] = "SGZ (Zheng and Gupta 2022): per-pixel curve from a 10,561-parameter network"

    def __init__(self, weights: str = "sgz-v1", scale: int = 0) -> None:
        file = find_weights(self.name, str(weights))
        scale = integer(self.name, "scale", scale, 0, 256) or trained_scale(file)
        super().__init__(weights=str(weights), scale=scale)
        self.scale = scale
        self.reach = REACH if scale == 1 else None
        self.network = FactorNetwork()
        load_weights(self.network, file)

    def factors(self, image: Tensor) -> Tensor:
        """Return the factor map r in (−1, 1) of RGB ``(B, 3, H, W)`` float32 in [0, 1], same shape."""
        return factor_map(partial(in_bands, self.network, margin=REACH), image, self.scale)

    def enhance(self, image: Tensor) -> Tensor:
        return apply_curve(image, self.factors(image))
