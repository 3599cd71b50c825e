"""Ray for one command: a cluster that is joined, or a Ray of its own on this machine."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread
from types import ModuleType
from typing import Any, NamedTuple

from sgz_bench.core.device import usual_threads
from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.sessions import require_package
from sgz_bench.core.text import pluralize

from .settings import Execution

_OLDEST = (2, 60)
_RULE = "write HOST:PORT of the head node, such as 10.0.0.1:6379, or auto on a node of the cluster"
_PROBE = 1000  # milliseconds for the question whether a cluster wants a token
_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # 0 binds a Ray of its own to the loopback interface, on Linux too
_WORKERS = 64  # of a Ray of its own, or four per CPU, at most: each is a process with its models
_PATIENCE = 5.0  # seconds to wait for an answer of an address
_STORE = 2**30  # bytes of the object store of a Ray of its own: a few shards per worker


class Cluster(NamedTuple):
    """Ray cluster and the share of it that a command takes.

    Attributes:
        ray: Ray's module, connected.
        workers: number of workers.
        threads: CPU threads of a worker.
        gpus: GPUs of a worker.
    """

    ray: ModuleType
    workers: int
    threads: int
    gpus: float


@contextmanager
def joined(execution: Execution, device: str) -> Iterator[Cluster]:
    """Join the cluster of ``execution``, or start a Ray of its own; leave or stop it at the end.

    Ray's dashboard and usage statistics stay off, and a Ray of its own listens on the loopback interface alone. A Ray
    to which this process is already connected is used as it is.

    Args:
        execution: settings.
        device: device of the studies, ``cpu`` or ``cuda:N``.

    Raises:
        UserError: Ray is not installed or too old, the address is wrong or does not answer, versions differ, or the
            cluster has no room for one worker.
    """
    ray = _import_ray(own=execution.address is None)
    connected = bool(ray.is_initialized())
    if not connected:
        _connect(ray, execution)
    try:
        with _sigterm_interrupts():
            yield _share(ray, execution, device)
    finally:
        if not connected:
            ray.shutdown()


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM, which schedulers send, end a run as Ctrl-C does; Ray's own handler prints stacks."""
    if current_thread() is not main_thread():  # Python delivers signals to the main thread alone
        yield
        return

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _import_ray(*, own: bool) -> ModuleType:
    """Import Ray, told to send nothing to anybody.

    Raises:
        UserError: it is not installed, too old, or would listen on every network.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault(
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0"
    )  # else it warns; workers without a GPU ask for none
    if own:
        os.environ.setdefault(_LOOPBACK, "0")
    ray: ModuleType = require_package("ray", "the executor ray")
    constants = getattr(getattr(ray, "_private", None), "ray_constants", None)
    if own and getattr(constants, "ENABLE_RAY_CLUSTER", False):
        raise UserError(f"Ray was imported without {_LOOPBACK}=0 and would listen on every network; set it before")
    version = tuple(int(part) for part in re.findall(r"\d+", ray.__version__)[:2])
    if version < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise UserError(f"Ray {ray.__version__} is installed, the executor ray needs {oldest} or newer; upgrade it")
    return ray


def _connect(ray: Any, execution: Execution) -> None:
    """Connect to the cluster, or start one.

    Raises:
        UserError: the address is wrong or does not answer, or versions differ.
    """
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = execution.address
    if address is None:
        most = max(_WORKERS, 4 * usual_threads())
        if (execution.workers or 1) > most:
            raise UserError(f"--workers {execution.workers} is too many for one machine; it runs {most} at most")
        cpus = max(usual_threads(), (execution.workers or 1) * (execution.threads or 1))
        settings |= {"address": "local", "num_cpus": cpus, "include_dashboard": False, "object_store_memory": _STORE}
    else:
        if address == "auto":
            known = [os.environ.get("RAY_ADDRESS"), *ray._private.services.find_gcs_addresses()]
            for each in [each for each in known if each][:1]:
                _use_token(ray, each)
            settings["address"] = _reachable(_found(ray))
        else:
            settings["address"] = _reachable(address)
            _use_token(ray, address)
    try:
        ray.init(**settings)
    except (Exception, SystemExit) as error:  # Ray's own, gRPC's, the system's
        raise UserError(_refusal(address, error)) from error
    ray._private.worker._worker_logs_enabled = False  # what it prints on stdout about dead workers; we name them


def _use_token(ray: Any, address: str) -> None:
    """Send Ray's token of this user to a cluster that wants one, unless ``RAY_AUTH_MODE`` is set.

    Since version 2.60, a Ray of its own writes ``~/.ray/auth_token``, and `ray start --head` wants it where it exists.

    Raises:
        UserError: the cluster wants a token, and there is none, or another one; or what answers is no Ray cluster.
    """
    if not _wants_token(ray, address) or "RAY_AUTH_MODE" in os.environ:
        return
    if ray._raylet.AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True):
        os.environ["RAY_AUTH_MODE"] = "token"
        ray._raylet.Config.initialize("")  # reads the variable again
        if not _wants_token(ray, address):
            return
    raise UserError(f"the cluster at {address} wants a token; copy ~/.ray/auth_token of its head node to this machine")


def _wants_token(ray: Any, address: str) -> bool:
    """Return True if a cluster refuses this process for the lack of a token.

    Raises:
        UserError: something else than the head of a Ray cluster listens there; Ray itself would ask for many minutes.
    """
    with _muted():  # the library of Ray, in C++, logs the refusal
        try:
            ray._raylet.InnerGcsClient.standalone(address, None, _PROBE)
        except Exception as error:
            if type(error).__name__ == "RpcError":
                raise UserError(
                    f"what answers at {address} is not the head of a Ray cluster; {_RULE} (6379 is its usual port)"
                ) from error
            return type(error).__name__ == "AuthenticationError"
    return False


@contextmanager
def _muted() -> Iterator[None]:
    """Drop what this process writes on stderr, in libraries too."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _found(ray: Any) -> str:
    """Return the address of the cluster that this machine belongs to.

    Raises:
        UserError: there is none, or several.
    """
    try:
        address = ray._private.services.canonicalize_bootstrap_address("auto")
    except Exception as error:
        raise UserError(_refusal("auto", error)) from error
    if address is None:
        raise UserError(_refusal("auto", ConnectionError()))
    return str(address)


def _reachable(address: str) -> str:
    """Return an address after a check of its form, and that something answers there.

    Raises:
        UserError: it has another form, or nothing answers.
    """
    if address.startswith("ray://"):
        raise UserError(f"--address {address} is one of Ray Client, which runs no studies; {_RULE}")
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})", address)
    if match is None or not 0 < int(match[2]) < 65536:
        raise UserError(f"--address {address!r} is not the address of a Ray cluster; {_RULE}")
    try:
        socket.create_connection((match[1].strip("[]"), int(match[2])), _PATIENCE).close()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"no Ray cluster answers at {address} ({reason}); check it with `ray status`, or {_RULE}"
        ) from error
    return address


def _refusal(address: str | None, error: BaseException) -> str:
    """Explain in one line why Ray cannot be joined or started."""
    text = in_one_line(error)
    if "ersion mismatch" in text:
        found = dict(re.findall(r"(Ray|Python): (\S+)", text.partition("This process")[0]))
        here = dict(re.findall(r"(Ray|Python): (\S+)", text.partition("This process")[2]))
        both = [
            f"{name} {found[name]}, this machine {here.get(name)}" for name in found if found[name] != here.get(name)
        ]
        return f"the cluster at {address} runs {'; '.join(both) or 'another version'}; install the same on every node"
    if address is None:
        return f"Ray does not start on this machine ({text[:300]})"
    if isinstance(error, ConnectionError):
        fix = "start it with `ray start`, or leave --address out for a Ray of its own on this machine"
        place = "runs on this machine" if address == "auto" else f"is found at {address}"
        return f"no Ray cluster {place}; {fix}"
    return f"the Ray cluster at {address} cannot be joined ({text[:300]}); run the command on a node of the cluster"


def _share(ray: Any, execution: Execution, device: str) -> Cluster:
    """Divide a cluster among workers.

    Raises:
        UserError: there is no room for one worker.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus = [int(node.get("CPU", 0)) for node in nodes]
    gpus = [float(node.get("GPU", 0)) for node in nodes]
    wanted = execution.gpus_per_worker
    if wanted is None:
        wanted = 1.0 if device.startswith("cuda") else 0.0
    if wanted > max(gpus, default=0):
        most = max(gpus, default=0)
        found = f"the largest number on a node is {most:g}" if most else "no node has one"
        raise UserError(f"a worker wants {wanted:g} GPU, but {found}; change --gpus-per-worker or leave it out")
    if wanted == 0 and device.startswith("cuda"):
        raise UserError(f"--gpus-per-worker 0 leaves no GPU for --device {device}; give --device cpu")
    if wanted and not device.startswith("cuda"):
        raise UserError(
            f"--gpus-per-worker {wanted:g} needs a GPU for --device {device}; start the command on a node that has one"
        )
    room = [int(gpu / wanted + 1e-9) if wanted else cpu for gpu, cpu in zip(gpus, cpus, strict=True)]  # of one thread
    threads = execution.threads
    if threads is None:
        workers = execution.workers or sum(room)
        threads = next((each for each in range(max(cpus, default=1), 1, -1) if _hold(room, cpus, each) >= workers), 1)
    workers = execution.workers or _hold(room, cpus, threads)
    if threads > max(cpus, default=0) or workers < 1:
        largest = pluralize(max(cpus, default=0), "CPU")
        raise UserError(f"a worker wants {pluralize(threads, 'CPU thread')}, but no node has more than {largest}")
    return Cluster(ray, workers, threads, wanted)


def _hold(room: Sequence[int], cpus: Sequence[int], threads: int) -> int:
    """Return how many workers of some threads the nodes hold."""
    return sum(min(most, cpu // threads) for most, cpu in zip(room, cpus, strict=True))
