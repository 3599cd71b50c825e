"""Planning: images that decide a difference of a given size, from a run's own variance of the paired difference.

The variance of a difference over N images is V / N. V is that of the run's intervals (:class:`..intervals.Error`): the
mean of the bootstrap's, which is too small where classes are rare, and of the jackknife's, too large. For a half-width
``d`` of the 95 % interval it takes V (1.96 / d)² images, for a power of 80 % to show a true difference ``d`` two-sided
at .05 it takes V ((1.96 + 0.84) / d)² (Student 1908's normal limit; Cohen 1988, chapter 2). Random halves and quarters
of the run show whether V is the same for other numbers of images, which it is not where classes are rare.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError
from sgz_bench.core.registry import suggest
from sgz_bench.core.specs import canonical
from sgz_bench.core.text import pluralize

from ..intervals import Error, left_out_weights
from ..statistics import resample_weights
from .evidence import Evidence

LEAST = 10  # images from which a variance can be estimated
LEVEL = 0.05
POWER = 0.8
LARGEST_EFFECT = 100.0  # points

_REPLICATES = 500
_PARTS = (2, 4)  # the law is checked on halves and quarters of the run
_DRAWS = 400  # random parts of each size
_GROUPS = 200  # most groups of the jackknife
_FITS = 1.4  # largest ratio of the variances of two sizes at which one law fits both; its Monte-Carlo error is 10 %
_SEED = 2  # of the streams beside those of ``benchmarks/statistics.py``

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Images:
    """Number of images, and the 95 % range of its own uncertainty."""

    number: int
    low: int
    high: int


@dataclass(frozen=True)
class Need:
    """Images that one enhancer needs.

    Attributes:
        delta: difference from raw in the lead metric, in [0, 1]; None if undefined.
        deviation: square root of V, in [0, 1]: the standard error of the difference on N images is this / √N.
        parts: V of the bootstrap, and on random halves and quarters of the run, relative to V.
        interval: images for a 95 % interval of ± the effect; None if the enhancer changes nothing.
        power: images to show a true difference of the effect; None likewise.
        interval_corrected, power_corrected: the same at the level of the first step of Holm's correction, α / m for m
            enhancers; later steps need fewer.
    """

    delta: float | None
    deviation: float | None
    parts: tuple[float, ...]
    interval: Images | None
    power: Images | None
    interval_corrected: Images | None
    power_corrected: Images | None

    @property
    def fits(self) -> bool:
        """True if V is nearly the same by all estimates, and on halves, quarters and the whole run."""
        return all(1 / _FITS <= part <= _FITS for part in self.parts)


@dataclass(frozen=True)
class Planning:
    """Images that the enhancers of a run need.

    Attributes:
        metric: lead metric of the run's task.
        effect: difference to decide, in points.
        power: probability to show it.
        images: images of the run.
        compared: enhancers compared in the run, over which Holm corrects.
        needs: label of the enhancer → its need.
    """

    metric: str
    effect: float
    power: float
    images: int
    compared: int
    needs: dict[str, Need]

    @property
    def candidate(self) -> str | None:
        """Enhancer with the largest difference among those that differ from raw at all; the one to decide on."""
        known = {label: need.delta for label, need in self.needs.items() if need.power and need.delta is not None}
        return max(known, key=lambda label: known[label], default=None)

    @property
    def verdict(self) -> str:
        """Return the verdict in one or two sentences."""
        if self.images < LEAST:
            return f"{pluralize(self.images, 'image')} are too few to plan with; it takes {LEAST} or more."
        if self.candidate is None:
            return "No enhancer differs from raw on these images, so there is nothing to plan."
        need = self.needs[self.candidate]
        wanted = need.power
        assert wanted is not None
        numbers = (
            f"{rounded(wanted.number)} images like these (between {rounded(wanted.low)} and {rounded(wanted.high)})"
        )
        sentences = [
            f"To decide a difference of {_points(self.effect)} takes about {numbers}; this run has {self.images:,}."
        ]
        if not need.fits:
            sentences.append(
                "The variance does not fall as 1 / images here, for instance because classes are rare, so the number is"
                " rough."
            )
        return " ".join(sentences)


def plan_images(evidence: Evidence, effect: float = 1.0, power: float = POWER, enhancer: str | None = None) -> Planning:
    """Plan the number of images for each enhancer of a run.

    Args:
        evidence: rows of a finished run.
        effect: difference to decide, in points of the lead metric.
        power: probability to show it.
        enhancer: spec of the only enhancer to plan for; None for all of the run.

    Raises:
        UserError: the effect is not in (0, 100], the power not in (0, 1), there are fewer than ten images, or there is
            no such enhancer in the run.
    """
    check(effect, power)
    images = len(evidence.raw.image_ids)
    if images < LEAST:
        raise UserError(
            f"{evidence.run} has {pluralize(images, 'image')}; a variance is estimated from {LEAST} or more, so run it"
            " on more images"
        )
    if not evidence.enhancers:
        raise UserError(f"{evidence.run} has no scored row of an enhancer to plan for; add one with --enhancers")
    chosen = evidence.enhancers if enhancer is None else [_find(evidence, enhancer)]
    return _planned(evidence, chosen, effect, power)


def summary(evidence: Evidence, effect: float = 1.0) -> dict[str, Any]:
    """Return the plan of all enhancers as JSON values; runs of too few images have only a verdict.

    Raises:
        UserError: the effect is not in (0, 100].
    """
    check(effect, POWER)
    enough = len(evidence.raw.image_ids) >= LEAST
    return as_json(_planned(evidence, evidence.enhancers if enough else [], effect, POWER))


def as_json(planning: Planning) -> dict[str, Any]:
    """Return a plan as JSON values; the effect is in points, differences and deviations are in [0, 1]."""
    return {
        "metric": planning.metric,
        "effect": planning.effect,
        "power": planning.power,
        "level": LEVEL,
        "images": planning.images,
        "compared": planning.compared,
        "candidate": planning.candidate,
        "enhancers": {
            label: asdict(need) | {"parts": list(need.parts), "fits": need.fits}
            for label, need in planning.needs.items()
        },
        "verdict": planning.verdict,
    }


def rounded(number: int) -> str:
    """Round to two significant digits: ``1,900``."""
    return f"{int(float(f'{number:.2g}')):,}"


def images_for(variance: float, effect: float, level: float = LEVEL, power: float | None = None) -> float:
    """Return the number of images for an interval of ± ``effect``, or with ``power`` to show it, two-sided.

    Args:
        variance: V, in the unit of ``effect`` squared.
        effect: half-width or true difference.
        level: error of the interval or test.
        power: probability to show the difference.
    """
    z = NormalDist().inv_cdf(1 - level / 2) + (NormalDist().inv_cdf(power) if power is not None else 0.0)
    return variance * (z / effect) ** 2


def check(effect: float, power: float) -> None:
    """Refuse an effect or a power that no number of images can be planned for.

    Raises:
        UserError: it is out of its range.
    """
    if not 0 < effect <= LARGEST_EFFECT:
        raise UserError(f"--effect {effect:g}: give points above 0, up to 100, such as 1.0")
    if not 0 < power < 1:
        raise UserError(f"--power {power:g}: give a probability between 0 and 1, such as 0.8")


def _find(evidence: Evidence, enhancer: str) -> str:
    """Return the label of an enhancer of the run.

    Raises:
        UserError: the run has no scored row of it.
    """
    labels = evidence.enhancers
    names = [label for label in labels if label.partition("(")[0] == enhancer]
    if enhancer in labels:
        return enhancer
    if len(names) == 1:
        return names[0]
    label = canonical([enhancer])[0]
    if label not in labels:
        raise UserError(f"--enhancer {enhancer}: {evidence.run} has no scored row of it{suggest(enhancer, labels)}")
    return label


def _planned(evidence: Evidence, labels: Sequence[str], effect: float, power: float) -> Planning:
    images, compared = len(evidence.raw.image_ids), len(evidence.enhancers)
    weights = _Weights(images)
    baseline = evidence.scores("raw", weights.all) if labels else np.empty(0)
    needs = {
        label: _need(weights, evidence.scores(label, weights.all) - baseline, effect / 100, power, compared)
        for label in labels
    }
    return Planning(evidence.lead, effect, power, images, compared, needs)


class _Weights:
    """Weightings of N images: all once, bootstrap resamples, random halves and quarters, and all but one group."""

    def __init__(self, images: int) -> None:
        rng = np.random.default_rng([_SEED, images])
        parts = []
        for part in _PARTS:
            order = np.argsort(rng.random((_DRAWS, images)), axis=1)
            parts.append((order < images // part).astype(np.int32))
        resamples = resample_weights(images, _REPLICATES, seed=_SEED)
        left_out = left_out_weights(images, _GROUPS, seed=_SEED)
        self.images = images
        self.all = np.concatenate([np.ones((1, images), dtype=np.int32), resamples, *parts, left_out])

    def split(self, values: Floats) -> tuple[float, Floats, list[Floats], Floats]:
        """Split scores of ``all``: the whole set, resamples, parts by size, and all but one group."""
        ends = np.cumsum([1, _REPLICATES, *[_DRAWS] * len(_PARTS)])
        whole, resamples, *parts, left_out = np.split(values, ends)
        return float(whole[0]), resamples, parts, left_out


def _need(weights: _Weights, differences: Floats, effect: float, power: float, compared: int) -> Need:
    whole, resamples, parts, left_out = weights.split(differences)
    n = weights.images
    estimate = Error.of(np.concatenate([[whole], resamples]), left_out)
    variance = n * estimate.size**2 if estimate else math.nan
    if not variance > 1e-20:  # undefined, or equal to raw up to rounding
        return Need(None if math.isnan(whole) else whole, None, (), None, None, None, None)
    shares = [n * _variance(resamples) / variance]
    for part, values in zip(_PARTS, parts, strict=True):
        size = n // part
        shares.append(size * _variance(values) / (1 - size / n) / variance)  # drawn without replacement
    error = math.sqrt(_relative_variance(whole, left_out) + 2 / _REPLICATES)
    sizes = [1.0, *(share for share in shares if share > 0)]
    spread = min(sizes) * math.exp(-1.96 * error), max(sizes) * math.exp(1.96 * error)

    def images(level: float, power: float | None) -> Images:
        number = images_for(variance, effect, level, power)
        low, high = (math.ceil(number * share) for share in spread)
        return Images(math.ceil(number), low, high)

    first = LEVEL / max(compared, 1)
    return Need(
        whole,
        math.sqrt(variance),
        tuple(shares),
        images(LEVEL, None),
        images(LEVEL, power),
        images(first, None),
        images(first, power),
    )


def _variance(values: Floats) -> float:
    """Return the variance of the defined values; NaN if fewer than half are defined."""
    known = values[~np.isnan(values)]
    return float(known.var(ddof=1)) if 2 * known.size >= max(values.size, 4) else math.nan


def _relative_variance(whole: float, left_out: Floats) -> float:
    """Return the squared relative standard error of a variance, (kurtosis − 1) / G over the influence of G groups."""
    influence = whole - left_out[~np.isnan(left_out)]
    if influence.size < 4 or not (spread := float(influence.var())) > 0:
        return 1.0
    kurtosis = float(((influence - influence.mean()) ** 4).mean()) / spread**2
    return max(kurtosis - 1, 0.0) / influence.size


def _points(effect: float) -> str:
    return "one point" if effect == 1 else f"{effect:g} points"
