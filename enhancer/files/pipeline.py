"""Enhancing many image files: decoding, enhancing and encoding overlap, and memory stays bounded."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
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
from ..folder import Folder
from ..runtime.choice import engine_of
from .inputs import Job, Plan
from .side_by_side import side_by_side

Pixels = NDArray[np.uint8]  # (H, W, 3) RGB
RECORD = ".sgz-bench-enhance.json"  # in the output folder: which enhancer its images are from


def workers() -> int:
    """Images on their way at once, a thread for each: two or more, so that files are read while others are computed."""
    return min(max(2, usual_threads()), 16)


@dataclass(frozen=True)
class Outcome:
    """What became of one image; ``reason`` says why it was skipped or failed, in one line."""

    job: Job
    status: Literal["done", "skipped", "failed"]
    reason: str = ""


def enhance_files(
    plan: Plan,
    enhancer: Enhancer,
    *,
    quality: int = 95,
    compress: int = 1,
    force: bool = False,
    device: str = "cpu",
) -> Iterator[Outcome]:
    """Enhance every image of a plan and write it, 8 bits as a model would see it; yields each outcome once it is known.

    An image that cannot be read, enhanced or written is an outcome too, and the rest goes on. Outputs appear whole
    or not at all, so an interrupted run is taken up by repeating it. :func:`workers` images are in memory at most.

    Args:
        plan: from :func:`plan_files`.
        enhancer: moved to ``device``.
        quality: of JPEG outputs, in [1, 100].
        compress: of PNG outputs, in [0, 9].
        force: write outputs that exist already.
        device: ``cpu`` or ``cuda:N``.

    Raises:
        UserError: the output folder cannot be written, or holds the images of another enhancer, or there is nothing to
            enhance by; nothing is written.
    """
    if isinstance(enhancer, Folder):
        raise UserError("folder holds images that are enhanced already; use it in detect, segment and run")
    _claim(plan, enhancer, quality, force=force)
    writing = {"quality": quality, "compress": compress}
    return _outcomes(plan.jobs, enhancer.to(device), writing, force=force, device=device)


def _outcomes(
    planned: Sequence[Job], enhancer: Enhancer, writing: dict[str, int], *, force: bool, device: str
) -> Iterator[Outcome]:
    jobs = []
    for job in planned:
        if not force and all(output.exists() for output in job.outputs):
            yield Outcome(job, "skipped", "output exists")
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
            yield _failed(job, error) if error else Outcome(job, "done")


class _Worker:
    """Takes one image all the way; images in several threads are at different steps of it.

    An engine that computes in the caller's thread alone does so in all of them at once. Any other enhancer has all of
    PyTorch's threads for itself, one image after the other.
    """

    def __init__(self, enhancer: Enhancer, device: str, writing: dict[str, int]) -> None:
        self._enhancer, self._device, self._writing = enhancer, device, writing
        self._caption = _caption(enhancer)
        self._alone = enhancer.engine.in_one_thread() if enhancer.engine else None
        self._turn = Lock()

    def __call__(self, job: Job) -> None:
        original = read_image(job.source)
        if self._alone is not None:
            enhanced = self._alone(original)
        else:
            with self._turn:
                enhanced = self._enhancer.enhance_image(original, str(job.source), self._device)
        if job.sheet is not None:
            panels = [("original", original), (self._caption, enhanced)]
            write_image(job.sheet, side_by_side(panels), **self._writing)
        del original  # of a large image, what writing takes is half as much again
        write_image(job.target, enhanced, **self._writing)


def _failed(job: Job, error: BaseException) -> Outcome:
    """One line that names the image, and the class of an error whose message was not made for a user."""
    reason = in_one_line(error)
    return Outcome(job, "failed", reason if str(job.source) in reason else f"{job.source}: {reason}")


def _caption(enhancer: Enhancer) -> str:
    """The spec with the file name in the place of a weight file's path."""
    short = {key: Path(str(value)).name if key in PATH_KEYS else value for key, value in enhancer.params.items()}
    return str(Spec.of(enhancer.name, short))


def _claim(plan: Plan, enhancer: Enhancer, quality: int, *, force: bool) -> None:
    """Make the output folder, see that it can be written, and note in it what its images are made with.

    Existing outputs are kept, so another enhancer into the same folder would leave a mixture that looks like one. Where
    that is forced, the other one's images go first, lest an interruption or a failure leave some of them.
    """
    suffix = plan.jobs[0].target.suffix
    made_with = {
        "enhancer": enhancer.spec,
        "fingerprint": enhancer.fingerprint,
        "suffix": suffix,
        "quality": None if suffix == ".png" else quality,
        "engine": engine_of(enhancer),
    }
    path = plan.out / RECORD
    partial = path.with_name(f"{RECORD}.{os.getpid()}.partial")
    try:
        before = _read_record(path)
        before = before and {"engine": made_with["engine"] and "eager fp32"} | before  # which earlier versions had
        keys = ("fingerprint", "suffix", "quality", "engine")
        other = bool(before) and any(before.get(key) != made_with[key] for key in keys)
        if other and not force:
            raise UserError(
                f"{plan.out} holds {_told(before)}; choose another output folder for {_told(made_with)}, or overwrite"
                " them (--force)"
            )
        for output in (output for job in plan.jobs if other for output in job.outputs):
            output.unlink(missing_ok=True)
        plan.out.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(made_with, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{plan.out} cannot be written: {error.strerror or error}; choose another folder") from error


def _told(record: Mapping[str, object]) -> str:
    """What a folder's images are made with, as an error says it."""
    quality = f" at quality {record['quality']}" if record.get("quality") else ""
    engine = f" by {record['engine']}" if record.get("engine") else ""
    return f"{record.get('suffix')} images{quality} made with {record.get('enhancer')}{engine}"


def _read_record(path: Path) -> dict[str, object]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
