"""Predicting for one study or several: each image is decoded once, enhanced once an enhancer, and then seen by every
model of every study that has not seen it yet.

Threads decode a few images ahead. On a GPU another one enhances a picture ahead, so that what the processor does for a
model overlaps with it. On a CPU enhancers and models take turns in the caller's thread, as each has all of PyTorch's
threads: on two cores, with two threads, enhancing a picture ahead took 1.6 times as long. For models that take several
images at a time, those of one size wait for each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.images import read_image
from sgz_bench.tasks.task import Sample, Shown
from sgz_bench.tasks.types import Image

from ..plan import Cell, Plan
from ..score import Outcome
from ..store import LOG, ImageLog, cell_folder

Progress = Callable[[int, int], None]  # images done, images in all
Pass = tuple[bool, tuple[str, int] | None, str]  # well-lit twin, darkening, fingerprint of the enhancer
Place = tuple[Path, str]  # a file, and the key of the image that it is for
Read = tuple[dict[Path, Image], Any]  # the files that a study's cells see, and the truth
_DECODED_AHEAD = 4  # images; bounds the memory, as does
_WAITING = 4  # batches' worth of images that wait for others of their size, at most
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
    def images(self) -> tuple[Place, ...]:
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
        return (cell.path(sample) != sample.path, *self._passes[cell.key])

    def ended(self, cell: Cell) -> bool:
        return self.fault is not None or cell.key in self.outcome.failures

    def fail(self, key: str, cell: Cell, error: BaseException) -> None:
        """Note what went wrong with a cell at an image."""
        self.outcome.failures[cell.key] = f"{key}: {in_one_line(error)}"

    def predict(self, cell: Cell, shown: Sequence[Shown]) -> None:
        """Append what the cell's model says of some images; whatever goes wrong is noted."""
        try:
            records = self.plan.task.predict(self.plan, cell, shown)
        except (Exception, SystemExit) as error:  # one cell's failure must not stop the others
            self.fail(shown[0].sample.key, cell, error)
            return
        try:
            for each, record in zip(shown, records, strict=True):
                if each.sample.id not in self._logs[cell.key].image_ids:
                    self._logs[cell.key].append({"image_id": each.sample.id} | record)
        except UserError as error:
            self.fault = error


class Todo(NamedTuple):
    """An image in one study, with the cells that have not seen it."""

    job: Job
    sample: Sample
    cells: list[Cell]


Decoded = tuple[Sequence[Todo], list[Read | UserError]]


class Viewer(NamedTuple):
    """A cell, with the images that it is to see and their truth."""

    job: Job
    cell: Cell
    samples: list[tuple[Sample, Any]]


class View(NamedTuple):
    """An image, or some of one size, that one enhancer is to make pictures of, and who is to see those."""

    images: dict[Place, Image]  # as decoded
    viewers: dict[tuple[int, str], Viewer]  # by study and cell
    done: int  # images that are finished once it has been shown


def predict(jobs: Sequence[Job], device: str, progress: Progress) -> None:
    """Fill the logs of all jobs; what cannot be read, or fails, is noted and tried again by a resume.

    Args:
        jobs: opened; those whose images are the same, in the same order, share them.
        device: torch device of the enhancers.
        progress: is told of the images done; those that several jobs share count once.
    """
    groups: dict[tuple[Place, ...], list[Job]] = {}
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
    batch = max((cell.model.batch for job in jobs for cell in job.plan.cells), default=1)
    see = partial(_see, device=device)
    with ThreadPoolExecutor(2) as decoders, ThreadPoolExecutor(1) as enhancing:
        decoded = _ahead(decoders, _decode, pending, _DECODED_AHEAD)
        views = _views(_batches(decoded, batch), total - len(pending))
        seen = _ahead(enhancing, see, views, 1) if _overlaps(device) else ((view, see(view)) for view in views)
        for view, pictures in seen:
            _show(view, pictures)
            if all(job.fault for job in jobs):
                return
            progress(view.done, total)
    progress(total, total)


def _overlaps(device: str) -> bool:
    """Whether enhancing a picture ahead leaves the processor to the model."""
    return device.startswith("cuda")


def _ahead(pool: Executor, work: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[tuple[T, R]]:
    """Items in order, each with its work, which is begun ``ahead`` items before it is asked for."""
    queue: deque[tuple[T, Future[R]]] = deque()
    for item in items:
        queue.append((item, pool.submit(work, item)))
        if len(queue) > ahead:
            yield _done(*queue.popleft())
    while queue:
        yield _done(*queue.popleft())


def _done(item: T, work: Future[R]) -> tuple[T, R]:
    return item, work.result()


def _decode(todos: Sequence[Todo]) -> list[Read | UserError]:
    """For every study the files that its cells see, and the truth; each is read once."""
    files: dict[Path, Image | UserError] = {}
    truths: dict[tuple[str, str], Any] = {}
    found: list[Read | UserError] = []
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


def _batches(decoded: Iterable[Decoded], size: int) -> Iterator[list[Decoded]]:
    """Images of one size together, so many at a time; an image waits no longer than the memory allows."""
    waiting: dict[tuple[int, ...], list[Decoded]] = {}
    for todos, contents in decoded:
        read = next((content for content in contents if not isinstance(content, UserError)), None)
        shape = next(iter(read[0].values())).shape if read else ()
        batch = waiting.setdefault(shape, [])
        batch.append((todos, contents))
        if len(batch) == size:
            yield waiting.pop(shape)
        elif sum(map(len, waiting.values())) >= _WAITING * size:
            yield waiting.pop(next(iter(waiting)))
    yield from waiting.values()


def _views(batches: Iterable[Sequence[Decoded]], done: int) -> Iterator[View]:
    """The pictures to be made of the images, one enhancer after the other, as they are needed."""
    for batch in batches:
        views: dict[Pass, View] = {}
        for todos, contents in batch:
            for (job, sample, cells), content in zip(todos, contents, strict=True):
                if isinstance(content, UserError):
                    job.outcome.unread[sample.id] = str(content)
                    continue
                for cell in cells:
                    view = views.setdefault(job.shows(sample, cell), View({}, {}, done))
                    path = cell.path(sample)
                    view.images[path, sample.key] = content[0][path]
                    viewer = view.viewers.setdefault((id(job), cell.key), Viewer(job, cell, []))
                    viewer.samples.append((sample, content[1]))
        done += len(batch)
        for left, view in zip(reversed(range(len(views))), views.values(), strict=True):
            yield view if left else view._replace(done=done)


def _see(view: View, device: str) -> dict[Place, Image]:
    """Make the pictures; where there is none, the view's viewers fail."""
    viewers = view.viewers.values()
    pictures: dict[Place, Image] = {}
    if all(viewer.job.ended(viewer.cell) for viewer in viewers):
        return pictures
    see = next(iter(viewers)).cell.see
    for (path, key), image in view.images.items():
        try:
            pictures[path, key] = see(image, key, device)
        except (Exception, SystemExit) as error:  # one enhancer's failure must not stop the others
            for job, cell, _ in viewers:
                job.fail(key, cell, error)
            break
    return pictures


def _show(view: View, pictures: dict[Place, Image]) -> None:
    """Let every viewer predict that has not failed."""
    for job, cell, samples in view.viewers.values():
        if not job.ended(cell):
            folder = cell_folder(job.run, cell.key)
            seen = [pictures[cell.path(sample), sample.key] for sample, _ in samples]
            shown = zip(samples, seen, strict=True)
            job.predict(cell, [Shown(sample, picture, truth, folder) for (sample, truth), picture in shown])


def _darkening(cell: Cell) -> tuple[str, int] | None:
    return (cell.darken.spec, cell.darken.version) if cell.darken else None
