"""Histogram equalisation, global and adaptive. Both are defined on 8-bit levels, so they round their input to them."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sgz_bench.core.images import to_tensor, to_uint8
from sgz_bench.core.parameters import integer, number

from ..base import Enhancer


class OnLevels(Enhancer):
    """Base of enhancers that work on one 8-bit image at a time."""

    @abstractmethod
    def enhance_levels(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Enhance RGB ``(H, W, 3)`` uint8."""

    def enhance(self, image: Tensor) -> Tensor:
        enhanced = [to_tensor(self.enhance_levels(to_uint8(one[None]))) for one in image]
        return torch.cat(enhanced).to(image.device)


class HistogramEqualization(OnLevels):
    """Histogram equalisation of the luma, channel Y of Y'CbCr, by ``cv2.equalizeHist``; the chroma is unchanged."""

    name: ClassVar[str] = "he"
    summary: ClassVar[str] = "histogram equalisation of the luma (Y'CbCr, 8 bits)"

    def __init__(self) -> None:
        super().__init__()

    def enhance_levels(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        luma, *chroma = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb))
        equalized = cv2.merge([cv2.equalizeHist(luma), *chroma])
        return np.asarray(cv2.cvtColor(equalized, cv2.COLOR_YCrCb2RGB), dtype=np.uint8)


class Clahe(OnLevels):
    """Contrast-limited adaptive histogram equalisation of channel L of CIELAB (Zuiderveld, *Graphics Gems IV*, 1994).

    Implementation: OpenCV, where ``clip`` is ``clipLimit``, in multiples of a flat histogram's height.

    Args:
        clip: contrast limit in [0.1, 256]; 256 is no limit.
        tiles: number of regions per side, 1 to 64.

    Raises:
        UserError: a parameter out of range.
    """

    name: ClassVar[str] = "clahe"
    summary: ClassVar[str] = "contrast-limited adaptive histogram equalisation of the lightness (CIELAB, 8 bits)"

    def __init__(self, clip: float = 2.0, tiles: int = 8) -> None:
        limit = number(self.name, "clip", clip, 0.1, 256)
        regions = integer(self.name, "tiles", tiles, 1, 64)
        super().__init__(clip=limit, tiles=regions)
        self._clahe = cv2.createCLAHE(clipLimit=limit, tileGridSize=(regions, regions))

    def enhance_levels(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        lightness, *colour = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2LAB))
        equalized = cv2.merge([self._clahe.apply(lightness), *colour])
        return np.asarray(cv2.cvtColor(equalized, cv2.COLOR_LAB2RGB), dtype=np.uint8)
