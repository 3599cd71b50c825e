"""Executor on Ray: workers on one machine or many predict shards of images; this process alone writes the runs.

A shard is a few images in all studies that share them. Each worker has one shard in work and one waiting, so that it
does not idle while results travel; nothing else is in flight, which bounds the memory. Shards take some seconds, and
become smaller towards the end, so that the workers finish together.

A worker that dies costs its shard, which others repeat, image by image: an image that was at work in two such deaths
is left out and named. A node that dies costs nothing but time, up to a limit. A node that sees other data, weights or
versions is refused by name.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, cast

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.files import file_sha256
from sgz_bench.core.text import pluralize

from .actors import start, why_lost
from .cluster import joined
from .job import ImageRef, Job, PendingImage, RunJob, unfinished
from .messages import Host, Outcome, Shard
from .progress import Progress
from .settings import Execution
from .worker import Study, Worker, files_of

Entry = list[PendingImage]  # one image, in all studies that need it
_SHARD = 16  # images, at most
_SECONDS = 5.0  # that a shard should take, so that a user sees progress and a death costs little
_ROUNDS = 4  # a shard is at most this part of what every worker still has to do
_IN_FLIGHT = 2  # shards per worker: one in work, one waiting
_KILLS = 2  # deaths of a worker until the image that was at work is left out
_LOSSES = 5  # losses with a node until an image is given up
_STARTS = 3  # workers that may die while they start
_WAIT = 1.0  # seconds between looks at the cluster
_PATIENCE = 30.0  # seconds until a user hears that no worker has started


@dataclass(eq=False)
class Seat:
    """A worker, as the driver sees it.

    Attributes:
        name: name for a user.
        actor: Ray's handle.
        host: where it runs; None before it answered.
        ready: True once it has built enhancers and models.
        tasks: what it was given and has not answered, first one first: Ray's reference and the images.
        images, seconds: images that it predicted, and the time it took.
    """

    name: str
    actor: Any
    host: Host | None = None
    ready: bool = False
    tasks: deque[tuple[Any, list[Entry]]] = field(default_factory=deque)
    images: int = 0
    seconds: float = 0.0


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
        self._seats: list[Seat] = []
        self._made = 0

    def __enter__(self) -> Self:
        self._cluster = self._stack.enter_context(joined(self._execution, self._device))
        self._ray: Any = self._cluster.ray
        self.threads = self._cluster.threads
        self._stack.callback(self._dismiss)
        for _ in range(self._cluster.workers):  # they start while the studies are planned
            self._hire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stack.close()

    def predict(self, jobs: Sequence[Job], device: str, progress: Progress) -> None:
        """Predict what is left of all jobs, as :func:`sgz_bench.benchmarks.executors.local.predict` does.

        Args:
            jobs: opened jobs of runs.
            device: torch device; workers on a GPU call theirs ``cuda:0``.
            progress: receives the state of jobs and workers, and every loss.

        Raises:
            UserError: no worker can run the studies.
        """
        groups = unfinished(jobs)
        for job in jobs:
            job.report(progress)
        if any(groups):
            _Round(self, cast(Sequence[RunJob], jobs), groups, device, progress).run()

    def _hire(self) -> Seat:
        """Start a worker."""
        self._made += 1
        seat = Seat(f"worker {self._made}", start(self._cluster, self._worker, self._device))
        self._seats.append(seat)
        return seat

    def _dismiss(self) -> None:
        """Stop all workers."""
        for seat in self._seats:
            with suppress(Exception):
                self._ray.kill(seat.actor)
        self._seats.clear()


class _Round:
    """One call of the executor."""

    def __init__(
        self,
        executor: RayExecutor,
        jobs: Sequence[RunJob],
        groups: Sequence[list[Entry]],
        device: str,
        progress: Progress,
    ) -> None:
        self._executor, self._jobs, self._progress = executor, jobs, progress
        self._ray, self._seats = executor._ray, executor._seats
        self._numbers = {id(job): number for number, job in enumerate(jobs)}
        self._cells = [{cell.key: cell for cell in job.plan.cells} for job in jobs]
        self._samples = [{sample.id: sample for sample in job.samples} for job in jobs]
        self._new: deque[deque[Entry]] = deque(deque(group) for group in groups if group)
        self._again: deque[list[Entry]] = deque()  # shards that were lost
        self._kills: Counter[ImageRef] = Counter()  # by image: deaths of a worker
        self._losses: Counter[ImageRef] = Counter()  # by image: deaths of a node
        self._starts = 0
        self._refusals: list[str] = []
        self._studies = self._ray.put([Study.of(job.plan, device, ship=executor._execution.ship) for job in jobs])
        self._batch = max((cell.model.batch for job in jobs for cell in job.plan.cells), default=1)

    def run(self) -> None:
        """Predict everything.

        Raises:
            UserError: no worker can run the studies.
        """
        for seat in list(self._seats):
            self._prepare(seat)
        patience = time.monotonic() + _PATIENCE
        while self._left() and not all(job.fault for job in self._jobs):
            for seat in self._seats:
                while seat.ready and len(seat.tasks) < _IN_FLIGHT and (shard := self._next()):
                    seat.tasks.append((seat.actor.run.remote(self._packed(shard)), shard))
            waiting = {seat.tasks[0][0]: seat for seat in self._seats if seat.tasks}
            if not waiting:
                if not self._left():
                    return
                reason = "; ".join(dict.fromkeys(self._refusals)) or "all of them died"
                raise UserError(f"no worker can run the study: {reason}")
            done, _ = self._ray.wait(list(waiting), num_returns=1, timeout=_WAIT)
            for reference in done:
                self._receive(waiting[reference], reference)
            if time.monotonic() > patience and not any(seat.host for seat in self._seats):
                patience = float("inf")
                self._progress.say(
                    f"no worker has started in {_PATIENCE:.0f} s; the cluster may be busy: see `ray status`"
                )

    def _left(self) -> bool:
        return bool(self._again or self._new or any(seat.ready and seat.tasks for seat in self._seats))

    def _prepare(self, seat: Seat) -> None:
        """Let a worker build enhancers and models."""
        seat.ready, seat.tasks = False, deque()
        if seat.host is None:
            seat.tasks.append((seat.actor.host.remote(), []))
        seat.tasks.append((seat.actor.prepare.remote(self._studies), []))
        self._progress.worker(seat.name, "starts")

    def _next(self) -> list[Entry]:
        """Take the next shard: a lost one first, then images of one group; empty if nothing is left."""
        if self._again:
            return self._again.popleft()
        if not self._new:
            return []
        group = self._new[0]
        left = sum(map(len, self._new))
        images, seconds = sum(seat.images for seat in self._seats), sum(seat.seconds for seat in self._seats)
        soon = int(_SECONDS * images / seconds) if seconds else 1
        most = self._executor._execution.shard or max(_SHARD, _ROUNDS * self._batch)
        size = max(min(most, soon, left // (_ROUNDS * len(self._seats))), 1)
        size = -(-size // self._batch) * self._batch  # whole batches
        shard = [group.popleft() for _ in range(min(size, len(group)))]
        if not group:
            self._new.popleft()
        return shard

    def _packed(self, shard: Sequence[Entry]) -> Shard:
        """Return what a worker needs of a shard; cells that have failed meanwhile are left out."""
        images: dict[int, dict[int, tuple[str, ...]]] = {}
        for number in sorted({self._numbers[id(job)] for entry in shard for job, _, _ in entry}):
            images[number] = dict.fromkeys((entry[0].sample.id for entry in shard), ())
        for entry in shard:
            for job, sample, cells in entry:
                run = cast(RunJob, job)
                keys = tuple(cell.key for cell in cells if not run.failed_before(cell, sample))
                images[self._numbers[id(job)]][sample.id] = keys
        hashes: dict[str, str] = {}
        contents: dict[str, bytes] = {}
        for path in dict.fromkeys(
            path for entry in shard for _, sample, cells in entry for path in files_of(sample, cells)
        ):
            with suppress(UserError, OSError):  # the worker names an image that cannot be read
                if self._executor._execution.ship:
                    contents[str(path)] = path.read_bytes()
                else:
                    hashes[str(path)] = file_sha256(path)
        return Shard(images, hashes, contents)

    def _receive(self, seat: Seat, reference: Any) -> None:
        """Take the first answer of a worker, or its loss."""
        try:
            answer = self._ray.get(reference)
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.ObjectLostError) as error:
            self._lost(seat, error)
            return
        except self._ray.exceptions.RayError as error:  # raised by the worker, which lives
            self._blame(seat.tasks.popleft()[1], in_one_line(getattr(error, "cause", None) or error))
            return
        _, shard = seat.tasks.popleft()
        if isinstance(answer, Outcome):
            if answer.refusal:
                seat.tasks.appendleft((reference, shard))
                self._refuse(seat, answer.refusal)
            else:
                self._keep(seat, shard, answer)
        elif isinstance(answer, Host):
            seat.host = answer
        elif answer:
            self._refuse(seat, answer)
        else:
            seat.ready, self._starts = True, 0
            self._progress.worker(seat.name, f"{self._where(seat)}: ready")

    def _keep(self, seat: Seat, shard: Sequence[Entry], outcome: Outcome) -> None:
        """Write a shard's predictions.

        Raises:
            RuntimeError: the worker answered for images or cells that it was not asked for.
        """
        asked = {
            (self._numbers[id(job)], cell.key, sample.id)
            for entry in shard
            for job, sample, cells in entry
            for cell in cells
        }
        kept = [(each.study, each.cell, each.image) for each in outcome.kept]
        if len(set(kept)) != len(kept) or not asked.issuperset(kept):
            raise RuntimeError(f"{seat.name} answered for images that it was not given, or twice")
        for study, cell, image, reason in outcome.failed:
            self._jobs[study].fail(self._cells[study][cell], self._samples[study][image], reason)
        for study, image, reason in outcome.unread:
            self._jobs[study].failures.unread[image] = reason
        if seat.host is not None:
            for pending in (pending for entry in shard for pending in entry):
                pending.job.predicted_by(seat.host.processor)
        for each in outcome.kept:
            job = self._jobs[each.study]
            if job.fault is None:
                try:
                    job.keep(
                        self._cells[each.study][each.cell], self._samples[each.study][each.image], each.line, each.files
                    )
                except UserError as error:
                    job.fault = error
        seat.images += len(shard)
        seat.seconds += outcome.seconds
        rate = f", {seat.images / seat.seconds:.1f} images/s" if seat.seconds else ""
        self._progress.worker(seat.name, f"{self._where(seat)}: {pluralize(seat.images, 'image')}{rate}")
        self._finished(shard)

    def _finished(self, shard: Sequence[Entry]) -> None:
        jobs = [job for entry in shard for job, _, _ in entry]
        for job in jobs:
            job.finished += 1
        for job in {id(job): job for job in jobs}.values():
            job.report(self._progress)

    def _lost(self, seat: Seat, error: BaseException) -> None:
        """Repeat what a dead worker had, and replace it.

        Raises:
            UserError: workers die while they start.
        """
        shards = [shard for _, shard in seat.tasks if shard]
        node_lives = seat.host is None or seat.host.node in {
            node["NodeID"] for node in self._ray.nodes() if node["Alive"]
        }
        where = self._where(seat)
        self._progress.worker(seat.name, None)
        self._seats.remove(seat)
        with suppress(Exception):
            self._ray.kill(seat.actor)  # it may live on, out of reach
        if not seat.ready:
            self._starts += 1
            if self._starts >= _STARTS:
                raise UserError(
                    f"workers die while they start ({why_lost(error)}); install this version of sgz-bench on every node"
                )
        count = sum(map(len, shards))
        what = f"{seat.name} on {where} died" if node_lives else f"node {where} of {seat.name} was lost"
        repeated = f"; {pluralize(count, 'image')} will be repeated" if count else ""
        self._progress.say(f"{what} ({why_lost(error)}){repeated}")
        self._again.extendleft(reversed(shards[1:]))
        if shards and node_lives:
            self._blame(shards[0], f"its worker died {_KILLS} times ({why_lost(error)})")
        elif shards:
            self._again.appendleft(self._without_hopeless(shards[0]))
        self._prepare(self._executor._hire())

    def _blame(self, shard: Sequence[Entry], reason: str) -> None:
        """Repeat a shard that killed its worker, image by image; leave out an image that did it twice."""
        for entry in reversed(shard):
            image = entry[0].sample.path, entry[0].sample.key
            self._kills[image] += 1
            if self._kills[image] >= _KILLS and len(shard) == 1:
                self._give_up(entry, reason)
            else:
                self._again.appendleft([entry])

    def _without_hopeless(self, shard: Sequence[Entry]) -> list[Entry]:
        """Return the images of a shard that was lost with its node; give up those that were lost too often."""
        kept = []
        for entry in shard:
            image = entry[0].sample.path, entry[0].sample.key
            self._losses[image] += 1
            if self._losses[image] < _LOSSES:
                kept.append(entry)
            else:
                self._give_up(entry, f"its node was lost {_LOSSES} times")
        return kept

    def _give_up(self, entry: Entry, reason: str) -> None:
        """Leave an image out of all studies."""
        for job, sample, _ in entry:
            job.failures.unread[sample.id] = f"{sample.key}: {reason}"
        self._progress.say(f"left out: {entry[0].sample.key}: {reason}")
        self._finished([entry])

    def _refuse(self, seat: Seat, reason: str) -> None:
        """Send a worker away whose node cannot run the study."""
        self._again.extendleft(shard for _, shard in seat.tasks if shard)
        refusal = f"node {self._where(seat)} is refused: {reason}"
        if refusal not in self._refusals:
            self._refusals.append(refusal)
            self._progress.say(refusal)
        self._progress.worker(seat.name, None)
        self._seats.remove(seat)
        with suppress(Exception):
            self._ray.kill(seat.actor)

    @staticmethod
    def _where(seat: Seat) -> str:
        return seat.host.name if seat.host else "a node"
