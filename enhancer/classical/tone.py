"""Global tone curves: identity, a fixed power law, and a power law fitted to the image's mean."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from sgz_bench.core.images import Image
from sgz_bench.core.parameters import number

from ..base import Enhancer


class Raw(Enhancer):
    """Identity: the dark image itself, the baseline of every comparison."""

    name: ClassVar[str] = "raw"
    summary: ClassVar[str] = "the image as it is, the reference of every comparison"

    def __init__(self) -> None:
        super().__init__()

    def enhance(self, image: Tensor) -> Tensor:
        return image

    def enhance_image(self, image: Image, key: str, device: str) -> Image:
        """Return a copy of the image; converting 8 bits to [0, 1] and back changes no level."""
        del key, device
        return image.copy()  # a model may modify its input, and other enhancers still need the image


class Gamma(Enhancer):
    """Power law ``x ** gamma`` on the encoded values of all channels (Gonzalez and Woods, *Digital Image Processing*).

    Args:
        gamma: exponent in [0.01, 10]; below 1 brightens.

    Raises:
        UserError: ``gamma`` is out of range.
    """

    name: ClassVar[str] = "gamma"
    summary: ClassVar[str] = "power law with one fixed exponent"

    def __init__(self, gamma: float = 0.45) -> None:
        self_gamma = number(self.name, "gamma", gamma, 0.01, 10)
        super().__init__(gamma=self_gamma)
        self.gamma = self_gamma

    def enhance(self, image: Tensor) -> Tensor:
        return image.pow(self.gamma)


class AutoGamma(Enhancer):
    """Power law whose exponent maps the image's mean luma to a target.

    With the mean m of the Rec. 601 luma (0.299 R + 0.587 G + 0.114 B, encoded values), the exponent is
    log(target) / log(m), separately for each image of a batch. It is clamped to [0.1, 10], so that black and white
    images have an exponent too. An image with a mean above the target is darkened.

    Args:
        target: value that the mean is mapped to, in [0.01, 0.99].

    Raises:
        UserError: ``target`` is out of range.
    """

    name: ClassVar[str] = "autogamma"
    summary: ClassVar[str] = "power law with the exponent that sends the image's mean luma to a target"
    exponents: ClassVar[tuple[float, float]] = (0.1, 10.0)

    def __init__(self, target: float = 0.5) -> None:
        mean = number(self.name, "target", target, 0.01, 0.99)
        super().__init__(target=mean)
        self.target = mean

    def exponent(self, image: Tensor) -> Tensor:
        """Return exponents ``(B, 1, 1, 1)`` for RGB ``(B, 3, H, W)`` in [0, 1]."""
        # Summed in float64, so that an image has the same exponent alone and in a batch.
        red, green, blue = image.mean(dim=(2, 3), dtype=torch.float64).unbind(dim=1)
        luma = 0.299 * red + 0.587 * green + 0.114 * blue
        exponent = (math.log(self.target) / luma.clamp(0, 1).log()).abs()  # log(1) may be 0 or -0
        return exponent.clamp(*self.exponents).to(image.dtype).view(-1, 1, 1, 1)

    def enhance(self, image: Tensor) -> Tensor:
        return image.pow(self.exponent(image))
