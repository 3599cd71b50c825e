"""Multi-scale retinex: the image relative to its surround, with and without colour restoration."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft
from torch import Tensor

from sgz_bench.core.parameters import number

from ..base import Enhancer

Picture = NDArray[np.float32]  # RGB (H, W, 3)
Plane = NDArray[np.float32]  # (H, W)

SIGMAS = (15.0, 80.0, 250.0)  # pixels
_RESTORATION = 125.0
_FLAT = 1e-3  # in log units: one 8-bit step is at least 0.004


def surround(plane: Plane, sigmas: tuple[float, ...] = SIGMAS) -> list[Plane]:
    """Blur ``plane`` by Gaussians of the given standard deviations in pixels.

    Uses the cosine transform: exact for any width, with the image mirrored at its edges as often as needed.
    """
    spectrum = fft.dctn(plane, norm="ortho")
    squares = [np.square(np.pi * np.arange(size) / size) for size in plane.shape]
    blurred = []
    for sigma in sigmas:
        rows, columns = (np.exp(-(sigma**2) / 2 * square).astype(np.float32) for square in squares)
        blurred.append(fft.idctn(spectrum * rows[:, None] * columns, norm="ortho"))
    return blurred


def multi_scale_retinex(plane: Plane) -> Plane:
    """Return the mean of log(plane) − log(surround) over ``SIGMAS``; ``plane`` is at least 1."""
    # A blur is never below the smallest value, except by rounding of the transform.
    surrounds = [np.log(np.maximum(blurred, 1)) for blurred in surround(plane)]
    return np.asarray(np.log(plane) - sum(surrounds) / np.float32(len(surrounds)))


def stretch(plane: Plane, clip: float, flat: Plane) -> Plane:
    """Stretch ``plane`` to [0, 1], clipping ``clip`` per cent of pixels at each end; ``flat`` if it has no range."""
    low, high = np.percentile(plane, [clip, 100 - clip])
    if high - low < _FLAT:
        return flat
    return np.asarray(((plane - low) / (high - low)).clip(0, 1), dtype=np.float32)


class Msr(Enhancer):
    """Multi-scale retinex of each channel, stretched to the full range.

    Source: Jobson, Rahman and Woodell, *A Multiscale Retinex for Bridging the Gap Between Color Images and the Human
    Observation of Scenes*, TIP 1997: scales of 15, 80 and 250 pixels with equal weights, on levels from 0 to 255
    plus 1 for the logarithm. The output is stretched channel by channel as in Petro, Sbert and Morel, *Multiscale
    Retinex*, IPOL 2014; a channel without range is not changed. Scales are in pixels of the input image, so the result
    depends on its resolution.

    Args:
        clip: percentage of a channel's pixels clipped to 0, and the same to 1, in [0, 40].

    Raises:
        UserError: ``clip`` is out of range.
    """

    name: ClassVar[str] = "msr"
    summary: ClassVar[str] = "multi-scale retinex (Jobson et al. 1997), stretched channel by channel"

    def __init__(self, clip: float = 1.0) -> None:
        self.clip = number(self.name, "clip", clip, 0, 40)
        super().__init__(clip=self.clip)

    def retinex(self, levels: Picture) -> list[Plane]:
        """Return the channels before the stretch, for levels in [1, 256]."""
        return [multi_scale_retinex(levels[..., channel]) for channel in range(3)]

    def enhance(self, image: Tensor) -> Tensor:
        pictures = image.permute(0, 2, 3, 1).cpu().numpy()
        enhanced = np.stack([self._enhance(picture) for picture in pictures])
        return torch.from_numpy(enhanced).permute(0, 3, 1, 2).to(image.device)

    def _enhance(self, picture: Picture) -> Picture:
        planes = self.retinex(picture * 255 + 1)
        return np.stack([stretch(plane, self.clip, picture[..., i]) for i, plane in enumerate(planes)], axis=2)


class Msrcr(Msr):
    """Multi-scale retinex with colour restoration: MSR times C = log(125 x) − log(R + G + B), then stretched.

    Source: as for ``msr``. The paper's further constants (β = 46 on C, gain 192, offset −30) scale and shift all pixels
    alike, so the stretch cancels them, as well as the logarithm's base.

    Args:
        clip: as for ``msr``.

    Raises:
        UserError: as for ``msr``.
    """

    name: ClassVar[str] = "msrcr"
    summary: ClassVar[str] = "multi-scale retinex with colour restoration (Jobson et al. 1997), stretched"

    def retinex(self, levels: Picture) -> list[Plane]:
        """Return the channels before the stretch, for levels in [1, 256]."""
        total = np.log(levels.sum(axis=2))
        return [
            plane * (np.log(_RESTORATION * levels[..., channel]) - total)
            for channel, plane in enumerate(super().retinex(levels))
        ]
