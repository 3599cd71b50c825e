"""Logs on stderr where no terminal shows bars: lines of text for people, or one JSON object per line."""

from __future__ import annotations

import atexit
import io
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock, RLock
from typing import Any, TextIO

from sgz_bench.core.errors import printable
from sgz_bench.core.text import pluralize

from .pace import duration_text, rate_text
from .views import Snapshot, View


class _Log(View, ABC):
    """Log of all unfinished bars at regular intervals, and of the end of each bar, once."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = Lock()
        self._closed = False
        self._told: dict[str, tuple[int, int]] = {}  # finished bars whose end was written: images done, failed

    def beat(self, bars: Sequence[Snapshot], workers: Mapping[str, str]) -> None:
        del workers
        wrote = [self._tell_end(bar) if bar.finished else self._progress(bar) for bar in bars]
        if bars and not any(wrote):
            self._finishing(bars)

    def ended(self, bar: Snapshot) -> None:
        self._tell_end(bar)

    def close(self) -> None:
        with self._lock:
            self._closed = True

    def _tell_end(self, bar: Snapshot) -> bool:
        """Write the end of a bar unless it is written; return True if it was written now."""
        if self._told.get(bar.study) == (bar.done, bar.failed):
            return False
        self._told[bar.study] = (bar.done, bar.failed)
        return self._end(bar)

    def _write(self, text: str) -> bool:
        """Write one line at once, return True; a log that cannot be written does not stop the work."""
        with self._lock:
            if not self._closed:
                try:
                    self._stream.write(f"{text}\n")
                    self._stream.flush()
                except (OSError, ValueError):
                    self._closed = True
        return True

    @abstractmethod
    def _progress(self, bar: Snapshot) -> bool:
        """Write the state of an unfinished bar; return True."""

    @abstractmethod
    def _end(self, bar: Snapshot) -> bool:
        """Write the end of a bar; return True unless it needs no line."""

    @abstractmethod
    def _finishing(self, bars: Sequence[Snapshot]) -> None:
        """Write that all images are done, but not yet the work after them, such as scoring."""


class TextLog(_Log):
    """Log in lines of text with the local time; work that ends before the first interval leaves no line."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._shown: set[str] = set()  # bars with a line

    def say(self, line: str) -> None:
        self._stamped("event", line)

    def _progress(self, bar: Snapshot) -> bool:
        self._shown.add(bar.study)
        left = f"{duration_text(bar.seconds_left)} left" if bar.seconds_left is not None else ""
        workers = pluralize(bar.workers, "worker") if bar.workers else ""
        return self._line(bar, "", rate_text(bar.rate, bar.unit), left, _failed(bar), workers, bar.label)

    def _end(self, bar: Snapshot) -> bool:
        time, rate = f" in {duration_text(bar.seconds)}", rate_text(bar.mean, bar.unit)
        return bar.study in self._shown and self._line(bar, time, rate, _failed(bar), bar.label)

    def _finishing(self, bars: Sequence[Snapshot]) -> None:
        name = bars[0].study if len(bars) == 1 else f"{len(bars)} studies"
        self._stamped("progress", f"{name}: all {bars[0].unit} done, finishing")

    def _line(self, bar: Snapshot, time: str, *further: str) -> bool:
        counted = f"{bar.done} of {'?' if bar.total is None else bar.total} {bar.unit}{time}"
        parts = ", ".join(part for part in (counted, *further) if part)
        return self._stamped("progress", f"{bar.study}: {parts}")

    def _stamped(self, kind: str, text: str) -> bool:
        return self._write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {kind}: {printable(text)}")


def _failed(bar: Snapshot) -> str:
    return f"{bar.failed} failed" if bar.failed else ""


class JsonLog(_Log):
    """Log in JSON, one object per line; ``docs/commands.md`` describes the fields."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._doing: dict[str, str] = {}  # work of each worker, as written last

    def begun(self, bar: Snapshot) -> None:
        self._progress(bar)

    def beat(self, bars: Sequence[Snapshot], workers: Mapping[str, str]) -> None:
        super().beat(bars, workers)
        for name, doing in workers.items():
            if self._doing.get(name) != doing:
                self.worker(name, doing)

    def worker(self, name: str, doing: str | None) -> None:
        if doing is None:
            self._doing.pop(name, None)
        else:
            self._doing[name] = doing
        self._write(json_line("worker", worker=name, doing=doing))

    def say(self, line: str) -> None:
        self._write(json_line("note", text=printable(line)))

    def _progress(self, bar: Snapshot) -> bool:
        return self._bar("progress", bar, bar.rate)

    def _end(self, bar: Snapshot) -> bool:
        return self._bar("end", bar, bar.mean)

    def _finishing(self, bars: Sequence[Snapshot]) -> None:
        for bar in bars:
            self._progress(bar)

    def _bar(self, event: str, bar: Snapshot, rate: float) -> bool:
        left = None if bar.seconds_left is None else round(bar.seconds_left)
        facts: dict[str, Any] = {"study": bar.study, "unit": bar.unit, "done": bar.done, "total": bar.total}
        facts |= {"failed": bar.failed, "rate": float(f"{rate:.4g}") or None, "seconds_left": left}
        facts |= {"seconds": round(bar.seconds, 1), "workers": bar.workers, "label": bar.label}
        return self._write(json_line(event, **facts))


def json_line(event: str, **facts: Any) -> str:
    """Return an event of a JSON log, with the time in UTC; ASCII alone, which every encoding of stderr can write."""
    time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"time": time, "event": event} | facts)


class JsonStderr(io.TextIOBase):
    """Stderr of a command with a JSON log: each line that is written to it becomes an object.

    Args:
        stream: stderr of the process.

    Attributes:
        stream: the same.
    """

    encoding, errors = "utf-8", "strict"  # typer wraps a stream without them

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._rest = ""  # of a line that is not complete
        self._lock = RLock()
        atexit.register(self._complete)

    def write(self, text: str, /) -> int:
        if not isinstance(text, str):
            raise TypeError(f"stderr takes text, not {type(text).__name__}")
        with self._lock:
            *lines, self._rest = (self._rest + text).replace("\r", "\n").split("\n")
            for line in lines:
                if line.strip():
                    event = "error" if line.startswith("error: ") else "note"
                    self.stream.write(json_line(event, text=printable(line)) + "\n")
        return len(text)

    def _complete(self) -> None:
        """Write what is left of a line without its end."""
        if self._rest:
            self.write("\n")
            self.flush()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.stream.fileno()

    def flush(self) -> None:
        self.stream.flush()


def log_as_json() -> None:
    """Write all further lines on stderr as JSON, to the end of the process."""
    if not isinstance(sys.stderr, JsonStderr):
        sys.stderr = JsonStderr(sys.stderr)
