"""Finetuning on Ray: one model per worker at a time; this process alone writes the index.

A training whose worker or node dies is repeated by another worker, from its checkpoint. A node that does not see the
folder of the models, or sees other data, weights or versions, is refused by name.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.files import write_atomic

from ..finetuning.preparation import Callbacks, ModelJob, ModelResult, Preparation
from ..finetuning.store import MARK
from .actors import PATIENCE, STARTS, WAIT, Loss, Refusals, Seat, answer_of, start, why_lost
from .cluster import Cluster, joined
from .messages import Host
from .progress import Progress
from .settings import Execution
from .training_worker import Answer, State, TrainingStudy, TrainingWorker

_RETRIES = 3  # of a model

Result = tuple[ModelJob, ModelResult | UserError]


@dataclass(eq=False)
class TrainingSeat(Seat):
    """Worker of a finetuning.

    Attributes:
        task: Ray's reference of what it does; None if it waits.
        job: model that it trains; None if it waits.
        enhancer: enhancer of its last model, whose images it keeps.
        state: Ray's reference of its next state; None if it was not asked.
        notes: number of notes of the model that the user has seen.
        title: title of its bar.
        total: images of its bar in all.
        mark: mark of the model, to be removed.
        bar: its bar, to be closed.
        update: callback of its bar.
    """

    task: Any = None
    job: ModelJob | None = None
    enhancer: str = ""
    state: Any = None
    notes: int = 0
    title: str = ""
    total: int = 0
    mark: ExitStack = field(default_factory=ExitStack)
    bar: ExitStack = field(default_factory=ExitStack)
    update: Any = None


class RayTrainings:
    """Executor of a finetuning on Ray, for :func:`sgz_bench.benchmarks.finetuning.loop.finetune`.

    Args:
        execution: settings; ``shard`` and ``ship`` do not apply. On CPUs a worker has by default as many threads as the
            recipe.
        device: torch device, ``cpu`` or ``cuda:N``; workers on a GPU call theirs ``cuda:0``.
        progress: receives the state of workers, and every loss.
        worker: class of the workers.
    """

    def __init__(
        self, execution: Execution, device: str, progress: Progress, worker: type[TrainingWorker] = TrainingWorker
    ) -> None:
        self._execution, self._device, self._progress, self._worker = execution, device, progress, worker

    def __call__(
        self, preparation: Preparation, jobs: Sequence[ModelJob], out: Path, callbacks: Callbacks
    ) -> Generator[Result]:
        """Train models, several at once; yield each when it is finished, or with the error that it ended with.

        Raises:
            UserError: Ray cannot be joined or started, or no worker can train.
        """
        execution = self._execution
        if self._device == "cpu" and execution.threads is None:
            execution = execution.model_copy(update={"threads": preparation.study["recipe"]["threads"]})
        with _marked(out.absolute()) as mark, joined(execution, self._device) as cluster:
            study = cluster.ray.put(TrainingStudy.of(preparation, mark))
            trainings = _Trainings(self, cluster, study, jobs, out, callbacks)
            try:
                yield from trainings.run()
            finally:
                trainings.dismiss()


@contextmanager
def _marked(out: Path) -> Iterator[Path]:
    """Put a mark into a locked folder."""
    mark = out / f"{MARK}{uuid4().hex}"
    write_atomic(mark, "")
    try:
        yield mark
    finally:
        mark.unlink(missing_ok=True)


class _Trainings:
    """One call of the executor."""

    def __init__(
        self,
        executor: RayTrainings,
        cluster: Cluster,
        study: Any,
        jobs: Sequence[ModelJob],
        out: Path,
        callbacks: Callbacks,
    ) -> None:
        self._executor, self._cluster, self._study, self._callbacks = executor, cluster, study, callbacks
        self._out = out.absolute()
        self._ray: Any = cluster.ray
        self._progress = executor._progress
        self._waiting = deque(jobs)
        self._losses: Counter[tuple[str, int]] = Counter()  # by model: of its workers
        self._seats: list[TrainingSeat] = []
        self._hired = self._failed_starts = 0
        self._refusals = Refusals(self._progress.say)
        self._deaths: list[str] = []
        self._reported: set[str] = set()

    def run(self) -> Iterator[Result]:
        """Train everything.

        Raises:
            UserError: no worker can train.
        """
        for _ in range(min(self._cluster.workers, len(self._waiting))):
            self._hire()
        patience = time.monotonic() + PATIENCE
        while self._waiting or any(seat.job for seat in self._seats):
            for seat in self._seats:
                if seat.ready and seat.job is None and self._waiting:
                    self._give(seat)
            tasks = {seat.task: seat for seat in self._seats if seat.task is not None}
            if not tasks:
                reason = "; ".join([*self._refusals.reasons.values(), *self._deaths]) or "none has started"
                raise UserError(f"no worker can train: {reason}")
            done, _ = self._ray.wait(list(tasks), num_returns=1, timeout=WAIT)
            for task in done:
                yield from self._receive(tasks[task], task)
            for seat in self._seats:
                self._look(seat)
            if time.monotonic() > patience and not any(seat.host for seat in self._seats):
                patience = float("inf")
                self._progress.say(
                    f"no worker has started in {PATIENCE:.0f} s; the cluster may be busy: see `ray status`"
                )

    def dismiss(self) -> None:
        """Stop all workers."""
        for seat in list(self._seats):
            self._dismiss(seat)

    def _hire(self) -> None:
        """Start a worker."""
        self._hired += 1
        actor = start(self._cluster, self._executor._worker, self._executor._device, max_concurrency=2)
        seat = TrainingSeat(f"worker {self._hired}", actor, task=actor.host.remote())
        self._seats.append(seat)
        self._progress.worker(seat.name, "starts")

    def _dismiss(self, seat: TrainingSeat) -> None:
        """Stop a worker, and close its bar; one out of sight stops once it misses the mark."""
        seat.bar.close()
        seat.mark.close()
        self._seats.remove(seat)
        self._progress.worker(seat.name, None)
        with suppress(Exception):
            self._ray.kill(seat.actor)

    def _give(self, seat: TrainingSeat) -> None:
        """Give a worker the next model: one with images that it has, else one whose images no other worker makes."""
        others = {each.job.enhancer for each in self._seats if each.job}
        job = min(self._waiting, key=lambda job: (job.enhancer != seat.enhancer, job.enhancer in others))
        self._waiting.remove(job)
        seat.job, seat.enhancer, seat.notes = job, job.enhancer, 0
        mark = seat.mark.enter_context(_marked(self._out))
        seat.task = seat.actor.train.remote(replace(job, folder=job.folder.absolute()), mark)
        self._progress.worker(seat.name, f"{seat.place}: {job.name}")

    def _receive(self, seat: TrainingSeat, task: Any) -> Iterator[Result]:
        """Take an answer of a worker, or its loss."""
        try:
            answer = answer_of(self._ray, task)
        except self._ray.exceptions.RayTaskError as error:  # raised in the worker, whose device may be unusable now
            reason = in_one_line(getattr(error, "cause", None) or error)
            yield from self._lost(seat, f"{seat.name} on {seat.place} failed", reason)
            return
        except self._ray.exceptions.RayError as error:
            loss = Loss.of(self._ray, seat, error)
            reason = why_lost(error) if loss.node_lives else "it ended, or lost its connection"
            yield from self._lost(seat, loss.what, reason)
            return
        seat.task = None
        if isinstance(answer, Host):
            seat.host = answer
            seat.task = seat.actor.prepare.remote(self._study)
        elif isinstance(answer, Answer):
            yield self._finished(seat, answer)
        elif answer:
            self._refusals.add(seat, answer)
            self._dismiss(seat)
        else:
            seat.ready = True
            self._progress.worker(seat.name, f"{seat.place}: ready")

    def _finished(self, seat: TrainingSeat, answer: Answer) -> Result:
        job, seat.job = seat.job, None
        seat.mark.close()
        if job is None:
            raise RuntimeError(f"{seat.name} answered without a model to train")
        self._tell(seat, answer.notes)
        for problem in answer.problems:
            if str(problem) not in self._reported:  # each worker finds it
                self._reported.add(str(problem))
                self._callbacks.report(problem)
        if answer.result is not None and seat.title == job.title and seat.total:
            seat.update(seat.total, seat.total)
        self._close_bar(seat)
        self._progress.worker(seat.name, f"{seat.place}: ready")
        if answer.result is None:
            return job, UserError(answer.failure)
        trained = answer.result.trained
        return job, replace(answer.result, trained=replace(trained, path=job.folder / trained.path.name))

    def _lost(self, seat: TrainingSeat, what: str, reason: str) -> Iterator[Result]:
        """Let another worker go on with what a dead one trained; not for ever if workers die while they start."""
        job = seat.job
        self._dismiss(seat)
        if not seat.ready:
            self._failed_starts += 1
            self._deaths = [f"{what} while it started ({reason})"]
        if job is None:
            self._progress.say(f"{what} ({reason})")
        else:
            self._losses[job.key] += 1
            if self._losses[job.key] > _RETRIES:
                self._progress.say(f"{what} ({reason}); {job.name} is given up")
                yield job, UserError(f"its worker was lost {self._losses[job.key]} times ({reason})")
            else:
                self._progress.say(f"{what} ({reason}); {job.name} goes to another worker and resumes")
                self._waiting.appendleft(job)
        busy = sum(each.job is not None for each in self._seats)
        if len(self._seats) - busy < len(self._waiting) and self._failed_starts < STARTS:
            self._hire()

    def _look(self, seat: TrainingSeat) -> None:
        """Show the state of a worker, if it has answered, and ask for the next one."""
        if seat.job is None:
            return
        if seat.state is not None and self._ray.wait([seat.state], timeout=0)[0]:
            with suppress(self._ray.exceptions.RayError):  # a dead one is noticed by its task
                state: State = self._ray.get(seat.state)
                if state.model == seat.job.key:  # else it was asked before it got this model
                    self._show(seat, seat.job, state)
            seat.state = None
        if seat.state is None:
            seat.state = seat.actor.state.remote()

    def _show(self, seat: TrainingSeat, job: ModelJob, state: State) -> None:
        title = job.title if state.phase == job.title else f"{job.title}, images" if state.phase else ""
        self._tell(seat, state.notes)
        if title != seat.title:
            self._close_bar(seat)
            seat.title = title
            if title:
                seat.update = seat.bar.enter_context(self._callbacks.bar(title))
        if title and state.total:
            seat.total = state.total
            seat.update(state.done, state.total)

    def _close_bar(self, seat: TrainingSeat) -> None:
        seat.bar.close()
        seat.title, seat.total, seat.update = "", 0, None

    def _tell(self, seat: TrainingSeat, notes: Sequence[str]) -> None:
        """Show the notes of a model that the user has not seen."""
        for note in notes[seat.notes :]:
            self._callbacks.say(note)
        seat.notes = max(seat.notes, len(notes))
