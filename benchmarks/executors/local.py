"""Executor of one process: each image is decoded once, enhanced once per enhancer, and predicted once per model.

Threads decode a few images ahead. On a GPU another thread enhances one batch ahead, so that enhancing overlaps with
the model's work on the CPU. On a CPU enhancers and models take turns in the caller's thread, because each uses all
threads of PyTorch: on two cores, with two threads, enhancing one batch ahead took 1.6 times as long. For models that
take several images at a time, images of one size wait for each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sgz_bench.core.device import processor
from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.images import read_image
from sgz_bench.tasks.label_space import Sample
from sgz_bench.tasks.task import ModelInput
from sgz_bench.tasks.types import Image

from ..plan import Cell
from ..view import PreprocessingKey
from .job import ImageRef, Job, PendingImage, unfinished
from .progress import Progress

Decoded = tuple[dict[Path, Image], Any]  # the files that a study's cells need of an image, and its truth
_DECODED_AHEAD = 4  # images; this and the next number bound the memory
_WAITING = 4  # batches' worth of images that wait for others of their size
T = TypeVar("T")
R = TypeVar("R")


DecodedImage = tuple[Sequence[PendingImage], list[Decoded | UserError]]  # one image, in all studies that need it


class Consumer(NamedTuple):
    """Cell that predicts images of a batch, with their samples and truth."""

    job: Job
    cell: Cell
    samples: list[tuple[Sample, Any]]


class Batch(NamedTuple):
    """Images of one size for one enhancer, and the cells that consume the enhanced pictures."""

    images: dict[ImageRef, Image]  # as decoded
    consumers: dict[tuple[int, str], Consumer]  # by study and cell
    finished: Sequence[Job]  # studies for which an image is finished after this batch, once per image


def predict(jobs: Sequence[Job], device: str, progress: Progress) -> None:
    """Predict what is left of all jobs; record unreadable images and failures, which a resumed run tries again.

    Args:
        jobs: opened jobs; jobs with equal images in equal order share them.
        device: torch device of the enhancers.
        progress: receives the state of each job; images that several jobs share count in each of them.
    """
    pending = [image for group in unfinished(jobs) for image in group]
    for job in jobs:
        job.report(progress)
    for job in dict.fromkeys(each.job for image in pending for each in image):
        job.predicted_by(processor(device))
    size = max((cell.model.batch for job in jobs for cell in job.plan.cells), default=1)
    enhance = partial(_enhance, device=device)
    with ThreadPoolExecutor(2) as decoders, ThreadPoolExecutor(1) as enhancing:
        decoded = _ahead(decoders, _decode, pending, _DECODED_AHEAD)
        batches = _per_enhancer(_same_size(decoded, size))
        enhanced = (
            _ahead(enhancing, enhance, batches, 1) if _overlaps(device) else ((each, enhance(each)) for each in batches)
        )
        for batch, pictures in enhanced:
            _predict(batch, pictures)
            for job in batch.finished:
                job.finished += 1
            if all(job.fault for job in jobs):
                return
            for job in dict.fromkeys(batch.finished):
                job.report(progress)


def _overlaps(device: str) -> bool:
    """Return True if enhancing ahead leaves the processor to the model."""
    return device.startswith("cuda")


def _ahead(pool: Executor, work: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[tuple[T, R]]:
    """Yield items in order, each with the result of its work, which starts ``ahead`` items early."""
    queue: deque[tuple[T, Future[R]]] = deque()
    for item in items:
        queue.append((item, pool.submit(work, item)))
        if len(queue) > ahead:
            yield _result(*queue.popleft())
    while queue:
        yield _result(*queue.popleft())


def _result(item: T, work: Future[R]) -> tuple[T, R]:
    return item, work.result()


def _decode(pending: Sequence[PendingImage]) -> list[Decoded | UserError]:
    """Read the files and truth that the cells of every study need, each of them once."""
    files: dict[Path, Image | UserError] = {}
    truths: dict[tuple[str, str], Any] = {}
    contents: list[Decoded | UserError] = []
    for job, sample, cells in pending:
        plan = job.plan
        data = (plan.task.name, plan.dataset_fingerprint)
        try:
            paths = sorted({cell.view.path(sample) for cell in cells})
            images = {path: _once(files, path, partial(read_image, path)) for path in paths}
            contents.append((images, _once(truths, data, partial(plan.task.open, plan.space, sample))))
        except UserError as error:
            contents.append(error)
    return contents


def _once(known: dict[T, R | UserError], key: T, read: Callable[[], R]) -> R:
    """Return a known value, or read it; raise a known error again."""
    if key not in known:
        try:
            known[key] = read()
        except UserError as error:
            known[key] = error
    value = known[key]
    if isinstance(value, UserError):
        raise value
    return value


def _same_size(decoded: Iterable[DecodedImage], size: int) -> Iterator[list[DecodedImage]]:
    """Group images of one size, ``size`` at a time; the number of waiting images is bounded."""
    waiting: dict[tuple[int, ...], list[DecodedImage]] = {}
    for pending, contents in decoded:
        readable = next((content for content in contents if not isinstance(content, UserError)), None)
        shape = next(iter(readable[0].values())).shape if readable else ()
        group = waiting.setdefault(shape, [])
        group.append((pending, contents))
        if len(group) == size:
            yield waiting.pop(shape)
        elif sum(map(len, waiting.values())) >= _WAITING * size:
            yield waiting.pop(next(iter(waiting)))
    yield from waiting.values()


def _per_enhancer(groups: Iterable[Sequence[DecodedImage]]) -> Iterator[Batch]:
    """Yield one batch per enhancer that the images of a group still need."""
    for group in groups:
        batches: dict[tuple[bool, PreprocessingKey], Batch] = {}
        finished: list[Job] = []
        for pending, contents in group:
            for (job, sample, cells), content in zip(pending, contents, strict=True):
                finished.append(job)
                if isinstance(content, UserError):
                    job.failures.unread[sample.id] = str(content)
                    continue
                for cell in cells:
                    batch = batches.setdefault(job.preprocessing(sample, cell), Batch({}, {}, ()))
                    path = cell.view.path(sample)
                    batch.images[path, sample.key] = content[0][path]
                    consumer = batch.consumers.setdefault((id(job), cell.key), Consumer(job, cell, []))
                    consumer.samples.append((sample, content[1]))
        *others, last = batches.values() or [Batch({}, {}, ())]
        yield from (*others, last._replace(finished=finished))


def _enhance(batch: Batch, device: str) -> dict[ImageRef, Image]:
    """Enhance the images of a batch; if one fails, all its consumers fail."""
    consumers = batch.consumers.values()
    pictures: dict[ImageRef, Image] = {}
    if all(consumer.job.ended(consumer.cell) for consumer in consumers):
        return pictures
    view = next(iter(consumers)).cell.view
    for (path, key), image in batch.images.items():
        try:
            pictures[path, key] = view.apply(image, key, device)
        except (Exception, SystemExit) as error:  # one enhancer's failure must not stop the others
            for job, cell, samples in consumers:
                sample = next((sample for sample, _ in samples if sample.key == key), samples[0][0])
                job.fail(cell, sample, f"{key}: {in_one_line(error)}")
            break
    return pictures


def _predict(batch: Batch, pictures: dict[ImageRef, Image]) -> None:
    """Predict the enhanced images with every consumer that has not failed."""
    for job, cell, samples in batch.consumers.values():
        if not job.ended(cell):
            raw = cell.label == "raw"
            job.predict(
                cell,
                [
                    ModelInput(sample, pictures[cell.view.path(sample), sample.key], truth, raw)
                    for sample, truth in samples
                ],
            )
