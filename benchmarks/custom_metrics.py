"""Custom metrics: per-image numbers whose means go through the same statistics as the metrics of the task."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.tasks.label_space import Sample
from sgz_bench.tasks.metric import Metric
from sgz_bench.tasks.task import Records, Scored, Statistics, plain
from sgz_bench.tasks.types import Scores

from .results import Measure
from .statistics import Floats

if TYPE_CHECKING:
    from .plan import Plan


FILE = "measures.json"
_LARGEST = 1e100  # so that sums stay finite


@dataclass(frozen=True)
class CustomStatistics:
    """Statistics of a cell, extended by the per-image numbers of custom metrics.

    Attributes:
        task: statistics of the task.
        values: metric → ``(N,)`` numbers; NaN for images without one.
    """

    task: Statistics
    values: dict[str, Floats]

    @property
    def class_metrics(self) -> tuple[str, ...]:
        return self.task.class_metrics

    @property
    def slice_metrics(self) -> tuple[str, ...]:
        return (*self.task.slice_metrics, *self.values)

    @property
    def image_ids(self) -> NDArray[np.int64]:
        return self.task.image_ids

    @property
    def truth(self) -> NDArray[np.integer]:
        return self.task.truth

    @property
    def size(self) -> dict[str, int]:
        return self.task.size

    def subset(self, images: NDArray[np.intp]) -> CustomStatistics:
        values = {name: column[images] for name, column in self.values.items()}
        return CustomStatistics(self.task.subset(images), values)

    def pooled(self, other: CustomStatistics) -> CustomStatistics:
        both = {name: np.stack([mine, other.values[name]], axis=1).ravel() for name, mine in self.values.items()}
        return CustomStatistics(self.task.pooled(other.task), both)

    def scores(self, weights: ArrayLike) -> Scores:
        scores, times = self.task.scores(weights), np.asarray(weights)
        return Scores(
            scores.per_class, scores.overall | {n: _means(column, times) for n, column in self.values.items()}
        )


def described(metrics: Iterable[Metric]) -> dict[str, Measure]:
    """Describe custom metrics for a row, by spec."""
    return {
        each.spec: Measure(
            unit=each.unit, better=each.better, summary=each.summary, version=each.version, fingerprint=each.fingerprint
        )
        for each in metrics
    }


Columns = dict[str, list[float | None]]  # metric → number per image, in the order of the ids


def measure(plan: Plan, image_ids: Iterable[int], records: Records, folder: Path) -> Columns:
    """Call the plan's custom metrics for every image of a cell.

    Raises:
        UserError: a metric fails on an image, or returns something other than a finite number or None.
    """
    samples = {sample.id: sample for sample in plan.dataset.samples}
    values: Columns = {metric.spec: [] for metric in plan.metrics}
    for image_id in image_ids if plan.metrics else ():
        answer = plan.task.answer(plan.space, samples[image_id], records[image_id], folder)
        for metric in plan.metrics:
            values[metric.spec].append(None if answer is None else _measure(metric, samples[image_id], *answer))
    return values


def with_measures(scored: Scored, values: Columns, folder: Path) -> Scored:
    """Add custom metrics to the scores of a cell; the per-image numbers go to ``measures.json``."""
    if not values:
        (folder / FILE).unlink(missing_ok=True)  # left by an earlier choice of metrics
        return scored
    ids = scored.statistics.image_ids.tolist()
    columns = {name: np.array(column, dtype=np.float64) for name, column in values.items()}
    means = {name: plain(_means(column, np.ones((1, len(ids))))[0]) for name, column in columns.items()}
    files: dict[str, bytes | str] = {FILE: json.dumps({"image_ids": ids} | values) + "\n"}
    return replace(
        scored,
        metrics=scored.metrics | means,
        statistics=CustomStatistics(scored.statistics, columns),
        files=scored.files | files,
    )


def _measure(metric: Metric, sample: Sample, prediction: object, truth: object) -> float | None:
    """Call a metric for one image; None for an image without a number.

    Raises:
        UserError: the metric fails, or its number is not finite.
    """
    try:
        value = metric.measure(prediction, truth)
        number = None if value is None else float(value)
    except (Exception, SystemExit) as error:  # custom code may fail in any way
        fault = f"the metric {metric.spec} fails on {sample.key}: {in_one_line(error)}"
        raise UserError(f"{fault}; predictions are kept: fix the metric and repeat the command") from error
    if number is not None and not abs(number) < _LARGEST:
        raise UserError(
            f"the metric {metric.spec} returns {number} for {sample.key}; return a finite number, or None without one"
        )
    return number


def _means(column: Floats, weights: NDArray[np.number]) -> Floats:
    """Return ``(B,)`` means of the defined numbers under ``(B, N)`` weights; NaN if none is defined."""
    defined = ~np.isnan(column)
    times = weights * defined
    with np.errstate(invalid="ignore"):  # 0 / 0 gives NaN on purpose
        means: Floats = (times * np.where(defined, column, 0)).sum(axis=1) / times.sum(axis=1)
    return means
