"""Pipeline over image files: decoding, enhancing and encoding overlap, and memory stays bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.device import usual_threads
from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.images import read_image, write_image
from sgz_bench.core.specs import PATH_KEYS, Spec

from ..base import Enhancer
from ..composites import Composite, innermost, refuse_predictions
from ..folder import Folder
from ..runtime.choice import engine_of
from .inputs import ImageJob, OutputPlan
from .record import FolderRecord
from .side_by_side import side_by_side

Pixels = NDArray[np.uint8]  # (H, W, 3) RGB


def workers() -> int:
    """Return the number of images in progress, one thread each: at least 2, so that reading and computing overlap."""
    return min(max(2, usual_threads()), 16)


@dataclass(frozen=True)
class ImageOutcome:
    """Outcome of one image; ``reason`` is one line for a skipped or failed one, else empty."""

    job: ImageJob
    status: Literal["done", "skipped", "failed"]
    reason: str = ""


def enhance_files(
    plan: OutputPlan,
    enhancer: Enhancer,
    *,
    quality: int = 95,
    compress: int = 1,
    force: bool = False,
    device: str = "cpu",
) -> Iterator[ImageOutcome]:
    """Enhance every image of a plan and write it, 8 bits as a model would see it; yield outcomes, skipped ones first.

    An image that cannot be read, enhanced or written has the outcome ``failed``, and the others continue. Outputs
    are written whole or not at all, so repeating an interrupted command resumes it. At most :func:`workers` images are
    in memory.

    Args:
        plan: from :func:`.inputs.plan_files`.
        enhancer: moved to ``device``.
        quality: of JPEG outputs, in [1, 100].
        compress: compression level of PNG outputs, in [0, 9].
        force: overwrite existing outputs.
        device: ``cpu`` or ``cuda:N``.

    Raises:
        UserError: the output folder cannot be written, or holds images of another enhancer or files of the outputs'
            names that this function did not write, or the enhancer is ``folder``, whose images are enhanced already.
            Nothing is written then.
    """
    if isinstance(innermost(enhancer), Folder):
        raise UserError("folder:DIR holds images that are enhanced already; use it in detect, segment and run")
    refuse_predictions(enhancer)
    _claim(plan, enhancer, quality, force=force)
    writing = {"quality": quality, "compress": compress}
    return _outcomes(plan.jobs, enhancer.to(device), writing, force=force, device=device)


def _outcomes(
    planned: Sequence[ImageJob], enhancer: Enhancer, writing: dict[str, int], *, force: bool, device: str
) -> Iterator[ImageOutcome]:
    jobs = []
    for job in planned:
        if not force and all(output.exists() for output in job.outputs):
            yield ImageOutcome(job, "skipped", "output exists")
        else:
            jobs.append(job)

    work = _Worker(enhancer, device, writing)
    upcoming = iter(jobs)
    with ThreadPoolExecutor(workers()) as pool:
        running = deque((job, pool.submit(work, job)) for job in islice(upcoming, workers()))
        while running:
            job, done = running.popleft()
            error = done.exception()
            running.extend((job, pool.submit(work, job)) for job in islice(upcoming, 1))
            yield _failed(job, error) if error else ImageOutcome(job, "done")


class _Worker:
    """Read, enhance and write one image; several threads run it at once.

    An engine that computes in the caller's thread alone enhances several images at once. Any other enhancer uses all of
    PyTorch's threads, one image after the other.
    """

    def __init__(self, enhancer: Enhancer, device: str, writing: dict[str, int]) -> None:
        self._enhancer, self._device, self._writing = enhancer, device, writing
        self._caption = _caption(enhancer)
        self._single_threaded = enhancer.in_one_thread()
        self._lock = Lock()

    def __call__(self, job: ImageJob) -> None:
        original = read_image(job.source)
        if self._single_threaded is not None:
            enhanced = self._single_threaded(original)
        else:
            with self._lock:
                enhanced = self._enhancer.enhance_image(original, str(job.source), self._device)
        if job.sheet is not None:
            panels = [("original", original), (self._caption, enhanced)]
            write_image(job.sheet, side_by_side(panels), **self._writing)
        del original  # frees memory: writing a large image needs half as much again
        write_image(job.target, enhanced, **self._writing)


def _failed(job: ImageJob, error: BaseException) -> ImageOutcome:
    """Describe a failure in one line that names the image."""
    reason = in_one_line(error)
    return ImageOutcome(job, "failed", reason if str(job.source) in reason else f"{job.source}: {reason}")


def _caption(enhancer: Enhancer) -> str:
    """Return the spec with file names in place of paths."""
    short = {key: Path(str(value)).name if key in PATH_KEYS else value for key, value in enhancer.params.items()}
    if isinstance(enhancer, Composite):
        short["enhancer"] = _caption(enhancer.inner)
    return str(Spec.of(enhancer.name, short))


def _claim(plan: OutputPlan, enhancer: Enhancer, quality: int, *, force: bool) -> None:
    """Create the output folder, check that it can be written, and record in it how its images are made."""
    suffix = plan.jobs[0].target.suffix
    method = {
        "enhancer": enhancer.spec,
        "fingerprint": enhancer.fingerprint,
        "suffix": suffix,
        "quality": None if suffix == ".png" else quality,
        "engine": engine_of(enhancer),
    }
    FolderRecord.read(plan.out).claim(method, [output for job in plan.jobs for output in job.outputs], force=force)
