"""Progress of a command on stderr: bars in a terminal, else a line every 30 s, or JSON with ``--log-json``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, RLock, Thread
from typing import Annotated, Protocol

import typer

from sgz_bench.benchmarks.executors.progress import Progress

from .logs import JsonLog, JsonStderr, TextLog, log_as_json
from .pace import Pace
from .views import Snapshot, View

INTERVAL = 30.0  # seconds between the lines of a log
_RESUME = "interrupted; finished work is kept, repeat the command to resume"


def _begin_json(asked: bool) -> bool:
    if asked:
        log_as_json()
    return asked


LogJson = Annotated[
    bool,
    typer.Option(
        "--log-json",
        callback=_begin_json,
        is_eager=True,
        help="Write progress and messages on stderr as JSON, one object per line.",
    ),
]


class Update(Protocol):
    """Callback of one bar."""

    def __call__(self, done: int, total: int, label: str = "", failed: int = 0) -> None:
        """Receive the images done, the images in all, a text such as losses, and the images that failed."""


class _Bar:
    """State of one bar; its pace begins with the first number of images."""

    def __init__(self, study: str, unit: str, now: float) -> None:
        self.study, self.unit = study, unit
        self.done, self.failed, self.label = 0, 0, ""
        self.total: int | None = None
        self.began = now
        self.finished: float | None = None
        self.pace: Pace | None = None

    def reach(self, done: int, total: int, failed: int, label: str, now: float) -> None:
        self.done, self.total, self.failed, self.label = done, total, failed, label
        if self.pace is None:
            self.pace = Pace(done, now)
        self.pace.reach(done, now)
        if done < total:
            self.finished = None
        elif self.finished is None:
            self.finished = now

    def snapshot(self, now: float, workers: int) -> Snapshot:
        end = now if self.finished is None else self.finished
        rate, mean = (self.pace.rate(end), self.pace.mean(end)) if self.pace else (0.0, 0.0)
        counts = (self.done, self.total, self.failed)
        return Snapshot(self.study, self.unit, *counts, rate, mean, end - self.began, workers, self.label)


class Watch(Progress):
    """Observer of executors that shows what it receives; its methods may be called from any thread.

    Args:
        clock: monotonic time in seconds.

    Attributes:
        view: shows it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.view = View()
        self._clock = clock
        self._bars: dict[str, _Bar] = {}
        self._workers: dict[str, str] = {}
        self._lock = RLock()  # of the state above; never held while the view is called

    def state(self) -> tuple[list[Snapshot], dict[str, str]]:
        """Return all bars, and the current work of each worker."""
        with self._lock:
            now = self._clock()
            workers = len(self._workers)
            return [bar.snapshot(now, workers) for bar in self._bars.values()], dict(self._workers)

    def images(self, study: str, done: int, total: int, failed: int = 0) -> None:
        self._reach(study, "images", done, total, failed, "")

    def _reach(self, study: str, unit: str, done: int, total: int, failed: int, label: str) -> None:
        with self._lock:
            now = self._clock()
            bar = self._bars.get(study) or self._bars.setdefault(study, _Bar(study, unit, now))
            first = bar.total is None
            bar.reach(done, total, failed, label, now)
            snapshot = bar.snapshot(now, len(self._workers)) if first else None
        if snapshot:
            self.view.begun(snapshot)

    def worker(self, name: str, doing: str | None) -> None:
        with self._lock:
            known = name in self._workers
            if doing is None:
                self._workers.pop(name, None)
            else:
                self._workers[name] = doing
        if known == (doing is None):  # it came or left; what it does in between is shown at intervals
            self.view.worker(name, doing)

    def say(self, line: str) -> None:
        self.view.say(line)

    def beat(self) -> None:
        """Let the view show the state; called at regular intervals."""
        self.view.beat(*self.state())

    @contextmanager
    def bar(self, study: str, unit: str = "images") -> Iterator[Update]:
        """Show a bar of its own, such as one of a finetuning's models; yield its callback."""
        with self._lock:
            self._bars[study] = _Bar(study, unit, self._clock())
        try:
            yield lambda done, total, label="", failed=0: self._reach(study, unit, done, total, failed, label)
        finally:
            self._end(study)

    def _end(self, study: str) -> None:
        with self._lock:
            snapshot = self._bars.pop(study).snapshot(self._clock(), len(self._workers))
        self.view.ended(snapshot)

    def close(self) -> None:
        """End all bars; whatever is received from now on is not shown."""
        for study in list(self._bars):
            self._end(study)
        self.view.close()


@contextmanager
def watched(
    *,
    log_json: bool = False,
    interrupted: str = _RESUME,
    interval: float = INTERVAL,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Watch]:
    """Show the progress of a command on stderr; yield the observer that receives it.

    A terminal shows bars, which vanish in the end. Elsewhere there is a line per unfinished study every ``interval``
    seconds, and none where the work ends before. With ``log_json``, or where stderr is JSON already, there is one
    JSON object per line, the first of each study at once. Ctrl-C prints ``interrupted`` and exits with code 130.
    """
    watch = Watch(clock)
    watch.view = _view(watch, log_json)
    ended = Event()

    def beat() -> None:
        while not ended.wait(interval):
            watch.beat()

    timer = Thread(target=beat, name="progress", daemon=True)
    timer.start()
    try:
        try:
            yield watch
        finally:
            ended.set()
            timer.join()
            watch.close()
    except KeyboardInterrupt:
        typer.echo(interrupted, err=True)
        raise typer.Exit(130) from None


def _view(watch: Watch, log_json: bool) -> View:
    """Create the view that fits stderr."""
    if isinstance(sys.stderr, JsonStderr):
        return JsonLog(sys.stderr.stream)
    if log_json:
        return JsonLog(sys.stderr)
    if sys.stderr.isatty():
        from .terminal import Bars, draws_bars

        if draws_bars():
            return Bars(watch.state)
    return TextLog(sys.stderr)


@contextmanager
def progress_bar(
    title: str, unit: str = "images", *, log_json: bool = False, interrupted: str = _RESUME
) -> Iterator[Update]:
    """Show the progress of work that has one bar, as :func:`watched` does; yield ``update(done, total, label)``."""
    with watched(log_json=log_json, interrupted=interrupted) as watch, watch.bar(title, unit) as update:
        yield update
