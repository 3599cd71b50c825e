"""Trials: data sets drawn from a world, with every method's intervals and p-values on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sgz_bench.tasks.task import Statistics

from ..intervals import interval, p_value
from ..results import Delta
from ..statistics import all_weights, holm, permutation_p_values, permutation_swaps
from .worlds import World

Floats = NDArray[np.float64]

METHODS = ("Student", "percentile", "permutation")
ENHANCERS = 8  # the family of Holm's correction
POPULATION = {"detection": 400_000, "segmentation": 50_000}  # images
_METRIC = {"detection": "AP50", "segmentation": "mIoU"}
_LEVEL = 0.05


@dataclass(frozen=True)
class Calibration:
    """Frequencies of one method in one world, each with its Monte-Carlo standard error; NaN where it has none.

    Attributes:
        coverage: share of intervals with the true difference.
        width: mean width, relative to the percentile interval.
        errors: share of p-values below .05 (of percentile intervals: that exclude 0) in a world without effect.
        family: share of data sets without effect on which a p-value is below .05 after Holm's correction over the
            enhancers (of percentile intervals, which have none: on which one excludes 0).
    """

    method: str
    coverage: tuple[float, float]
    width: float
    errors: tuple[float, float]
    family: tuple[float, float]


def calibrate(world: World, *, seed: int, repeats: int, replicates: int, permutations: int) -> list[Calibration]:
    """Draw ``repeats`` data sets of a world and return the calibration of every method.

    Args:
        world: the world.
        seed: seed of data sets, resamples and permutations.
        repeats: number of data sets, each with raw and ``ENHANCERS`` enhancers.
        replicates: bootstrap resamples of each data set.
        permutations: permutations for each data set, of the first enhancer alone; 0 for none.
    """
    truth = true_difference(world, seed)
    weights = all_weights(world.images, replicates, seed=seed)
    swaps = permutation_swaps(world.images, permutations, seed=seed) if permutations else None
    sets = [
        _trial(world, np.random.default_rng([seed, number]), weights, replicates, swaps) for number in range(repeats)
    ]
    percentile = np.mean([_widths(each["percentile"]) for each in sets])
    return [_summary(method, truth, [each[method] for each in sets], float(percentile)) for method in METHODS]


def true_difference(world: World, seed: int) -> float:
    """Return the difference on very many images; exactly 0 for a world without effect."""
    if world.effect != "gain":
        return 0.0
    count = POPULATION[world.task]
    raw, other = world.draw(np.random.default_rng([seed, 0, 1]), count)
    before, after = (_scores(each, np.ones((1, count), dtype=np.int32)) for each in (raw, other))
    return float(after[0] - before[0])


def _trial(
    world: World, rng: np.random.Generator, weights: NDArray[np.int32], replicates: int, swaps: NDArray[np.bool_] | None
) -> dict[str, list[Delta]]:
    """Return method → a delta per enhancer on one data set."""
    raw, *others = world.draw(rng, others=ENHANCERS)
    before = _scores(raw, weights)
    deltas: dict[str, list[Delta]] = {method: [] for method in METHODS}
    for other in others:
        differences, left_out = np.split(_scores(other, weights) - before, [1 + replicates])
        p = p_value(differences, left_out)
        deltas["Student"].append(interval(differences, p, left_out=left_out))
        deltas["percentile"].append(interval(differences))
    for delta, p_holm in zip(deltas["Student"], holm([delta["p"] for delta in deltas["Student"]]), strict=True):
        delta["p_holm"] = p_holm
    for delta in deltas["percentile"]:
        excluded = (delta["low"] or 0) > 0 or (delta["high"] or 0) < 0
        delta["p"] = delta["p_holm"] = 0.0 if excluded else 1.0
    if swaps is not None:
        p = permutation_p_values(raw, others[0], swaps)[_METRIC[world.task]]
        deltas["permutation"].append(Delta(value=None, low=None, high=None, p=p, p_holm=None))
    return deltas


def _scores(system: Statistics, weights: NDArray[np.int32]) -> Floats:
    overall = system.scores(weights).overall
    return overall["AP50"] if "AP50" in overall else overall["mIoU"]


def _widths(deltas: Sequence[Delta]) -> list[float]:
    return [d["high"] - d["low"] for d in deltas if d["high"] is not None and d["low"] is not None]


def _summary(method: str, truth: float, sets: Sequence[Sequence[Delta]], percentile: float) -> Calibration:
    def rate(hits: Sequence[Sequence[bool]]) -> tuple[float, float]:
        """Return the mean and its error; differences from one raw row are not independent, data sets are."""
        shares = [float(np.mean(each)) for each in hits if len(each)]
        if not shares:
            return float("nan"), float("nan")
        return float(np.mean(shares)), float(np.std(shares, ddof=1) / np.sqrt(len(shares))) if len(shares) > 1 else 0.0

    widths = [width for each in sets for width in _widths(each)]
    covered = [
        [d["low"] <= truth <= d["high"] for d in each if d["low"] is not None and d["high"] is not None]
        for each in sets
    ]
    ps = [[d["p"] for d in each if d["p"] is not None] for each in sets if truth == 0]
    corrected = [[d["p_holm"] for d in each if d["p_holm"] is not None] for each in sets if truth == 0]
    return Calibration(
        method,
        rate(covered),
        float(np.mean(widths)) / percentile if widths else float("nan"),
        rate([[p < _LEVEL for p in each] for each in ps]),
        rate([[min(each) < _LEVEL] for each in corrected if each]),
    )
