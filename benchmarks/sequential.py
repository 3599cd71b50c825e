"""Early stopping: images in random order, a look every 100, and bounds that hold at all looks together.

After each look every enhancer has a bound on its difference from raw in the lead metric (AP50, mIoU),

    Δ ± se √(2 (nρ² + 1) / (nρ²) · log(√(nρ² + 1) / α)),

the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit
theory and asymptotic confidence sequences" (arXiv 2103.06476, 2021), with n images and the standard error ``se`` of
the paired difference (:class:`.intervals.Error`). α is .05 over the number of rows (union bound), so that with a
probability of 95 % no bound of any row misses its true difference at any look. With ρ² = (−2 log α + log(1 − 2 log α))
/ 500 the bound is about narrowest at 500 images, and a few percent wider elsewhere. The method is asymptotic, and
begins at 100 images.

A row is decided if its bound excludes 0, or if its half-width is at most the wanted one. The run ends at the first look
at which all rows of enhancers are decided. The order is a permutation of the data set that depends on the seed alone,
so that an interrupted run resumes it, and a repetition without ``until`` predicts only the images that are left.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError
from sgz_bench.core.text import pluralize
from sgz_bench.tasks.label_space import Sample
from sgz_bench.tasks.task import Statistics, plain

from .combination import combine
from .executors.job import Executor, RunJob
from .executors.progress import Progress
from .image_statistics import image_statistics
from .intervals import Error
from .plan import Cell, Plan
from .results import Delta, ResultRow, Until, is_bound
from .statistics import SeedMean, all_weights, correct, lead_metric
from .store import LOG, cell_folder, read_log

LOOK = 100  # images between two looks
LEVEL = 0.05
METHOD = "asymptotic confidence sequence (Waudby-Smith et al. 2021), union bound over rows"

_NARROWEST = 500  # images at which the bound is narrowest
_STREAM = 3  # of the seed, beside those of ``statistics``

Floats = NDArray[np.float64]


def critical_value(images: int, level: float) -> float:
    """Return the half-width of the bound after some images, in standard errors; holds at all numbers of images."""
    x = images * _rho_squared(level)
    return math.sqrt(2 * (x + 1) / x * math.log(math.sqrt(x + 1) / level))


def anytime_p(z: float, images: int, level: float) -> float:
    """Return the p-value of a difference of ``z`` standard errors: the smallest level whose bound excludes 0.

    Args:
        z: difference over its standard error.
        images: number of images behind it.
        level: level for which the bound is tuned, as in :func:`critical_value`.
    """
    x = images * _rho_squared(level)
    return min(1.0, math.sqrt(x + 1) * math.exp(-z * z * x / (2 * (x + 1))))


def _rho_squared(level: float) -> float:
    return (-2 * math.log(level) + math.log(1 - 2 * math.log(level))) / _NARROWEST


def bounded(differences: Floats, left_out: Floats, images: int, rows: int) -> Delta:
    """Return a difference with its bound and p-value, uncorrected; None where undefined or without any variation.

    Args:
        differences: ``(1 + B,)`` difference on all images, then on each bootstrap resample.
        left_out: ``(G,)`` difference without each group of images.
        images: number of images.
        rows: rows that share the error.
    """
    value, error, level = float(differences[0]), Error.of(differences, left_out), LEVEL / rows
    if error is None or not error.size > 1e-12:
        return Delta(value=plain(value), low=None, high=None, p=None, p_holm=None)
    half, p = critical_value(images, level) * error.size, anytime_p(value / error.size, images, level)
    return Delta(value=value, low=value - half, high=value + half, p=p, p_holm=None)


def is_decided(delta: Delta, half_width: float) -> bool:
    """Return True if a bound excludes 0 or is at most ± ``half_width`` (in the metric's unit) wide."""
    low, high = delta["low"], delta["high"]
    if low is None or high is None:  # undefined, or no image differs: more images may
        return False
    return low > 0 or high < 0 or high - low <= 2 * half_width


class Sampling:
    """Images of one study in random order, look by look.

    Args:
        job: opened job of a study with ``until``.

    Attributes:
        images: number of images looked at.
        decided: True once all rows are decided.
    """

    def __init__(self, job: RunJob) -> None:
        self._job, self._study = job, job.plan
        self._samples: Sequence[Sample] = job.plan.dataset.samples
        order = np.random.default_rng([job.plan.config.seed, _STREAM]).permutation(len(self._samples))
        self._rank = np.argsort(order)
        self.images = min(LOOK, len(self._samples))
        self.decided = False
        self._last = ""  # row that was not decided at the last look: it is asked first

    @property
    def seen(self) -> tuple[Sample, ...]:
        """Images up to this look, in the order of the data set."""
        return tuple(sample for sample, rank in zip(self._samples, self._rank, strict=True) if rank < self.images)

    @property
    def plan(self) -> Plan:
        """Plan of the study on the images up to this look; cells keep their keys, the data get another fingerprint."""
        if self.images == len(self._samples):
            return self._study
        seen = self.seen
        dataset = replace(cast(Any, self._study.dataset), samples=seen, partial=True)
        identity = f"{self._study.dataset_fingerprint} {[sample.id for sample in seen]}"
        return replace(
            self._study,
            space=replace(self._study.space, dataset=dataset),
            dataset_fingerprint=hashlib.sha256(identity.encode()).hexdigest(),
        )

    def begin_look(self) -> None:
        """Let the job predict what is missing of the images up to this look."""
        self._job.restrict(self.seen)

    def finished(self) -> bool:
        """Look at the predicted images; return True if all rows are decided or no image is left, else go on.

        Raises:
            UserError: a log is missing, or predictions cannot be scored.
        """
        groups = self._scorable()
        if "raw" not in groups or all(label == "raw" or is_bound(label) for label in groups):
            return True  # more images change nothing
        self.decided = self._all_decided(groups)
        if self.decided or self.images == len(self._samples):
            return True
        self.images = min(self.images + LOOK, len(self._samples))
        return False

    def with_bounds(self, rows: list[ResultRow], statistics: Mapping[str, Statistics]) -> list[ResultRow]:
        """Replace the differences of the rows by those with bounds; p-values are Holm-corrected over the enhancers."""
        state = Until(
            half_width=self._half_width,
            images=self.images,
            of=len(self._samples),
            every=LOOK,
            rows=self._compared,
            decided=self.decided,
            method=METHOD,
        )
        rows = [replace(row, until=state) for row in rows]
        if "raw" not in statistics:
            return rows
        weights = self._weights(images := len(statistics["raw"].image_ids))
        baseline = statistics["raw"].scores(weights).overall
        deltas: dict[str, dict[str, Delta]] = {}
        for row in rows:
            if row.delta:
                scores = statistics[row.enhancer].scores(weights).overall
                deltas[row.enhancer] = {
                    metric: self._bounded(scores[metric] - baseline[metric], images) for metric in row.delta
                }
        correct([delta for label, delta in deltas.items() if not is_bound(label)])
        return [replace(row, delta=deltas.get(row.enhancer, row.delta)) for row in rows]

    @property
    def note(self) -> str:
        """Line for a user about the end of the sequence."""
        of, wanted = f"{self.images:,} of {len(self._samples):,} images", f"--until ±{self._half_width:g}"
        if not self.decided and self.images < len(self._samples):
            return f"note: ended at {of}: no row can be compared with raw ({wanted})"
        if not self.decided:
            return f"note: all {self.images:,} images are used, and not every row is decided ({wanted})"
        if self.images == len(self._samples):
            return f"note: all {self.images:,} images were needed to decide every row ({wanted})"
        return (
            f"note: stopped early at {of}: every row is decided ({wanted}); without --until the command adds the rest"
        )

    @property
    def _half_width(self) -> float:
        return cast(float, self._study.config.until)

    @cached_property
    def _compared(self) -> int:
        """Number of rows that are compared with raw, upper bounds among them."""
        return sum(cells[0].label != "raw" for cells in self._study.rows)

    def _weights(self, images: int) -> NDArray[np.int32]:
        return all_weights(images, self._study.config.replicates, seed=self._study.config.seed)

    def _bounded(self, differences: Floats, images: int) -> Delta:
        end = 1 + self._study.config.replicates
        return bounded(differences[:end], differences[end:], images, self._compared)

    def _scorable(self) -> dict[str, tuple[Cell, ...]]:
        """Return label → cells of the rows without a failed cell."""
        failed = self._job.failures.cells
        return {cells[0].label: cells for cells in self._study.rows if not any(cell.key in failed for cell in cells)}

    def _all_decided(self, groups: Mapping[str, tuple[Cell, ...]]) -> bool:
        """Return True if every row of an enhancer is decided."""
        plan = self.plan
        enhancers = [label for label in groups if label != "raw" and not is_bound(label)]
        drawn = tuple(cell for cell in plan.cells if cell.sources and not is_bound(cell.label))
        if drawn:
            statistics = image_statistics(self._study, self._job.run, plan.dataset.samples)
            combine(self._job, statistics, lambda _line: None, replace(plan, cells=drawn))
        truth = plan.task.truth(plan.space, set(self._job.failures.unread))
        if not truth["images"]:
            return False
        weights = self._weights(len(truth["images"]))
        baseline = self._scores(groups["raw"], truth, weights)
        for label in sorted(enhancers, key=lambda label: label != self._last):
            differences = self._scores(groups[label], truth, weights) - baseline
            if not is_decided(self._bounded(differences, weights.shape[1]), self._half_width / 100):
                self._last = label
                return False
        return True

    def _scores(self, cells: tuple[Cell, ...], truth: dict[str, Any], weights: NDArray[np.int32]) -> Floats:
        """Return ``(1 + B + G,)`` the lead metric of a row, as scoring will compute it."""
        task = self._study.task
        members = tuple(
            task.score(truth, read_log(cell_folder(self._job.run, cell.key) / LOG)).statistics for cell in cells
        )
        return lead_metric(task, SeedMean(members), weights)


def predict_in_looks(
    jobs: Sequence[RunJob], executor: Executor, device: str, progress: Progress, say: Callable[[str], None]
) -> dict[RunJob, Sampling]:
    """Predict what is left of all jobs; of a study with ``until`` look by look, until all its rows are decided.

    Args:
        jobs: opened jobs.
        executor: predicts what is missing.
        device: torch device of the enhancers.
        progress: receives the state of the jobs.
        say: receives one line for each study with ``until``.

    Returns:
        The sampling of each study with ``until``; without those that have no more images than one look.
    """
    samplings = {}
    for job in jobs:
        if job.plan.config.until is not None and job.fault is None:
            count = len(job.plan.dataset.samples)
            if count > LOOK:
                samplings[job] = Sampling(job)
            else:
                every = f"--until looks every {LOOK} images"
                say(f"note: {every}; {job.name} has {pluralize(count, 'image')}, so all are used")
    active = list(jobs)
    while active:
        for job in active:
            if job in samplings:
                samplings[job].begin_look()
        executor(active, device, progress)
        active = [
            job for job in active if job in samplings and job.fault is None and not _finished(job, samplings[job])
        ]
    for job, sampling in samplings.items():
        if job.fault is None:
            say(sampling.note)
    return samplings


def _finished(job: RunJob, sampling: Sampling) -> bool:
    try:
        return sampling.finished()
    except UserError as error:
        job.fault = error
        return True
