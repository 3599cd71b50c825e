"""Intervals and p-values of paired differences, from resampled and left-out images.

The variance of a difference is the mean of two estimates that err on opposite sides. The bootstrap's is too small where
classes are rare: one that occurs on a single image either keeps its result or is absent, so it hardly varies. The
jackknife's (Tukey 1958), from leaving out each image once, is too large (Efron and Stein 1981). Interval and p follow
Student's t. For a mean over images that is the paired t test. ``sgz_bench.benchmarks.calibration`` measures both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sgz_bench.tasks.task import plain

from .results import Delta

Floats = NDArray[np.float64]

_LEVEL = 0.95


@dataclass(frozen=True)
class Error:
    """Standard error of a difference, and its degrees of freedom."""

    size: float
    freedom: float

    @classmethod
    def of(cls, differences: Floats, left_out: Floats, images: int | None = None) -> Error | None:
        """Estimate the standard error of ``differences[0]``.

        Args:
            differences: ``(1 + B,)`` the difference on the whole set and on each bootstrap replicate.
            left_out: ``(G,)`` the difference without each group of images in turn.
            images: number of groups on which the difference rests, at most G; G if None.

        Returns:
            None if the difference is undefined, rests on fewer than two groups, is undefined without one of them, or is
            undefined on more than half of the replicates.
        """
        groups = len(left_out) if images is None else images
        replicates = differences[1:][~np.isnan(differences[1:])]
        if np.isnan(differences[0]) or np.isnan(left_out).any() or 2 * len(replicates) < len(differences) - 1:
            return None
        influence = left_out - differences[0]
        if groups == 0 and not influence.any():
            return cls(0.0, 1.0)  # constant
        if groups < 2 or len(replicates) < 2:
            return None
        jackknife = float(influence @ influence) * (groups - 1) / groups
        bootstrap = float(np.var(replicates, ddof=1))
        return cls(float(np.sqrt((jackknife + bootstrap) / 2)), _freedom(influence, groups))

    def around(self, value: float) -> tuple[float, float]:
        """Return the 95 % interval around a value."""
        half = _quantile(self.freedom) * self.size
        return value - half, value + half


def _freedom(influence: Floats, groups: int) -> float:
    """Return the degrees of freedom: one less than the number of groups, or than as many as really decide.

    That number is 3 (Σ ψ²)² / Σ ψ⁴, which is about G for normal ψ and less where few groups decide: a sum of squares
    with heavy tails varies like one of fewer terms (Satterthwaite 1946).
    """
    scaled = (influence / np.abs(influence).max(initial=0)) ** 2 if influence.any() else influence
    deciding = 3 * scaled.sum() ** 2 / (scaled @ scaled) if scaled.any() else np.inf
    return float(max(min(groups, deciding) - 1, 1))


@dataclass(frozen=True)
class Paired:
    """Difference of two cells in one metric, or another number that is computed from several cells.

    Attributes:
        differences: ``(1 + B,)`` on the whole set and on each replicate.
        left_out: ``(G,)`` without each group of images.
        images: number of groups that count for any of the cells.
    """

    differences: Floats
    left_out: Floats
    images: int

    @classmethod
    def of(cls, before: Floats, after: Floats, replicates: int, most: int | None = None) -> Paired:
        """Pair the metric of two cells, each ``(1 + B + G,)``; ``most`` bounds the number of groups that count."""
        return cls.over(after - before, (before, after), replicates, most)

    @classmethod
    def over(cls, values: Floats, parts: Sequence[Floats], replicates: int, most: int | None = None) -> Paired:
        """Take values ``(1 + B + G,)`` that are computed from the metric of several cells, ``parts``."""
        head = 1 + replicates
        # Images without a part in the metric, such as those outside a slice, are no observations.
        counts = int(np.count_nonzero(np.any([part[head:] != part[0] for part in parts], axis=0)))
        return cls(values[:head], values[head:], counts if most is None else min(counts, most))

    @property
    def p(self) -> float | None:
        """Two-sided p-value."""
        return p_value(self.differences, self.left_out, self.images)

    def delta(self, p: float | None = None) -> Delta:
        """Return the difference with its interval."""
        return interval(self.differences, p, left_out=self.left_out, images=self.images)


def left_out_weights(n_images: int, groups: int = 1000, *, seed: int) -> NDArray[np.int32]:
    """Return weights ``(G, n_images)`` that leave out each group of images in turn; G is at most ``groups``.

    Every image is a group of its own if there are no more images than ``groups``. Else image ``n`` is in the group
    ``np.random.default_rng([seed, 2]).permutation(n_images)[n] % groups``.
    """
    group = np.arange(n_images)
    if n_images > groups:
        group = np.random.default_rng([seed, 2]).permutation(n_images) % groups
    weights: NDArray[np.int32] = (group != np.arange(min(n_images, groups))[:, None]).astype(np.int32)
    return weights


def interval(
    differences: Floats,
    p: float | None = None,
    p_holm: float | None = None,
    *,
    left_out: Floats | None = None,
    images: int | None = None,
) -> Delta:
    """Build a delta with its 95 % interval.

    Without ``left_out`` it is the percentile interval over the defined replicates, None if fewer than half are defined.
    That is too narrow for metrics over rare classes; it is meant for counts, and for numbers whose jackknife would cost
    too much.

    Args:
        differences: ``(1 + B,)`` the difference on the whole set and on each replicate; NaN where undefined.
        p: p-value.
        p_holm: its correction.
        left_out: ``(G,)`` the difference without each group of images; then the interval is Student's, with
            :meth:`Error.of`, and None where that is.
        images: as for :meth:`Error.of`.
    """
    low, high = None, None
    if left_out is not None:
        error = Error.of(differences, left_out, images)
        if error is not None:
            low, high = error.around(float(differences[0]))
    else:
        replicates = differences[1:][~np.isnan(differences[1:])]
        if replicates.size and 2 * replicates.size >= len(differences) - 1:
            low, high = (float(bound) for bound in np.percentile(replicates, [2.5, 97.5]))
    return Delta(value=plain(differences[0]), low=low, high=high, p=p, p_holm=p_holm)


def p_value(differences: Floats, left_out: Floats, images: int | None = None) -> float | None:
    """Return the two-sided p of a difference; below 0.05 where :func:`interval` excludes 0.

    It is at least 2 / 2ᴳ, the smallest that exchanging the two results of G groups of images can give; and 1 where the
    standard error cannot be estimated. None for an undefined difference.
    """
    from scipy.special import stdtr

    if np.isnan(differences[0]):
        return None
    error = Error.of(differences, left_out, images)
    if error is None or differences[0] == 0:
        return 1.0
    least = 2.0 ** (1 - (len(left_out) if images is None else images))
    p = 2 * float(stdtr(error.freedom, -abs(differences[0]) / error.size)) if error.size else 0.0
    return min(max(p, least), 1.0)


def _quantile(freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + _LEVEL) / 2))
