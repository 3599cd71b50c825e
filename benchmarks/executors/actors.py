"""Actors of Ray that do a command's work: how they start, where they run, what they answer, and why they died."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from sgz_bench.core.device import limit_threads, processor
from sgz_bench.core.errors import UserError

from .cluster import Cluster
from .messages import Host

STARTS = 3  # workers that may die while they start; the others go on without them
WAIT = 1.0  # seconds between looks at the workers
PATIENCE = 30.0  # seconds until a user hears that workers have not started
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_UNKNOWN = "an unknown node"
_ADDRESS = re.compile(r"\bip[=:] ?([\w.:]+)")
_RAISED = re.compile(r"[\w.]*(Error|Exception|Exit|Interrupt): ")


class Process:
    """Base of all actors.

    Args:
        threads: CPU threads.
        device: torch device.
        folder: the driver's working folder, to which relative paths of configs refer.
        path: the driver's ``sys.path``, for custom classes.
    """

    def __init__(self, threads: int, device: str, folder: str, path: Sequence[str]) -> None:
        with suppress(OSError):
            os.chdir(folder)
        sys.path += [each for each in path if each not in sys.path]
        limit_threads(threads)
        self._threads, self._device = threads, device

    def host(self) -> Host:
        """Return where this worker runs."""
        import ray

        node, address = ray.get_runtime_context().get_node_id(), str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]
        return Host(node, f"{socket.gethostname()} ({address})", processor(self._device))


@dataclass(eq=False)
class Seat:
    """A worker, as the driver sees it.

    Attributes:
        name: name for a user.
        actor: Ray's handle.
        host: where it runs; None before it answered.
        ready: True once it is prepared.
    """

    name: str
    actor: Any
    host: Host | None = None
    ready: bool = False

    @property
    def place(self) -> str:
        """Node of the worker for a user."""
        return self.host.name if self.host else _UNKNOWN


class Loss(NamedTuple):
    """Loss of a worker.

    Attributes:
        node_lives: True if it died on its node, False if it was lost with the node or the connection.
        place: the node for a user.
        what: ``worker 1 on PLACE died`` or ``node PLACE of worker 1 was lost``.
    """

    node_lives: bool
    place: str
    what: str

    @classmethod
    def of(cls, ray: Any, seat: Seat, error: BaseException) -> Loss:
        """Return the loss that an error of a worker's call means."""
        node_lives, place = not node_died(ray, error, seat.host), seat.host.name if seat.host else host_of(error)
        what = f"{seat.name} on {place} died" if node_lives else f"node {place} of {seat.name} was lost"
        return cls(node_lives, place, what)


class Refusals:
    """Nodes that cannot do the work, each with the reason that the first of its workers had.

    Args:
        say: receives each refusal, in one line.

    Attributes:
        reasons: node → refusal.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.reasons: dict[str, str] = {}

    def add(self, seat: Seat, reason: str) -> None:
        """Refuse the node of a worker."""
        if seat.place not in self.reasons:
            self.reasons[seat.place] = f"node {seat.place} is refused: {reason}"
            self._say(self.reasons[seat.place])


def start(cluster: Cluster, kind: type, device: str, **options: Any) -> Any:
    """Start an actor with a worker's share of the cluster; return Ray's handle.

    Args:
        cluster: the cluster.
        kind: class of the actor, constructed as :class:`Process` is.
        device: torch device of the command; an actor with a GPU calls it ``cuda:0``.
        options: further options of Ray.
    """
    options |= {"num_cpus": cluster.threads, "num_gpus": cluster.gpus, "max_restarts": 0}
    ray: Any = cluster.ray
    actor = ray.remote(kind).options(scheduling_strategy="SPREAD", **options)
    here = [os.path.abspath(each) for each in sys.path]  # noqa: PTH100 - of text, and the empty one too
    return actor.remote(cluster.threads, "cuda:0" if cluster.gpus else device, os.getcwd(), here)  # noqa: PTH109


def answer_of(ray: Any, reference: Any) -> Any:
    """Return a worker's answer.

    Raises:
        UserError: Ray has ended on this machine.
        RayError: the worker raised an error (``RayTaskError``), or is lost.
    """
    try:
        return ray.get(reference)
    except ray.exceptions.LocalRayletDiedError as error:
        raise UserError("Ray has ended on this machine; start it again, and repeat the command to resume") from error


def node_died(ray: Any, error: BaseException, host: Host | None) -> bool:
    """Return True if an actor was lost with its node or its connection, False if it died there."""
    if isinstance(error, ray.exceptions.ObjectLostError | ray.exceptions.ActorUnavailableError):
        return True
    if "node has died" in str(error):
        return True
    return host is not None and host.node not in {node["NodeID"] for node in ray.nodes() if node["Alive"]}


def host_of(error: BaseException) -> str:
    """Return the address of the node on which an actor died, as far as Ray knows it."""
    match = _ADDRESS.search(str(error))
    return match[1] if match else _UNKNOWN


def why_lost(error: BaseException) -> str:
    """Return the reason of a worker's death, as far as Ray knows it."""
    text = _COLOURS.sub("", str(error))
    raised = [line.strip() for line in text.splitlines() if _RAISED.match(line.strip())]
    if raised:  # while it started
        return raised[-1][:200]
    if "memory pressure" in text or "OutOfMemory" in text or "running low on memory" in text:
        return "out of memory"
    return "out of memory, a crash in a native library, or killed"
