"""Executor on Ray: workers on one machine or many predict shards of images; this process alone writes the runs.

A shard is a few images in all studies that share them. Each worker has one shard in work and one waiting, so that it
does not idle while results travel; nothing else is in flight, which bounds the memory. Shards take some seconds, and
become smaller towards the end, so that the workers finish together.

A worker that dies costs its shard, which others repeat, image by image: an image that was at work in two such deaths
is left out and named. A node that dies costs nothing but time, up to a limit. A node that sees other data, weights or
versions is refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, cast

from sgz_bench.core.errors import UserError

from .cluster import joined
from .job import Job, RunJob, unfinished
from .progress import Progress
from .round import Round
from .seats import Seats
from .settings import Execution
from .worker import Study, Worker


class RayExecutor:
    """Executor on Ray; a context manager that joins or starts Ray, and leaves or stops it.

    Args:
        execution: settings.
        device: torch device of the studies, ``cpu`` or ``cuda:N``.
        worker: class of the workers.

    Attributes:
        threads: CPU threads of each worker, known once it is entered.

    Raises:
        UserError: see :func:`sgz_bench.benchmarks.executors.cluster.joined`.
    """

    def __init__(self, execution: Execution, device: str, worker: type = Worker) -> None:
        self._execution, self._device, self._worker = execution, device, worker
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            cluster = stack.enter_context(joined(self._execution, self._device))
            self._ray: Any = cluster.ray
            self.threads = cluster.threads
            self._seats = Seats(cluster, self._worker, self._device)
            stack.callback(self._seats.close)
            self._seats.fill()  # they start while the studies are planned
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stack.close()

    def predict(self, jobs: Sequence[Job], device: str, progress: Progress) -> None:
        """Predict what is left of all jobs, as :func:`sgz_bench.benchmarks.executors.local.predict` does.

        Where no worker can run the studies, that is the fault of every job that is not finished.

        Args:
            jobs: opened jobs of runs.
            device: torch device; workers on a GPU call theirs ``cuda:0``.
            progress: receives the state of jobs and workers, and every loss.
        """
        groups = unfinished(jobs)
        for job in jobs:
            job.report(progress)
        left = dict.fromkeys(job for group in groups for entry in group for job, _, _ in entry)
        studies: list[Study] = []
        active: list[RunJob] = []
        for job in left:
            try:
                studies.append(Study.of(job.plan, device, ship=self._execution.ship))
                active.append(cast(RunJob, job))
            except UserError as error:
                job.fault = error
        if not active:
            return
        groups = [
            [each for entry in group if (each := [one for one in entry if not one.job.fault])] for group in groups
        ]
        self._seats.fill()  # some may have died, or been refused, in an earlier call
        try:
            Round(self._seats, active, groups, self._ray.put(studies), self._execution, progress).run()
        except UserError as error:
            for job in active:
                if job.finished < len(job.samples):
                    job.fault = job.fault or error
