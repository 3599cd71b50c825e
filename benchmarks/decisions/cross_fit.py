"""Cross-fitting over images: what choosing the best candidate gains on images that had no part in the choice.

The best of many candidates on some images is partly the luckiest. Its difference from raw on the same images is
therefore too high ("winner's curse"). Here the choice is made on one half of the images and measured on the other half,
so luck in the choice does not enter the measurement; see Cawley & Talbot 2010 (JMLR 11) for the bias, Tsamardinos et
al. 2018 (Machine Learning 107, "Bootstrapping the out-of-sample predictions") for resampling around a selection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Weights = NDArray[np.int32]
Score = Callable[[Weights], Floats]  # (B, N) weights → (C, B) metric of every candidate, raw first

SPLITS = 200  # random halvings behind the gain; both halves are used in turn
RESAMPLES = 300  # bootstrap resamples behind its interval
RESAMPLE_SPLITS = 2  # halvings of each resample
_TIE = 1e-12  # scores that differ by less are equal: the first candidate is chosen, so raw before any enhancer
_CELLS = 1 << 23  # weights that are held at once


@dataclass(frozen=True)
class CrossFit:
    """Gain of the procedure "choose the best".

    Attributes:
        gain: mean difference from raw on the halves that had no part in the choice, in [−1, 1]; NaN if undefined.
        low, high: 95 % interval; NaN if undefined.
        shares: ``(C,)`` share of the halves on which each candidate was chosen.
    """

    gain: float
    low: float
    high: float
    shares: Floats


def cross_fit(
    score: Score,
    n_images: int,
    *,
    seed: int,
    or_raw: bool = True,
    splits: int = SPLITS,
    resamples: int = RESAMPLES,
) -> CrossFit:
    """Choose on one half of the images, measure the difference from raw on the other; average over random halvings.

    The interval comes from a bootstrap over images around the whole procedure. Each resample is halved by image, so
    copies of one image stay on one side; otherwise luck would pass from the choice to the measurement. The 2.5 % and
    97.5 % quantiles of the resamples' gains are moved so that their mean is the gain, because a resample has fewer
    distinct images, chooses worse and gains less. Halving each resample only twice leaves some noise of the halvings in
    the interval, which makes it about a fifth wider than necessary where nothing differs; without it the interval is
    too narrow where one of few candidates is the best. ``benchmarks/calibration/choice.py`` measures the coverage.

    Halvings on which the metric is undefined for any candidate are left out. The interval is NaN if fewer than half of
    the resamples have a gain.

    Args:
        score: metric of every candidate, raw first, under weightings of the images.
        n_images: number of images, two or more.
        seed: seed of halvings and resamples.
        or_raw: raw itself can be chosen.
        splits: number of halvings of the images.
        resamples: number of bootstrap resamples.
    """
    rng = np.random.default_rng([seed, 5])
    whole = np.ones((1, n_images), dtype=np.int32)
    gains, chosen, n_candidates = _measure(score, _halved(_repeated(whole, splits), rng), or_raw)
    shares = np.bincount(chosen[chosen >= 0], minlength=n_candidates) / max(1, int(np.count_nonzero(chosen >= 0)))
    gain = _mean(gains[None])[0]
    low = high = np.nan
    if resamples and not np.isnan(gain):
        drawn = _repeated(_resamples(n_images, resamples, rng), RESAMPLE_SPLITS)
        around, *_ = _measure(score, _halved(drawn, rng), or_raw)
        each = _mean(around.reshape(resamples, RESAMPLE_SPLITS))
        each = each[~np.isnan(each)]
        if 2 * len(each) >= resamples:
            low, high = gain - each.mean() + np.percentile(each, [2.5, 97.5])
    return CrossFit(float(gain), float(low), float(high), shares)


def best(scores: Floats) -> NDArray[np.intp]:
    """Return ``(B,)`` the first candidate with the highest score in each column of ``(C, B)``; −1 if one is NaN."""
    first: NDArray[np.intp] = np.argmax(scores >= scores.max(axis=0) - _TIE, axis=0)
    return np.where(np.isnan(scores).any(axis=0), -1, first)


def halves(times: Weights, rng: np.random.Generator) -> Weights:
    """Halve weightings ``(B, N)`` at random by image; return ``(B, 2, N)``, both with all copies of their images."""
    keys = np.where(times > 0, rng.random(times.shape), 2.0)
    places = np.argsort(np.argsort(keys, axis=1), axis=1)
    first = places < np.count_nonzero(times, axis=1)[:, None] // 2
    return np.stack([times * first, times * ~first], axis=1).astype(np.int32)


def _repeated(weights: Weights | Iterator[Weights], times: int) -> Iterator[Weights]:
    """Yield each weighting several times."""
    for row in weights:
        for _ in range(times):
            yield row


def _resamples(n_images: int, count: int, rng: np.random.Generator) -> Iterator[Weights]:
    draws = np.random.default_rng(rng.integers(1 << 63))
    for _ in range(count):
        yield np.bincount(draws.integers(n_images, size=n_images), minlength=n_images).astype(np.int32)


def _halved(weightings: Iterator[Weights], rng: np.random.Generator) -> Iterator[Weights]:
    """Yield the halves ``(b, 2, N)`` of weightings in blocks of bounded size; the numbers do not depend on the size."""
    block: list[Weights] = []
    for row in weightings:
        block.append(halves(row[None], rng)[0])
        if len(block) * row.size * 2 >= _CELLS:
            yield np.stack(block)
            block = []
    if block:
        yield np.stack(block)


def _measure(score: Score, blocks: Iterator[Weights], or_raw: bool) -> tuple[Floats, NDArray[np.intp], int]:
    """Return the gain of each halving, mean of both directions, the candidates chosen, and the number of candidates."""
    gains, chosen, count = [], [], 0
    for block in blocks:
        n, _, n_images = block.shape
        scores = score(block.reshape(2 * n, n_images))
        count = len(scores)
        scores = np.where(np.isnan(scores).any(axis=0), np.nan, scores)
        picks = best(scores) if or_raw else best(scores[1:]) + 1
        picks = np.where(np.isnan(scores[0]), -1, picks)
        other = scores.reshape(count, n, 2)[:, :, ::-1].reshape(count, 2 * n)
        differences = other[picks, np.arange(2 * n)] - other[0]
        both = differences.reshape(n, 2).mean(axis=1)  # NaN if one of the halves is undefined
        gains.append(np.where((picks.reshape(n, 2) < 0).any(axis=1), np.nan, both))
        chosen.append(picks)
    return np.concatenate(gains), np.concatenate(chosen), count


def _mean(values: Floats) -> Floats:
    """Return the means of rows over the defined values; NaN for rows without one."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=1)
    total = np.where(defined, values, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
