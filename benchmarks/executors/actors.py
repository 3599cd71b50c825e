"""Actors of Ray that do a command's work: how they start, where they run, and why they died."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sgz_bench.core.device import limit_threads, processor

from .cluster import Cluster
from .messages import Host

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
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
    return match[1] if match else "an unknown node"


def why_lost(error: BaseException) -> str:
    """Return the reason of a worker's death, as far as Ray knows it."""
    text = _COLOURS.sub("", str(error))
    raised = [line.strip() for line in text.splitlines() if _RAISED.match(line.strip())]
    if raised:  # while it started
        return raised[-1][:200]
    if "memory pressure" in text or "OutOfMemory" in text or "running low on memory" in text:
        return "out of memory"
    return "out of memory, a crash in a native library, or killed"
