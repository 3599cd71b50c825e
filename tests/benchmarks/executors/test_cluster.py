"""Joining a cluster: addresses, versions, and its division among workers; Ray is a fake."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from sgz_bench.benchmarks.executors import cluster as module
from sgz_bench.benchmarks.executors.cluster import joined
from sgz_bench.benchmarks.executors.settings import Execution
from sgz_bench.core.errors import UserError

# Ray's words where the head runs another version (ray._private.utils.check_version_info)
MISMATCH = """Version mismatch: The cluster was started with:
    Ray: 2.58.0
    Python: 3.11.7
This process on node 10.0.0.7 was started with:
    Ray: 2.60.0
    Python: 3.11.7
"""


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Fake module of one node with four processors; ``started`` has the arguments of ``init``."""
    services = SimpleNamespace(canonicalize_bootstrap_address=lambda _address: None, find_gcs_addresses=set)
    fake = SimpleNamespace(__version__="2.60.0", started=[], running=False, resources=[{"CPU": 4.0}])
    fake._private = SimpleNamespace(services=services, worker=SimpleNamespace())
    fake.is_initialized = lambda: fake.running
    fake.init = lambda **settings: fake.started.append(settings)
    fake.shutdown = lambda: fake.started.append("shutdown")
    fake.nodes = lambda: [{"Alive": True, "Resources": each} for each in fake.resources]
    monkeypatch.setitem(sys.modules, "ray", fake)  # type: ignore[arg-type]
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"):
        monkeypatch.delenv(name, raising=False)
    return fake


def join(address: str | None = None, device: str = "cpu", **settings: Any) -> tuple[int, int, float]:
    """Workers, their threads and their GPUs."""
    with joined(Execution(executor="ray", address=address, **settings), device) as cluster:
        return cluster.workers, cluster.threads, cluster.gpus


def refusal(address: str | None = None, device: str = "cpu", **settings: Any) -> str:
    with pytest.raises(UserError) as error:
        join(address, device, **settings)
    return str(error.value)


def test_a_ray_of_its_own_listens_on_loopback_alone_and_tells_nobody(ray: Any) -> None:
    join()
    started, ended = ray.started
    assert ended == "shutdown"
    assert started["address"] == "local"
    assert started["include_dashboard"] is False
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"


def test_a_ray_that_is_connected_stays_connected(ray: Any) -> None:
    ray.running = True
    join()
    assert ray.started == []


RULE = "write HOST:PORT of the head node, such as 10.0.0.1:6379, or auto on a node of the cluster"


@pytest.mark.parametrize("address", ["foo", "foo:", ":6379", "foo:70000", "foo:0", "http://foo:1", "a b:1", ""])
def test_an_address_of_another_form_is_refused(address: str, ray: Any) -> None:
    assert refusal(address) == f"--address {address!r} is not the address of a Ray cluster; {RULE}"
    assert ray.started == []


@pytest.mark.usefixtures("ray")
def test_ray_client_is_refused() -> None:
    assert refusal("ray://10.0.0.1:10001") == (
        f"--address ray://10.0.0.1:10001 is one of Ray Client, which runs no studies; {RULE}"
    )


@pytest.mark.usefixtures("ray")
def test_a_port_at_which_nothing_answers_is_refused() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    assert refusal(address) == (
        f"no Ray cluster answers at {address} (Connection refused); check it with `ray status`, or {RULE}"
    )


class RpcError(Exception):
    """As Ray's."""


def test_another_server_is_refused_before_ray_waits_for_it(ray: Any, listening: str) -> None:
    client = SimpleNamespace(standalone=fail(RpcError("Timed out while waiting for GCS to become available.")))
    ray._raylet = SimpleNamespace(InnerGcsClient=client)
    assert refusal(listening) == (
        f"what answers at {listening} is not the head of a Ray cluster; {RULE} (6379 is its usual port)"
    )
    assert ray.started == []


@pytest.mark.usefixtures("ray")
def test_auto_needs_a_cluster_on_this_machine() -> None:
    fix = "start it with `ray start`, or leave --address out for a Ray of its own on this machine"
    assert refusal("auto") == f"no Ray cluster runs on this machine; {fix}"


def fail(error: BaseException) -> Callable[..., None]:
    def init(*_: object, **__: object) -> None:
        raise error

    return init


@pytest.fixture
def listening() -> Any:
    """Address at which something listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_cluster_of_another_version_is_named_with_both(ray: Any, listening: str) -> None:
    ray.init = fail(RuntimeError(MISMATCH))
    found = f"the cluster at {listening} runs Ray 2.58.0, this machine 2.60.0; install the same on every node"
    assert refusal(listening) == found
    ray.init = fail(RuntimeError(MISMATCH.replace("2.58.0", "2.60.0").replace("3.11.7", "3.12.1", 1)))
    found = f"the cluster at {listening} runs Python 3.12.1, this machine 3.11.7; install the same on every node"
    assert refusal(listening) == found


def test_whatever_else_ray_says_becomes_one_line(ray: Any, listening: str) -> None:
    ray.init = fail(ConnectionError("Could not read 'session_name' from GCS.\nDid GCS start successfully?"))
    assert refusal(listening).startswith(f"no Ray cluster is found at {listening}; start it with `ray start`")
    ray.init = fail(SystemExit(1))
    assert refusal(listening) == (
        f"the Ray cluster at {listening} cannot be joined (SystemExit: 1); run the command on a node of the cluster"
    )
    ray.init = fail(OSError("no space\nleft"))
    assert refusal() == "Ray does not start on this machine (OSError: no space left)"


def test_ray_is_an_extra_of_a_certain_age(ray: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ray.__version__ = "2.9.3"
    assert refusal() == "Ray 2.9.3 is installed, the executor ray needs 2.60 or newer; upgrade it"
    monkeypatch.setitem(sys.modules, "ray", None)
    assert refusal() == "the executor ray needs the package ray; pip install 'sgz-bench[ray]'"


@pytest.mark.parametrize(
    ("nodes", "settings", "share"),
    [
        ([4], {}, (4, 1)),
        ([4], {"workers": 2}, (2, 2)),
        ([4], {"threads": 2}, (2, 2)),
        ([4, 4], {"workers": 1}, (1, 4)),  # a worker does not span nodes
        ([4, 2], {"threads": 3}, (1, 3)),
        ([4, 4], {"workers": 3}, (3, 2)),
        ([0, 4], {"workers": 9}, (9, 1)),  # the rest waits for room
        ([2, 2], {"workers": 3, "threads": 2}, (3, 2)),
    ],
)
def test_processors_are_divided_node_by_node(
    nodes: list[int], settings: dict[str, int], share: tuple[int, int], ray: Any
) -> None:
    ray.resources = [{"CPU": float(each)} for each in nodes]
    assert join(**settings) == (*share, 0)


@pytest.mark.parametrize(
    ("nodes", "settings", "share"),
    [
        ([(8, 4)], {}, (4, 2, 1)),
        ([(8, 4), (2, 1), (4, 0)], {}, (5, 2, 1)),
        ([(8, 1)], {"gpus_per_worker": 0.3}, (3, 2, 0.3)),
        ([(20, 1)], {"gpus_per_worker": 0.1}, (10, 2, 0.1)),
        ([(8, 4)], {"gpus_per_worker": 2, "threads": 1}, (2, 1, 2)),
    ],
)
def test_gpus_are_divided_node_by_node(
    nodes: list[tuple[int, int]], settings: dict[str, Any], share: tuple[int, int, float], ray: Any
) -> None:
    ray.resources = [{"CPU": float(cpus), "GPU": float(gpus)} for cpus, gpus in nodes]
    assert join(None, "cuda:0", **settings) == share


def test_no_room_for_a_worker_is_one_line(ray: Any) -> None:
    assert refusal(threads=8) == "a worker wants 8 CPU threads, but no node has more than 4 CPUs"
    assert refusal(device="cuda:0") == (
        "a worker wants 1 GPU, but no node has one; change --gpus-per-worker or leave it out"
    )
    ray.resources = [{"CPU": 4.0, "GPU": 2.0}]
    assert refusal(device="cuda:0", gpus_per_worker=4) == (
        "a worker wants 4 GPU, but the largest number on a node is 2; change --gpus-per-worker or leave it out"
    )
    assert refusal(device="cuda:0", gpus_per_worker=0) == (
        "--gpus-per-worker 0 leaves no GPU for --device cuda:0; give --device cpu"
    )
    assert refusal(device="cpu", gpus_per_worker=1) == (
        "--gpus-per-worker 1 needs a GPU for --device cpu; start the command on a node that has one"
    )
    assert ray.started[-1] == "shutdown"


class AuthenticationError(Exception):
    """As Ray's."""


class FakeRaylet:
    """Ray's library: a cluster that wants a token, on a machine that has one or not."""

    def __init__(self, *, token: bool, accepted: bool = True) -> None:
        self.InnerGcsClient = self.Config = self.AuthenticationTokenLoader = self
        self._token, self._accepted = token, accepted

    def standalone(self, address: str, cluster: None, milliseconds: int) -> None:
        if os.environ.get("RAY_AUTH_MODE") != "token" or not self._accepted:
            raise AuthenticationError(f"{address} {cluster} {milliseconds}")

    def initialize(self, _settings: str) -> None: ...

    def instance(self) -> FakeRaylet:
        return self

    def has_token(self, *, ignore_auth_mode: bool) -> bool:
        return self._token and ignore_auth_mode


def test_the_token_of_this_machine_is_sent_to_a_cluster_that_wants_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "")  # so that the end of the test removes it
    monkeypatch.delenv("RAY_AUTH_MODE")
    module._use_token(SimpleNamespace(_raylet=FakeRaylet(token=True)), "10.0.0.1:6379")
    assert os.environ["RAY_AUTH_MODE"] == "token"


@pytest.mark.parametrize("raylet", [FakeRaylet(token=False), FakeRaylet(token=True, accepted=False)])
def test_a_cluster_with_another_token_is_one_error(raylet: FakeRaylet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "")
    monkeypatch.delenv("RAY_AUTH_MODE")
    with pytest.raises(UserError, match=r"cluster at 10\.0\.0\.1:6379 wants a token; copy ~/\.ray/auth_token"):
        module._use_token(SimpleNamespace(_raylet=raylet), "10.0.0.1:6379")
