"""Job of an executor: one study with its pending images and failures; that of a run keeps predictions in logs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.files import write_atomic
from sgz_bench.tasks.label_space import Sample
from sgz_bench.tasks.task import ModelInput

from ..plan import Cell, Plan
from ..store import LOG, ImageLog, cell_folder, log_line
from ..view import PreprocessingKey
from .progress import Progress

ImageRef = tuple[Path, str]  # a file, and the key of its image


class PredictionFailures(NamedTuple):
    """Failures of a study's predictions.

    Attributes:
        cells: cell key → reason of the failure; the logs of all other cells are complete.
        unread: image id → reason why the image could not be read.
    """

    cells: dict[str, str]
    unread: dict[int, str]


class Job(ABC):
    """One study in an executor.

    Args:
        plan: plan of the study.

    Attributes:
        failures: failed cells and unreadable images.
        fault: error that ended the whole study, such as a full disk; the study is not predicted any further.
        finished: images that need no more work; the executor counts them.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.failures = PredictionFailures({}, {})
        self.fault: UserError | None = None
        self.finished = 0
        self._keys = {cell.key: cell.view.key for cell in plan.cells}

    @property
    def name(self) -> str:
        """Name of the study for a user who watches it."""
        return ""

    @property
    @abstractmethod
    def samples(self) -> Sequence[Sample]:
        """All images in order; jobs with equal images are predicted together."""

    @abstractmethod
    def pending(self, sample: Sample) -> list[Cell]:
        """Return the cells whose models still need an image; none after a fault."""

    @abstractmethod
    def keep(self, cell: Cell, sample: Sample, line: bytes, files: Mapping[str, bytes]) -> None:
        """Keep what a cell's model predicted on an image: its line of the log, and files by path below the cell.

        Raises:
            UserError: it cannot be written.
        """

    @abstractmethod
    def fail(self, cell: Cell, sample: Sample, reason: str) -> None:
        """Record that a cell failed on an image; the cell is not predicted any further."""

    def report(self, progress: Progress) -> None:
        """Report the state of the study."""
        failed = len(self.failures.unread) + len(self.failures.cells)
        progress.images(self.name, self.finished, len(self.samples), failed)

    def predicted_by(self, processor: str) -> None:  # noqa: B027 - only a run's job keeps it
        """Note the name of a processor that predicts images of the study."""

    def ended(self, cell: Cell) -> bool:
        """Return True if a cell, or the whole study, has failed."""
        return self.fault is not None or cell.key in self.failures.cells

    def preprocessing(self, sample: Sample, cell: Cell) -> tuple[bool, PreprocessingKey]:
        """Return the identity of a cell's input for an image; cells with equal identities share the input."""
        return cell.view.path(sample) != sample.path, self._keys[cell.key]

    def predict(self, cell: Cell, inputs: Sequence[ModelInput[Any]]) -> None:
        """Run the cell's model on some images and keep what it predicts; record any failure."""
        try:
            predictions = self.plan.task.predict(self.plan.space, cell.model, inputs)
            lines = [
                log_line(each.sample.id, prediction.record)
                for each, prediction in zip(inputs, predictions, strict=True)
            ]
        except (Exception, SystemExit) as error:  # one cell's failure must not stop the others
            self.fail(cell, inputs[0].sample, f"{inputs[0].sample.key}: {in_one_line(error)}")
            return
        try:
            for each, prediction, line in zip(inputs, predictions, lines, strict=True):
                self.keep(cell, each.sample, line, prediction.files)
        except UserError as error:
            self.fault = error


class RunJob(Job):
    """Job whose predictions go into the folder of a run.

    Args:
        plan: plan of the study.
        run: folder of the run.

    Attributes:
        note_processor: receives the name of the processor that predicts an image.
    """

    def __init__(self, plan: Plan, run: Path) -> None:
        super().__init__(plan)
        self.run = run
        self.note_processor: Callable[[str], None] = lambda _name: None
        self._logs: dict[str, ImageLog] = {}
        self._failed_at: dict[str, int] = {}  # by cell: place of the image
        self._part: Sequence[Sample] | None = None

    @property
    def name(self) -> str:
        return self.run.name

    def predicted_by(self, processor: str) -> None:
        try:
            self.note_processor(processor)
        except UserError as error:
            self.fault = error

    def open(self) -> None:
        """Open the cells' logs.

        Raises:
            UserError: the logs cannot be written.
        """
        self._logs = {
            cell.key: ImageLog(cell_folder(self.run, cell.key) / LOG) for cell in self.plan.cells if not cell.sources
        }

    def close(self) -> None:
        for log in self._logs.values():
            log.close()

    def arrange(self) -> None:
        """Bring the logs into the order of the data set, whatever was predicted first.

        Raises:
            UserError: a log cannot be written.
        """
        for key, log in self._logs.items():
            if key not in self.failures.cells:
                log.arrange(self._places)

    def restrict(self, part: Sequence[Sample]) -> None:
        """Work on a part of the data set, from the start; earlier failures are forgotten, because they are repeated."""
        self._part, self.finished = part, 0
        self.failures, self._failed_at = PredictionFailures({}, {}), {}

    @property
    def samples(self) -> Sequence[Sample]:
        return self.plan.dataset.samples if self._part is None else self._part

    @property
    def complete(self) -> bool:
        """True if no image is left to predict."""
        return not any(self.pending(sample) for sample in self.samples)

    def pending(self, sample: Sample) -> list[Cell]:
        return [
            cell
            for cell in self.plan.cells
            if self.fault is None
            and not cell.sources
            and not (
                sample.id in self._logs[cell.key].image_ids
                and self.plan.task.kept(cell_folder(self.run, cell.key), sample)
            )
        ]

    def keep(self, cell: Cell, sample: Sample, line: bytes, files: Mapping[str, bytes]) -> None:
        self.write(cell, files)
        if sample.id not in self._logs[cell.key].image_ids:
            self._logs[cell.key].append(sample.id, line)

    def write(self, cell: Cell, files: Mapping[str, bytes]) -> None:
        """Write files by path below a cell; several threads may.

        Raises:
            UserError: they cannot be written.
        """
        for name, content in files.items():
            write_atomic(cell_folder(self.run, cell.key) / name, content)

    def fail(self, cell: Cell, sample: Sample, reason: str) -> None:
        """Record that a cell failed on an image; of several failures, that of the first image of the data set."""
        place = self._places[sample.id]
        if place <= self._failed_at.get(cell.key, place):
            self.failures.cells[cell.key], self._failed_at[cell.key] = reason, place

    def failed_before(self, cell: Cell, sample: Sample) -> bool:
        """Return True if a cell failed on an earlier image, so that its result on this one is not needed."""
        return self._failed_at.get(cell.key, len(self._places)) < self._places[sample.id]

    @cached_property
    def _places(self) -> dict[int, int]:
        """Image id → place in the data set."""
        return {sample.id: place for place, sample in enumerate(self.plan.dataset.samples)}


Executor = Callable[[Sequence[Job], str, Progress], None]  # as :func:`sgz_bench.benchmarks.executors.local.predict`


class PendingImage(NamedTuple):
    """An image in one study, with the cells that still need it."""

    job: Job
    sample: Sample
    cells: list[Cell]


def unfinished(jobs: Iterable[Job]) -> list[list[list[PendingImage]]]:
    """Return the images that are left, by groups of studies on the same images; count the others as finished.

    Returns:
        For each group its images, and for each image the studies that need it.
    """
    groups: dict[tuple[ImageRef, ...], list[Job]] = {}
    for job in jobs:
        if job.fault is None:
            groups.setdefault(tuple((sample.path, sample.key) for sample in job.samples), []).append(job)
    left: list[list[list[PendingImage]]] = []
    for group in groups.values():
        images = []
        for samples in zip(*(job.samples for job in group), strict=True):
            image = [PendingImage(job, sample, job.pending(sample)) for job, sample in zip(group, samples, strict=True)]
            for job, _, cells in image:
                job.finished += not cells
            if needed := [each for each in image if each.cells]:
                images.append(needed)
        left.append(images)
    return left
