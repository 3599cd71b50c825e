"""Interface of the views of progress: bars in a terminal, lines, JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Snapshot(NamedTuple):
    """State of one bar at a moment.

    Attributes:
        study: name of the study, of a finetuning's model, or of other work that has a bar.
        unit: plural noun of the things that are counted, such as images.
        done, total, failed: numbers of images; ``total`` is None until it is known.
        rate: images per second of the last minutes.
        mean: images per second since the bar began.
        seconds: time since the bar began, up to its last image.
        workers: number of workers, of all bars together.
        label: further text, such as the losses of a training.
    """

    study: str
    unit: str
    done: int
    total: int | None
    failed: int
    rate: float
    mean: float
    seconds: float
    workers: int
    label: str

    @property
    def finished(self) -> bool:
        """True if no image is left."""
        return self.total is not None and self.done >= self.total

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the last image at the current rate; None without a rate."""
        if self.total is None:
            return None
        return 0.0 if self.finished else (self.total - self.done) / self.rate if self.rate > 0 else None


class View:
    """View that shows nothing; workers are given as name → current work, and methods are called from any thread."""

    def begun(self, bar: Snapshot) -> None:
        """Show the first state of a bar."""

    def beat(self, bars: Sequence[Snapshot], workers: Mapping[str, str]) -> None:
        """Show the state of all bars; called at regular intervals."""

    def worker(self, name: str, doing: str | None) -> None:
        """Show that a worker came, or left (None)."""

    def ended(self, bar: Snapshot) -> None:
        """Show the last state of a bar."""

    def say(self, line: str) -> None:
        """Show an event."""

    def close(self) -> None:
        """Show nothing from now on."""
