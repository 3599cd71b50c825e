"""Operating point: precision, recall, F1 and false positives per image at one score threshold, and what tuning gives.

All are ratios of sums over images, so one matrix product per row gives them for every resample. Thresholds are fixed in
the resamples. A threshold that is the best on the same images is lucky: its F1 is too high. The cross-fitted numbers
take the luck out: thresholds are chosen on one half of the images and counted on the other, both ways, for several
random splits; their intervals resample the images' counts in the halves that did not choose (Bayle et al. 2020,
"Cross-validation confidence intervals for test error").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from sgz_bench.tasks.detection.metrics import CellMatches
from sgz_bench.tasks.detection.metrics.operating import (
    IOU,
    RATES,
    RankedBoxes,
    best_thresholds,
    beyond_limit,
    rates,
)
from sgz_bench.tasks.task import Statistics, plain

from ..intervals import interval, left_out_weights
from ..statistics import SeedMean, resample_weights
from .evidence import Evidence

Floats = NDArray[np.float64]
FALLBACK = 0.25  # threshold where raw finds nothing, so that none is its best; that of the gallery and the error counts
SPLITS = 20  # random halvings of the images
GRID = [round(step / 50, 2) for step in range(51)]  # thresholds of the curve


class Change(BaseModel):
    """A difference with its 95 % interval."""

    model_config = ConfigDict(frozen=True)

    value: float | None
    low: float | None
    high: float | None


class OperatingRow(BaseModel):
    """One row at the operating point; means over training seeds.

    Attributes:
        precision, recall, F1: in [0, 1]; None where undefined, as precision without any prediction.
        FPPI: false positives per image.
        true, false, missed: numbers of true positives, false positives and objects that are not found.
        beyond_limit: boxes scored high enough that do not count, because COCO counts 100 per class and image.
        delta: rate → its difference from raw at the same threshold; empty in the raw row.
        threshold: score with this row's best F1; None if it finds nothing.
        best_f1: F1 there, too high because the same images choose and count.
        retuning: ``best_f1`` minus ``F1``: the cost of keeping the common threshold, too high likewise.
        retuning_crossfitted: the same, with thresholds chosen on one half of the images and counted on the other.
        gain_retuned: F1 minus raw's, each at its own threshold, cross-fitted; None in the raw row.
        curve: F1 at the thresholds of the grid.
    """

    model_config = ConfigDict(frozen=True)

    precision: float | None
    recall: float | None
    F1: float | None
    FPPI: float | None
    true: float
    false: float
    missed: float
    beyond_limit: int
    delta: dict[str, Change]
    threshold: float | None
    best_f1: float | None
    retuning: Change
    retuning_crossfitted: Change | None
    gain_retuned: Change | None
    curve: list[float]


class OperatingPoint(BaseModel):
    """Rows of a run at one operating point.

    Attributes:
        conf: score threshold; a box counts from this score on.
        chosen: ``given`` by the user; ``raw``: the best F1 of the raw row on these images; ``fallback``: raw finds
            nothing.
        iou: least IoU of a true positive.
        resamples, splits: bootstrap resamples, and random halvings of the images.
        grid: thresholds of the curves.
        rows: key of the row → its numbers.
    """

    model_config = ConfigDict(frozen=True)

    conf: float
    chosen: Literal["given", "raw", "fallback"]
    iou: float
    resamples: int
    splits: int
    grid: list[float]
    rows: dict[str, OperatingRow]


def summary(evidence: Evidence, conf: float | None = None, *, replicates: int = 1000) -> dict[str, Any]:
    """Return the operating point of a run as plain JSON values; empty for a task that has none.

    Args:
        evidence: finished run.
        conf: score threshold in [0, 1]; None for the raw row's best F1.
        replicates: bootstrap resamples, the same as those behind the rows' intervals.
    """
    if evidence.task.name != "detection":
        return {}
    return operating_point(evidence, conf, replicates=replicates).model_dump()


def operating_point(evidence: Evidence, conf: float | None = None, *, replicates: int = 1000) -> OperatingPoint:
    """Count every row of a detection run at one score threshold, with arguments as in :func:`summary`."""
    seed, n_images = evidence.rows["raw"].seed, len(evidence.raw.image_ids)
    everything = np.ones((1, n_images), dtype=bool)
    weights = np.concatenate(
        [
            everything,
            resample_weights(n_images, replicates, seed=seed),
            left_out_weights(n_images, replicates, seed=seed),
        ]
    ).astype(np.float64)

    def change(before: Floats, after: Floats) -> Change:
        differences = after - before
        delta = interval(differences[: 1 + replicates], left_out=differences[1 + replicates :])
        return Change(value=delta["value"], low=delta["low"], high=delta["high"])

    halves = _halves(evidence.raw.truth.sum(axis=1), seed)
    boxes = {label: [RankedBoxes.of(each.coco) for each in _cells(own)] for label, own in evidence.statistics.items()}
    (best_of_raw,) = best_thresholds(boxes["raw"], everything)
    threshold = FALLBACK if best_of_raw is None else best_of_raw
    chosen: Literal["given", "raw", "fallback"] = "fallback" if best_of_raw is None else "raw"
    if conf is not None:
        threshold, chosen = conf, "given"

    raw = _Tuned.of(boxes["raw"], halves)
    kept = raw.by_half if conf is None else [conf] * len(halves)
    at_point = {label: _rates(each, [threshold], everything, weights) for label, each in boxes.items()}
    raw_tuned = _rates(boxes["raw"], raw.by_half, halves, weights)["F1"] if len(halves) else None
    rows = {}
    for label, row in evidence.rows.items():
        own, tuned = boxes[label], raw if label == "raw" else _Tuned.of(boxes[label], halves)
        here = at_point[label]
        there = here if tuned.best is None else _rates(own, [tuned.best], everything, weights)
        crossfitted = gain = None
        if raw_tuned is not None:
            after = _rates(own, tuned.by_half, halves, weights)["F1"]
            crossfitted = change(_rates(own, kept, halves, weights)["F1"], after)
            gain = None if label == "raw" else change(raw_tuned, after)
        counts = np.mean([each.counts(threshold).sum(axis=0) for each in own], axis=0).tolist()
        rows[row.key] = OperatingRow(
            **{name: plain(here[name][0]) for name in RATES},
            **dict(zip(("true", "false", "missed"), counts, strict=True)),
            beyond_limit=sum(beyond_limit(each, threshold) for each in _cells(evidence.statistics[label])),
            delta={name: change(at_point["raw"][name], here[name]) for name in RATES} if label != "raw" else {},
            threshold=tuned.best,
            best_f1=plain(there["F1"][0]),
            retuning=change(here["F1"], there["F1"]),
            retuning_crossfitted=crossfitted,
            gain_retuned=gain,
            curve=np.mean([each.f1(np.array(GRID), everything)[0] for each in own], axis=0).round(4).tolist(),
        )
    return OperatingPoint(
        conf=threshold, chosen=chosen, iou=IOU, resamples=replicates, splits=len(halves) // 2, grid=GRID, rows=rows
    )


@dataclass(frozen=True)
class _Tuned:
    """Best thresholds of a row: on all images, and on the complement of each half."""

    best: float | None
    by_half: list[float]

    @staticmethod
    def of(boxes: Sequence[RankedBoxes], halves: NDArray[np.bool_]) -> _Tuned:
        best, *by_half = best_thresholds(boxes, np.concatenate([np.ones((1, halves.shape[1]), dtype=bool), ~halves]))
        return _Tuned(best, [FALLBACK if each is None else each for each in by_half])


def _cells(statistics: Statistics) -> Sequence[CellMatches]:
    """Return the matches of a row's cells, one per training seed."""
    each = statistics.members if isinstance(statistics, SeedMean) else (statistics,)
    return [one for one in each if isinstance(one, CellMatches)]


def _halves(objects: NDArray[np.integer], seed: int) -> NDArray[np.bool_]:
    """Draw ``(2 × splits, N)`` complementary halves of the images, both with objects; none if that cannot be.

    Args:
        objects: ``(N,)`` labelled boxes per image.
        seed: seed of the splits.
    """
    generator, halves = np.random.default_rng([seed, 7]), []
    for _ in range(SPLITS):
        half = np.zeros(len(objects), dtype=bool)
        half[generator.permutation(len(objects))[: len(objects) // 2]] = True
        if objects[half].sum() and objects[~half].sum():
            halves += [half, ~half]
    return np.array(halves, dtype=bool).reshape(-1, len(objects))


def _rates(
    boxes: Sequence[RankedBoxes],
    thresholds: Sequence[float],
    counted: NDArray[np.bool_],
    weights: Floats,
) -> Mapping[str, Floats]:
    """Return rate → ``(B,)`` its value under each weighting of the images; mean over training seeds.

    Args:
        boxes: one per training seed.
        thresholds: score thresholds, whose counts are summed.
        counted: ``(thresholds, N)`` images that count at each threshold.
        weights: ``(B, N)``.
    """
    each = []
    for one in boxes:
        counts = np.zeros((weights.shape[1], 3))
        for threshold, images in zip(thresholds, counted, strict=True):
            counts += one.counts(threshold) * images[:, None]
        each.append(rates(weights @ counts, weights.sum(axis=1)))
    return {name: np.mean([one[name] for one in each], axis=0) for name in RATES}
