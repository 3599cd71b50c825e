"""Operating point: precision, recall, F1 and false positives per image at one score threshold, and what tuning gives.

All are ratios of sums over images, so one matrix product per row gives them for every resample. The common threshold is
fixed in the resamples. A threshold that is the best on the same images is lucky: its F1 is too high. The cross-fitted
numbers of :mod:`.tuning` take the luck out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from sgz_bench.core.errors import UserError
from sgz_bench.core.faults import first_fault
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

from ..intervals import interval
from ..statistics import SeedMean, all_weights
from .evidence import Evidence
from .kept import FILE, FIX, read_decision
from .tuning import FALLBACK, CrossFitted, Split, Thresholds

Floats = NDArray[np.float64]
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


def read_operating(run: Path) -> OperatingPoint | None:
    """Read the operating point of a run; None for a run without one.

    Raises:
        UserError: the file is damaged.
    """
    part = read_decision(run).get("operating")
    if not part:
        return None
    try:
        return OperatingPoint.model_validate(part)
    except ValidationError as error:
        raise UserError(f"{run / FILE} is damaged (operating: {first_fault(error)}); {FIX}") from error


def operating_point(evidence: Evidence, conf: float | None = None, *, replicates: int = 1000) -> OperatingPoint:
    """Count every row of a detection run at one score threshold, with arguments as in :func:`summary`."""
    seed, n_images = evidence.rows["raw"].seed, len(evidence.raw.image_ids)
    weights = all_weights(n_images, replicates, seed=seed).astype(np.float64)
    everything = weights[:1]
    split = Split.of(weights, replicates, evidence.raw.truth.sum(axis=1), seed)
    boxes = {label: [RankedBoxes.of(each.coco) for each in _cells(own)] for label, own in evidence.statistics.items()}
    best = {label: best_thresholds(each, everything)[0] for label, each in boxes.items()}
    threshold, chosen = _common(conf, best["raw"])
    of_raw = Thresholds.chosen(boxes["raw"], split)
    kept = of_raw if conf is None else Thresholds.fixed(conf, split)
    raw, raw_tuned = _rates(boxes["raw"], threshold, weights), _crossfitted(boxes["raw"], of_raw, split)

    def change(before: Floats, after: Floats) -> Change:
        differences = after - before
        delta = interval(differences[: 1 + replicates], left_out=differences[1 + replicates :])
        return Change(value=delta["value"], low=delta["low"], high=delta["high"])

    rows = {}
    for label, row in evidence.rows.items():
        own, own_best = boxes[label], best[label]
        here = _rates(own, threshold, weights)
        there = here if own_best is None else _rates(own, own_best, weights)
        thresholds = of_raw if label == "raw" else Thresholds.chosen(own, split)
        tuned, untuned = _crossfitted(own, thresholds, split), _crossfitted(own, kept, split)
        found, wrong, missed = np.mean([each.counts(threshold).sum(axis=0) for each in own], axis=0).tolist()
        precision, recall, f1, per_image = (plain(here[name][0]) for name in RATES)
        rows[row.key] = OperatingRow(
            precision=precision,
            recall=recall,
            F1=f1,
            FPPI=per_image,
            true=found,
            false=wrong,
            missed=missed,
            beyond_limit=sum(beyond_limit(each, threshold) for each in _cells(evidence.statistics[label])),
            delta={name: change(raw[name], here[name]) for name in RATES} if label != "raw" else {},
            threshold=own_best,
            best_f1=plain(there["F1"][0]),
            retuning=change(here["F1"], there["F1"]),
            retuning_crossfitted=_minus(tuned, untuned),
            gain_retuned=_minus(tuned, raw_tuned) if label != "raw" else None,
            curve=_curve(own, everything),
        )
    return OperatingPoint(
        conf=threshold,
        chosen=chosen,
        iou=IOU,
        resamples=replicates,
        splits=len(split.halves) // 2,
        grid=GRID,
        rows=rows,
    )


def _common(conf: float | None, best_of_raw: float | None) -> tuple[float, Literal["given", "raw", "fallback"]]:
    """Return the threshold of all rows, and its origin."""
    if conf is not None:
        return conf, "given"
    return (FALLBACK, "fallback") if best_of_raw is None else (best_of_raw, "raw")


def _curve(boxes: Sequence[RankedBoxes], everything: Floats) -> list[float]:
    """Return F1 at the thresholds of the grid, to four digits."""
    curves = [each.f1(np.array(GRID[::-1]), everything)[0, ::-1] for each in boxes]
    return [float(value) for value in np.mean(curves, axis=0).round(4)]


def _cells(statistics: Statistics) -> Sequence[CellMatches]:
    """Return the matches of a row's cells, one per training seed."""
    each = statistics.members if isinstance(statistics, SeedMean) else (statistics,)
    return [one for one in each if isinstance(one, CellMatches)]


def _rates(boxes: Sequence[RankedBoxes], threshold: float, weights: Floats) -> Mapping[str, Floats]:
    """Return rate → ``(1 + B + G,)`` its value under each weighting; mean over training seeds."""
    each = [rates(weights @ one.counts(threshold), weights.sum(axis=1)) for one in boxes]
    return {name: np.mean([one[name] for one in each], axis=0) for name in RATES}


def _crossfitted(boxes: Sequence[RankedBoxes], thresholds: Thresholds, split: Split) -> CrossFitted | None:
    return CrossFitted.of(boxes, thresholds, split) if len(split.halves) else None


def _minus(after: CrossFitted | None, before: CrossFitted | None) -> Change | None:
    if after is None or before is None:
        return None
    value, bounds = after.minus(before)
    low, high = bounds or (None, None)
    return Change(value=plain(value), low=low, high=high)
