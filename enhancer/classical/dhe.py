"""Dynamic histogram equalisation: each hill of the histogram is equalised within its own output range."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.parameters import number

from .histogram import OnLevels

Histogram = NDArray[np.int64]  # pixels at each of the 256 levels

_NORMAL_SHARE = 0.683  # share of a normal distribution within one standard deviation


def hills(histogram: Histogram) -> list[tuple[int, int]]:
    """Return half-open level ranges between consecutive local minima, over the levels in use.

    Minima are those of the histogram after a moving mean over three levels. A flat valley counts at its first level,
    and a minimum belongs to the hill above it.
    """
    used = np.flatnonzero(histogram)
    first, last = int(used[0]), int(used[-1]) + 1
    smoothed = np.convolve(histogram, np.ones(3))[1:-1] / np.convolve(np.ones(histogram.size), np.ones(3))[1:-1]
    inside = smoothed[first:last]
    runs = np.concatenate([[0], np.flatnonzero(np.diff(inside)) + 1])
    heights = inside[runs]
    valleys = np.flatnonzero((heights[1:-1] < heights[:-2]) & (heights[1:-1] < heights[2:])) + 1
    edges = [first, *(first + runs[valleys]).tolist(), last]
    return list(pairwise(edges))


def split(histogram: Histogram, start: int, stop: int) -> list[tuple[int, int]]:
    """Return the range if 68.3 % of its pixels lie within μ ± σ; else split it in three, the outer two recursively."""
    counts = histogram[start:stop]
    total = counts.sum()
    if total == 0:
        return [(start, stop)]
    levels = np.arange(start, stop)
    mean = (counts * levels).sum() / total
    deviation = np.sqrt((counts * (levels - mean) ** 2).sum() / total)
    low, high = int(np.rint(mean - deviation)), int(np.rint(mean + deviation)) + 1
    if histogram[low:high].sum() >= _NORMAL_SHARE * total:
        return [(start, stop)]
    below = split(histogram, start, low) if low > start else []
    above = split(histogram, high, stop) if high < stop else []
    return [*below, (low, high), *above]


def dynamic_curve(histogram: Histogram, emphasis: float) -> NDArray[np.float64]:
    """Return the output level in [0, 255], not rounded, of each of the 256 levels.

    Output ranges of all parts fill 0 to 255 in proportion to (levels) · log(1 + pixels) ** emphasis. Within its range,
    a part follows its cumulative distribution.
    """
    parts = [part for hill in hills(histogram) for part in split(histogram, *hill)]
    pixels = np.array([histogram[start:stop].sum() for start, stop in parts])
    factors = np.array([stop - start for start, stop in parts]) * np.log1p(pixels) ** emphasis * (pixels > 0)
    ends = 255 * np.cumsum(factors) / factors.sum()
    curve = np.zeros(histogram.size)
    for (start, stop), count, low, high in zip(parts, pixels, [0.0, *ends[:-1]], ends, strict=True):
        curve[start:stop] = low + (high - low) * np.cumsum(histogram[start:stop]) / max(count, 1)
    return curve


class Dhe(OnLevels):
    """Dynamic histogram equalisation of the luma, channel Y of Y'CbCr at 8 bits; the chroma is unchanged.

    Source: Abdullah-Al-Wadud, Kabir, Dewan and Chae, *A Dynamic Histogram Equalization for Image Contrast Enhancement*,
    IEEE Transactions on Consumer Electronics 53 (2), 2007: division at the minima, the test of dominating parts, ranges
    by span and size, equalisation within each. Its steps were compared with ``yunfuliu/pixkit``, which leaves the
    emphasis to the caller; 1 is our choice.

    Deviations: log(1 + pixels) instead of log(pixels), so that a part of one pixel has a range; rounding only at the
    end.

    Args:
        emphasis: exponent x in [0, 10] of a part's size in its share of the range; 0 uses the span alone.

    Raises:
        UserError: ``emphasis`` is out of range.
    """

    name: ClassVar[str] = "dhe"
    summary: ClassVar[str] = "dynamic histogram equalisation (Abdullah-Al-Wadud et al. 2007) of the luma (8 bits)"

    def __init__(self, emphasis: float = 1.0) -> None:
        self.emphasis = number(self.name, "emphasis", emphasis, 0, 10)
        super().__init__(emphasis=self.emphasis)

    def enhance_levels(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        luma, *chroma = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb))
        curve = dynamic_curve(np.bincount(luma.ravel(), minlength=256), self.emphasis)
        equalized = cv2.merge([np.rint(curve).astype(np.uint8)[luma], *chroma])
        return np.asarray(cv2.cvtColor(equalized, cv2.COLOR_YCrCb2RGB), dtype=np.uint8)
