"""Gain over brightness: difference from raw on images of similar brightness, and where it begins to pay.

A window slides over the images, sorted by a statistic of the raw image. Each point of the curve is the paired
difference in the lead metric on one window, with the interval that ``sgz_bench.benchmarks.statistics`` gives a slice of
the same images. There are many windows, and they overlap. Whether one shows a gain is told from simultaneous limits,
from the smallest p over all windows in the same resamples (Westfall and Young 1993, single step).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError
from sgz_bench.core.text import pluralize
from sgz_bench.enhancer.image_statistics import STATISTICS

from ..intervals import Paired
from ..results import Delta
from ..statistics import all_weights, lead_metric
from .evidence import Evidence

LEAST = 10  # images of a window

_SHARE = 0.3  # of the images, in a window
_STEPS = 12  # steps of the window over all images
_SUMMARY = 200  # resamples, and groups of images left out, of a summary
_LEVEL = 0.05

Floats = NDArray[np.float64]
Values = Mapping[int, Mapping[str, float]]  # image id → statistic → value


@dataclass(frozen=True)
class Point:
    """Difference on the images of one window.

    Attributes:
        low, centre, high: lowest, median and highest value of the statistic among them.
        images: number of images.
        delta: difference from raw in the lead metric, in [−1, 1], with its 95 % interval.
        shown: +1 or −1 if the simultaneous limits show a gain or a loss, else 0.
    """

    low: float
    centre: float
    high: float
    images: int
    delta: Delta
    shown: int


@dataclass(frozen=True)
class Range:
    """Brightnesses at which a gain or a loss is shown: the longest run of windows.

    Attributes:
        where: ``below`` ``high`` if the run begins with the darkest window, ``above`` ``low`` if it ends with the
            brightest, ``everywhere`` if both, else ``between``.
        low, high: centres of the run's first and last window.
    """

    where: str
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """Gain of one enhancer over a statistic of the raw image.

    Attributes:
        enhancer: label.
        metric: lead metric.
        statistic: statistic of the image.
        points: by rising centre.
    """

    enhancer: str
    metric: str
    statistic: str
    points: tuple[Point, ...]

    @property
    def pays(self) -> Range | None:
        """Range in which a gain is shown."""
        return self._range(1)

    @property
    def costs(self) -> Range | None:
        """Range in which a loss is shown."""
        return self._range(-1)

    def _range(self, sign: int) -> Range | None:
        runs: list[list[int]] = [[]]
        for index, point in enumerate(self.points):
            if point.shown == sign:
                runs[-1].append(index)
            elif runs[-1]:
                runs.append([])
        longest = max(runs, key=len)
        if not longest:
            return None
        dark, bright = longest[0] == 0, longest[-1] == len(self.points) - 1
        where = "everywhere" if dark and bright else "below" if dark else "above" if bright else "between"
        return Range(where, self.points[longest[0]].centre, self.points[longest[-1]].centre)


def curve(
    evidence: Evidence,
    statistics: Values,
    enhancer: str,
    *,
    statistic: str = "luma",
    replicates: int = 1000,
    seed: int = 0,
) -> Curve:
    """Return the gain of one enhancer over a statistic of the raw images.

    Args:
        evidence: rows of a finished run.
        statistics: statistics of its raw images, as ``read_image_statistics`` returns them.
        enhancer: label of a scored row.
        statistic: name of the statistic.
        replicates: bootstrap resamples, and the most groups of images that are left out.
        seed: seed of the resamples.

    Raises:
        UserError: there is no such statistic or row, the statistics of an image are missing, or there are fewer than
            ten images.
    """
    if statistic not in STATISTICS:
        raise UserError(f"there is no statistic {statistic!r} of an image; use one of {', '.join(STATISTICS)}")
    if enhancer not in evidence.rows or enhancer == "raw":
        raise UserError(f"{evidence.run} has no scored row of {enhancer!r}; it has {', '.join(evidence.enhancers)}")
    if (reason := _missing(evidence, statistics)) is not None:
        raise UserError(f"{evidence.run}: {reason}")
    windows = _Windows(evidence, statistics, statistic, replicates, seed)
    return windows.curve(evidence, enhancer)


def summary(evidence: Evidence, statistics: Values, statistic: str = "luma") -> dict[str, Any]:
    """Return the curves of all enhancers as JSON values, from 200 resamples.

    Returns:
        ``metric``, ``statistic``, ``images``, ``window`` (images of one) and ``enhancers``: label → ``points``, each
        [centre, difference, low, high] with differences in [−1, 1] or None, and ``pays`` and ``costs``, each
        ``{"where", "low", "high"}`` or None. Without a curve ``enhancers`` is empty, and ``reason`` says why.
    """
    shown = {"metric": evidence.lead, "statistic": statistic, "images": len(evidence.raw.image_ids)}
    if (reason := _missing(evidence, statistics)) is not None:
        return shown | {"window": 0, "reason": reason, "enhancers": {}}
    windows = _Windows(evidence, statistics, statistic, _SUMMARY, 0)
    curves = {label: windows.curve(evidence, label) for label in evidence.enhancers}
    return shown | {
        "window": len(windows.images[0]),
        "enhancers": {label: _as_json(each) for label, each in curves.items()},
    }


def _as_json(curve: Curve) -> dict[str, Any]:
    ranges = {"pays": curve.pays, "costs": curve.costs}
    return {
        "points": [[p.centre, p.delta["value"], p.delta["low"], p.delta["high"]] for p in curve.points],
        **{name: None if each is None else vars(each).copy() for name, each in ranges.items()},
    }


def window_images(values: Sequence[float]) -> list[NDArray[np.intp]]:
    """Return the indices of the images in each window, ascending; windows from the lowest value to the highest.

    A window has three tenths of the images, at least ten, and moves by a twelfth of them. Images of equal value keep
    their order.
    """
    order = np.argsort(np.asarray(values, dtype=np.float64), kind="stable")
    size = min(max(LEAST, round(_SHARE * len(order))), len(order))
    step = max(1, round(len(order) / _STEPS))
    begins = [*range(0, len(order) - size, step), len(order) - size]
    return [np.sort(order[begin : begin + size]) for begin in begins]


class _Windows:
    """Windows over the images of a run, with the raw row's scores under all weightings of each."""

    def __init__(self, evidence: Evidence, statistics: Values, statistic: str, replicates: int, seed: int) -> None:
        ids = evidence.raw.image_ids
        values = np.array([statistics[int(image)][statistic] for image in ids])
        weights, head = all_weights(len(ids), replicates, seed=seed), 1 + replicates
        self.statistic, self.replicates = statistic, replicates
        self.images = window_images(values.tolist())
        self.values = [values[images] for images in self.images]
        self.weights = []
        for images in self.images:
            drawn, left_out = np.split(weights[:, images], [head])
            left_out = left_out[(left_out == 0).any(axis=1)]  # groups without an image of the window change nothing
            self.weights.append(np.concatenate([drawn, left_out]))
        self.raw = self._scores(evidence, "raw")

    def _scores(self, evidence: Evidence, label: str) -> list[Floats]:
        statistics = evidence.statistics[label]
        return [
            lead_metric(evidence.task, statistics.subset(images), weights)
            for images, weights in zip(self.images, self.weights, strict=True)
        ]

    def curve(self, evidence: Evidence, label: str) -> Curve:
        """Return the curve of one enhancer."""
        pairs = [
            Paired.of(raw, own, self.replicates)
            for raw, own in zip(self.raw, self._scores(evidence, label), strict=True)
        ]
        deltas = [pair.delta() for pair in pairs]
        deviations = [pair.differences[1:] - pair.differences[0] for pair in pairs]
        shown = _shown(deltas, [pair.p for pair in pairs], deviations)
        points = [
            Point(float(v.min()), float(np.median(v)), float(v.max()), len(v), delta, sign)
            for v, delta, sign in zip(self.values, deltas, shown, strict=True)
        ]
        return Curve(label, evidence.lead, self.statistic, tuple(points))


def _shown(deltas: Sequence[Delta], p_values: Sequence[float | None], deviations: Sequence[Floats]) -> list[int]:
    """Return the sign of each difference that the simultaneous limits tell from 0, else 0.

    The limit is the level that the smallest p of all windows falls below in 5 % of the resamples: that of the largest
    deviation from the difference on the whole set, in standard deviations of the resamples.

    Args:
        deltas: difference on each window.
        p_values: its p.
        deviations: ``(B,)`` per window: difference on each resample minus that on the window; NaN where undefined.
    """
    spreads = [float(np.nanstd(each)) if np.isfinite(each).sum() > 1 else 0.0 for each in deviations]
    scaled = [np.abs(each) / spread for each, spread in zip(deviations, spreads, strict=True) if spread > 0]
    if not scaled:
        return [0] * len(deltas)
    largest = float(np.quantile(np.nan_to_num(np.stack(scaled)).max(axis=0), 1 - _LEVEL))
    level = min(2 * NormalDist().cdf(-largest), _LEVEL)
    return [
        int(np.sign(delta["value"])) if delta["value"] is not None and p is not None and p < level else 0
        for delta, p in zip(deltas, p_values, strict=True)
    ]


def _missing(evidence: Evidence, statistics: Values) -> str | None:
    """Return the reason why a run has no curve, or None."""
    images = len(evidence.raw.image_ids)
    without = sum(int(image) not in statistics for image in evidence.raw.image_ids)
    if without:
        return f"{pluralize(without, 'image')} of {images} without statistics in images.json; repeat the run's command"
    if images < LEAST:
        return f"{pluralize(images, 'image')} are too few for a curve over brightness; it takes {LEAST} or more"
    return None
