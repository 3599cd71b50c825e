"""One call of the executor ray: shards go out to the workers, their predictions come back, losses are repeated."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, cast

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.files import file_sha256
from sgz_bench.core.text import pluralize

from .actors import PATIENCE, STARTS, WAIT, Loss, Refusals, answer_of, why_lost
from .job import ImageRef, Job, RunJob
from .messages import Host, Kept, Outcome, Shard, mismatch
from .progress import Progress
from .seats import Seats, StudySeat, Task
from .settings import Execution
from .shards import KILLS, LOSSES, Entry, Shards
from .worker import files_of

_IN_FLIGHT = 2  # shards per worker: one in work, one waiting
_WRITERS = 8  # threads that write label maps: a disk confirms one in milliseconds, but several at once


class Round:
    """One call of the executor.

    Args:
        seats: workers.
        jobs: jobs with images that are left.
        groups: those images, as of :func:`sgz_bench.benchmarks.executors.job.unfinished`.
        studies: Ray's reference of what the workers need of each job, in the same order.
        execution: settings.
        progress: receives the state of jobs and workers, and every loss.
    """

    def __init__(
        self,
        seats: Seats,
        jobs: Sequence[RunJob],
        groups: Sequence[Sequence[Entry]],
        studies: Any,
        execution: Execution,
        progress: Progress,
    ) -> None:
        self._seats, self._jobs, self._studies, self._progress = seats, jobs, studies, progress
        self._ray: Any = seats.cluster.ray
        self._ship = execution.ship
        self._numbers: dict[Job, int] = {job: number for number, job in enumerate(jobs)}
        self._cells = [{cell.key: cell for cell in job.plan.cells} for job in jobs]
        self._samples = [{sample.id: sample for sample in job.samples} for job in jobs]
        self._ids: list[dict[ImageRef, int]] = [
            {(sample.path, sample.key): sample.id for sample in job.samples} for job in jobs
        ]
        batch = max((cell.model.batch for job in jobs for cell in job.plan.cells), default=1)
        self._shards = Shards(groups, batch, execution.shard)
        self._writers = ThreadPoolExecutor(_WRITERS)
        self._failed_starts = 0
        self._patient = True
        self._refusals = Refusals(progress.say)
        self._deaths: list[str] = []

    def run(self) -> None:
        """Predict everything.

        Raises:
            UserError: no worker can run the studies, or Ray has ended.
        """
        with self._writers:
            self._run()

    def _run(self) -> None:
        for seat in self._seats:
            self._prepare(seat)
        while self._left() and not all(job.fault for job in self._jobs):
            for seat in self._seats:
                while seat.ready and len(seat.tasks) < _IN_FLIGHT and (task := self._next(seat)):
                    seat.tasks.append(task)
            waiting = {seat.tasks[0].reference: seat for seat in self._seats if seat.tasks}
            if not waiting:
                if not self._left():  # the rest was not needed any more
                    return
                reason = "; ".join([*self._refusals.reasons.values(), *self._deaths]) or "none has started"
                raise UserError(f"no worker can run the study: {reason}")
            done, _ = self._ray.wait(list(waiting), num_returns=1, timeout=WAIT)
            for reference in done:
                self._receive(waiting[reference], reference)
            self._mention_late()

    def _left(self) -> bool:
        return bool(self._shards) or any(seat.ready and seat.tasks for seat in self._seats)

    def _prepare(self, seat: StudySeat) -> None:
        """Let a worker build enhancers and models."""
        seat.ready, seat.since = False, time.monotonic()
        seat.tasks.clear()
        if seat.host is None:
            seat.tasks.append(Task(seat.actor.host.remote()))
        seat.tasks.append(Task(seat.actor.prepare.remote(self._studies)))
        self._progress.worker(seat.name, "starts")

    def _mention_late(self) -> None:
        """Tell a user that workers have not started for a long time: once, but again while none works."""
        late = [seat for seat in self._seats if seat.host is None and time.monotonic() - seat.since > PATIENCE]
        if late and (self._patient or len(late) == len(self._seats)):
            self._patient = False
            for seat in late:
                seat.since = time.monotonic()
            which = (
                "no worker has"
                if len(late) == len(self._seats)
                else f"{len(late)} of {len(self._seats)} workers have not"
            )
            self._progress.say(f"{which} started in {PATIENCE:.0f} s; the cluster may be busy: see `ray status`")

    def _next(self, seat: StudySeat) -> Task | None:
        """Send a worker its next shard; None if nothing is left. Images that no cell needs any more are finished."""
        images, seconds = sum(each.images for each in self._seats), sum(each.seconds for each in self._seats)
        while entries := self._shards.take(len(self._seats), images / seconds if seconds else None):
            wanted = [(entry, keys) for entry in entries if (keys := self._wanted(entry))]
            self._finished([entry for entry in entries if all(entry is not each for each, _ in wanted)])
            if wanted:
                shard = self._packed(wanted)
                sent = shard._replace(hashes={}, contents={})  # their bytes are not kept
                return Task(seat.actor.run.remote(shard), [entry for entry, _ in wanted], sent)
        return None

    def _wanted(self, entry: Entry) -> dict[int, tuple[str, ...]]:
        """Return number of a study → cells that still need an image; cells and studies that failed need none."""
        wanted = {}
        for job, sample, cells in entry:
            run = cast(RunJob, job)
            keys = tuple(cell.key for cell in cells if not (run.fault or run.failed_before(cell, sample)))
            if keys:
                wanted[self._numbers[job]] = keys
        return wanted

    def _packed(self, wanted: Sequence[tuple[Entry, dict[int, tuple[str, ...]]]]) -> Shard:
        """Return what a worker needs of some images."""
        images: dict[int, dict[int, tuple[str, ...]]] = {}
        for number in sorted({number for _, keys in wanted for number in keys}):
            ids = self._ids[number]
            images[number] = {
                ids[entry[0].sample.path, entry[0].sample.key]: keys.get(number, ()) for entry, keys in wanted
            }
        files = dict.fromkeys(
            path for entry, _ in wanted for _, sample, cells in entry for path in files_of(sample, cells)
        )
        hashes: dict[str, str] = {}
        contents: dict[str, bytes | None] = {}
        for path in files:
            if self._ship:
                contents[str(path)] = None
            with suppress(UserError, OSError):  # the worker names an image that cannot be read
                if self._ship:
                    contents[str(path)] = path.read_bytes()
                else:
                    hashes[str(path)] = file_sha256(path)
        return Shard(images, hashes, contents)

    def _receive(self, seat: StudySeat, reference: Any) -> None:
        """Take the first answer of a worker, or its loss."""
        try:
            answer = answer_of(self._ray, reference)
        except self._ray.exceptions.RayTaskError as error:  # raised by the worker, which lives
            self._raised(seat, in_one_line(getattr(error, "cause", None) or error))
            return
        except self._ray.exceptions.RayError as error:
            self._lost(seat, error)
            return
        if isinstance(answer, Host):
            seat.host = answer
            seat.tasks.popleft()
        elif isinstance(answer, Outcome):
            refusal = answer.refusal or mismatch(seat.tasks[0].shard, answer)
            if refusal:
                self._refuse(seat, refusal)
            else:
                self._keep(seat, seat.tasks.popleft().entries, answer)
        elif answer:
            self._refuse(seat, str(answer))
        else:
            seat.tasks.popleft()
            seat.ready = True
            self._progress.worker(seat.name, f"{seat.place}: ready")

    def _raised(self, seat: StudySeat, reason: str) -> None:
        """Repeat a shard with which a worker failed, image by image; send away a worker that cannot prepare."""
        if seat.tasks[0].entries:
            self._give_up(self._shards.killed(seat.tasks.popleft().entries), reason)
        else:
            self._refuse(seat, reason)

    def _keep(self, seat: StudySeat, entries: Sequence[Entry], outcome: Outcome) -> None:
        """Write a shard's predictions."""
        for study, key, image, reason in outcome.failed:
            self._jobs[study].fail(self._cells[study][key], self._samples[study][image], reason)
        for study, image, reason in outcome.unread:
            self._jobs[study].failures.unread[image] = reason
        if seat.host is not None:
            for pending in (pending for entry in entries for pending in entry):
                pending.job.predicted_by(seat.host.processor)
        list(self._writers.map(self._write, (each for each in outcome.kept if each.files)))
        for each in outcome.kept:
            job = self._jobs[each.study]
            if job.fault is None:
                cell, sample = self._cells[each.study][each.cell], self._samples[each.study][each.image]
                try:
                    job.keep(cell, sample, each.line, {})
                except UserError as error:
                    job.fault = error
        seat.images += len(entries)
        seat.seconds += outcome.seconds
        rate = f", {seat.images / seat.seconds:.1f} images/s" if seat.seconds else ""
        self._progress.worker(seat.name, f"{seat.place}: {pluralize(seat.images, 'image')}{rate}")
        self._finished(entries)

    def _write(self, each: Kept) -> None:
        """Write the files of a prediction, before its line in the log; several threads wait for the disk."""
        job = self._jobs[each.study]
        if job.fault is None:
            try:
                job.write(self._cells[each.study][each.cell], each.files)
            except UserError as error:
                job.fault = error

    def _finished(self, entries: Sequence[Entry]) -> None:
        jobs = [job for entry in entries for job, _, _ in entry]
        for job in jobs:
            job.finished += 1
        for job in dict.fromkeys(jobs):
            job.report(self._progress)

    def _lost(self, seat: StudySeat, error: BaseException) -> None:
        """Repeat what a dead worker had, and replace it; not for ever if it died while it started."""
        loss = Loss.of(self._ray, seat, error)
        shards = [task.entries for task in seat.tasks if task.entries]
        count = sum(map(len, shards))
        doing = " while it started" if loss.node_lives and not seat.ready else ""
        repeated = f"; {pluralize(count, 'image')} will be repeated" if count else ""
        self._progress.say(f"{loss.what}{doing} ({why_lost(error)}){repeated}")
        self._progress.worker(seat.name, None)
        self._seats.remove(seat)
        self._shards.put_back(shards[1:])
        if shards and loss.node_lives:
            self._give_up(self._shards.killed(shards[0]), f"its worker died {KILLS} times ({why_lost(error)})")
        elif shards:
            self._give_up(self._shards.lost(shards[0]), f"its node was lost {LOSSES} times")
        if not seat.ready:
            self._failed_starts += 1
            self._deaths = [f"workers die while they start on {loss.place} ({why_lost(error)})"]
        if seat.ready or self._failed_starts < STARTS:
            self._prepare(self._seats.hire())

    def _give_up(self, entries: Sequence[Entry], reason: str) -> None:
        """Leave images out of all studies."""
        for entry in entries:
            for job, sample, _ in entry:
                job.failures.unread[sample.id] = f"{sample.key}: {reason}"
            self._progress.say(f"left out: {entry[0].sample.key}: {reason}")
        self._finished(entries)

    def _refuse(self, seat: StudySeat, reason: str) -> None:
        """Send a worker away whose node cannot run the study."""
        self._shards.put_back([task.entries for task in seat.tasks if task.entries])
        self._refusals.add(seat, reason)
        self._progress.worker(seat.name, None)
        seat.tasks.clear()
        self._seats.remove(seat)
