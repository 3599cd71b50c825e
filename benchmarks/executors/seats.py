"""Workers of the executor ray, as the driver sees them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .actors import Process, Seat, start
from .cluster import Cluster
from .messages import Shard
from .shards import Entry

_GOODBYE = 5.0  # seconds that workers have to remove their files


class Task(NamedTuple):
    """Call of a worker that it has not answered.

    Attributes:
        reference: Ray's reference of the answer.
        entries: images that the worker was given; empty while it prepares.
        shard: the same images, as it was sent.
    """

    reference: Any
    entries: Sequence[Entry] = ()
    shard: Shard | None = None


@dataclass(eq=False)
class StudySeat(Seat):
    """Worker of the executor ray, ready once it has built enhancers and models.

    Attributes:
        tasks: what it has not answered, first one first.
        since: time of its start, on the monotonic clock.
        images, seconds: images that it predicted, and the time it took.
    """

    tasks: deque[Task] = field(default_factory=deque)
    since: float = field(default_factory=time.monotonic)
    images: int = 0
    seconds: float = 0.0


class Seats:
    """All workers of a command.

    Args:
        cluster: the cluster.
        kind: class of the workers.
        device: torch device of the command.
    """

    def __init__(self, cluster: Cluster, kind: type[Process], device: str) -> None:
        self.cluster = cluster
        self._kind, self._device = kind, device
        self._seats: list[StudySeat] = []
        self._made = 0

    def __iter__(self) -> Iterator[StudySeat]:
        return iter(list(self._seats))

    def __len__(self) -> int:
        return len(self._seats)

    def fill(self) -> None:
        """Start workers until there are as many as the command wants."""
        while len(self._seats) < self.cluster.workers:
            self.hire()

    def hire(self) -> StudySeat:
        """Start a worker."""
        self._made += 1
        seat = StudySeat(f"worker {self._made}", start(self.cluster, self._kind, self._device))
        self._seats.append(seat)
        return seat

    def remove(self, seat: StudySeat) -> None:
        """Send a worker away, or forget a dead one."""
        self._seats.remove(seat)
        self._kill([seat])

    def close(self) -> None:
        """Stop all workers."""
        self._kill(self._seats)
        self._seats.clear()

    def _kill(self, seats: Sequence[StudySeat]) -> None:
        """Let idle workers remove their files, then stop all."""
        with suppress(Exception):  # dead already
            idle = [seat.actor.close.remote() for seat in seats if seat.host and not seat.tasks]
            if idle:
                self.cluster.ray.wait(idle, num_returns=len(idle), timeout=_GOODBYE)
        for seat in seats:
            with suppress(Exception):  # one that is out of reach may live on
                self.cluster.ray.kill(seat.actor)
