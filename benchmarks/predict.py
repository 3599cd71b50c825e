"""Predicting for one study or several: each image is decoded once, enhanced once an enhancer, and then seen by every
model of every study that has not seen it yet.

Threads decode a few images ahead. Enhancers and models take turns in the caller's thread, as each has all of PyTorch's
threads: on two cores, with two threads, enhancing a picture ahead in a thread of its own took 1.6 times as long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sgz_bench.enhancer.errors import UserError, in_one_line
from sgz_bench.enhancer.images import read_image
from sgz_bench.tasks.types import Image

from .plan import Cell, Plan
from .score import Outcome
from .store import LOG, ImageLog, cell_folder
from .task import Sample, Shown

Progress = Callable[[int, int], None]  # images done, images in all
Pass = tuple[Path, tuple[str, int] | None, str]  # file, darkening, fingerprint of the enhancer: one picture
_DECODED_AHEAD = 4  # images; bounds the memory
T = TypeVar("T")
R = TypeVar("R")


class Job:
    """One study on its way.

    Args:
        plan: what to do.
        run: the folder of the run.

    Attributes:
        outcome: failures of its cells, and images that could not be read.
        fault: what ended the whole study, such as a full disk; it is not predicted any further.
    """

    def __init__(self, plan: Plan, run: Path) -> None:
        self.plan, self.run = plan, run
        self.outcome = Outcome({}, {})
        self.fault: UserError | None = None
        self._logs: dict[str, ImageLog] = {}
        self._passes = {cell.key: (_darkening(cell), cell.enhancer.fingerprint) for cell in plan.cells}

    def open(self) -> None:
        """Open the cells' logs.

        Raises:
            UserError: they cannot be written.
        """
        self._logs = {cell.key: ImageLog(cell_folder(self.run, cell.key) / LOG) for cell in self.plan.cells}

    def close(self) -> None:
        for log in self._logs.values():
            log.close()

    @property
    def images(self) -> tuple[tuple[Path, str], ...]:
        """File and key of every image, in order: studies that have the same ones are predicted together."""
        return tuple((sample.path, sample.key) for sample in self.plan.dataset.samples)

    def pending(self, sample: Sample) -> list[Cell]:
        """The cells that have not seen an image; none after a fault."""
        return [
            cell
            for cell in self.plan.cells
            if self.fault is None
            and not (
                sample.id in self._logs[cell.key].image_ids
                and self.plan.task.kept(cell_folder(self.run, cell.key), sample)
            )
        ]

    def shows(self, sample: Sample, cell: Cell) -> Pass:
        """What makes the picture that a cell shows of an image; the same for all cells that show the same one."""
        return (cell.path(sample), *self._passes[cell.key])

    def ended(self, cell: Cell) -> bool:
        return self.fault is not None or cell.key in self.outcome.failures

    def fail(self, sample: Sample, cell: Cell, error: BaseException) -> None:
        self.outcome.failures[cell.key] = f"{sample.key}: {in_one_line(error)}"

    def predict(self, sample: Sample, cell: Cell, image: Image, truth: Any) -> None:
        """Append what the cell's model says of an image; whatever goes wrong is noted."""
        try:
            record = self.plan.task.predict(
                self.plan, cell, Shown(sample, image, truth, cell_folder(self.run, cell.key))
            )
        except (Exception, SystemExit) as error:  # one cell's failure must not stop the others
            self.fail(sample, cell, error)
            return
        try:
            if sample.id not in self._logs[cell.key].image_ids:
                self._logs[cell.key].append({"image_id": sample.id} | record)
        except UserError as error:
            self.fault = error


class Todo(NamedTuple):
    """An image in one study, with the cells that have not seen it."""

    job: Job
    sample: Sample
    cells: list[Cell]


class Viewer(NamedTuple):
    """A cell that is to see a picture."""

    job: Job
    sample: Sample
    cell: Cell
    truth: Any


class View(NamedTuple):
    """One picture and who is to see it; ``done`` images are finished when they have."""

    image: Image  # as decoded
    viewers: list[Viewer]
    done: int


def predict(jobs: Sequence[Job], device: str, progress: Progress) -> None:
    """Fill the logs of all jobs; what cannot be read, or fails, is noted and tried again by a resume.

    Args:
        jobs: opened; those whose images are the same, in the same order, share them.
        device: torch device of the enhancers.
        progress: is told of the images done; those that several jobs share count once.
    """
    groups: dict[tuple[tuple[Path, str], ...], list[Job]] = {}
    for job in jobs:
        if job.fault is None:
            groups.setdefault(job.images, []).append(job)
    everything = [
        [Todo(job, sample, job.pending(sample)) for job, sample in zip(group, samples, strict=True)]
        for group in groups.values()
        for samples in zip(*(job.plan.dataset.samples for job in group), strict=True)
    ]
    pending = [left for todos in everything if (left := [todo for todo in todos if todo.cells])]
    total = len(everything)
    progress(total - len(pending), total)
    with ThreadPoolExecutor(2) as decoders:
        for view in _views(_ahead(decoders, _decode, pending, _DECODED_AHEAD), total - len(pending)):
            _show(view, device)
            if all(job.fault for job in jobs):
                return
            progress(view.done, total)
    progress(total, total)


def _ahead(pool: Executor, work: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[tuple[T, Future[R]]]:
    """Items in order, each with its work, which is begun ``ahead`` items before it is asked for."""
    queue: deque[tuple[T, Future[R]]] = deque()
    for item in items:
        queue.append((item, pool.submit(work, item)))
        if len(queue) > ahead:
            yield queue.popleft()
    yield from queue


def _decode(todos: Sequence[Todo]) -> list[tuple[dict[Path, Image], Any] | UserError]:
    """For every study the files that its cells see, and the truth; each is read once."""
    files: dict[Path, Image | UserError] = {}
    truths: dict[tuple[str, str], Any] = {}
    found: list[tuple[dict[Path, Image], Any] | UserError] = []
    for plan, sample, cells in ((todo.job.plan, todo.sample, todo.cells) for todo in todos):
        data = (plan.task.name, plan.dataset_fingerprint)
        try:
            paths = sorted({cell.path(sample) for cell in cells})
            images = {path: _once(files, path, partial(read_image, path)) for path in paths}
            found.append((images, _once(truths, data, partial(plan.task.open, plan, sample))))
        except UserError as error:
            found.append(error)
    return found


def _once(known: dict[T, R | UserError], key: T, read: Callable[[], R]) -> R:
    """What was read before, or is read now; an error is raised again."""
    if key not in known:
        try:
            known[key] = read()
        except UserError as error:
            known[key] = error
    value = known[key]
    if isinstance(value, UserError):
        raise value
    return value


def _views(decoded: Iterable[tuple[Sequence[Todo], Future[Any]]], done: int) -> Iterator[View]:
    """The pictures to be made of the images, one enhancer after the other, as they are needed."""
    for todos, opened in decoded:
        pictures: dict[Pass, tuple[Image, list[Viewer]]] = {}
        for (job, sample, cells), content in zip(todos, opened.result(), strict=True):
            if isinstance(content, UserError):
                job.outcome.unread[sample.id] = str(content)
                continue
            images, truth = content
            for cell in cells:
                image = images[cell.path(sample)]
                viewers = pictures.setdefault(job.shows(sample, cell), (image, []))[1]
                viewers.append(Viewer(job, sample, cell, truth))
        for place, (image, viewers) in enumerate(pictures.values(), start=1):
            yield View(image, viewers, done + (place == len(pictures)))
        done += 1


def _show(view: View, device: str) -> None:
    """Make the picture and let every viewer predict; where there is none, its viewers fail."""
    viewers = [viewer for viewer in view.viewers if not viewer.job.ended(viewer.cell)]
    if not viewers:
        return
    try:
        picture = viewers[0].cell.see(view.image, viewers[0].sample.key, device)
    except (Exception, SystemExit) as error:  # one enhancer's failure must not stop the others
        for job, sample, cell, _ in viewers:
            job.fail(sample, cell, error)
        return
    for job, sample, cell, truth in viewers:
        if not job.ended(cell):
            job.predict(sample, cell, picture, truth)


def _darkening(cell: Cell) -> tuple[str, int] | None:
    return (cell.darken.spec, cell.darken.version) if cell.darken else None
