"""A Ray cluster of three nodes on this machine, and a small study of each task."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sgz_bench.benchmarks.config import StudyConfig
from sgz_bench.benchmarks.executors import ray as ray_executor
from sgz_bench.benchmarks.executors.messages import Host
from sgz_bench.benchmarks.executors.ray import RayExecutor
from sgz_bench.benchmarks.executors.settings import Execution
from sgz_bench.benchmarks.executors.worker import Worker
from sgz_bench.benchmarks.plan import make_plan
from sgz_bench.benchmarks.results import ResultRow
from sgz_bench.benchmarks.run import run_plans
from sgz_bench.core.device import limited_threads, processor
from sgz_bench.core.errors import UserError

from .fakes import FakeRay, Heard, cluster

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # before ray: it binds to the loopback interface, on Linux too
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
_STORE = 80 * 2**20  # bytes of a node's object store


class Nodes:
    """Cluster of a head without processors and of nodes with one processor each.

    Attributes:
        address: ``127.0.0.1:PORT``.
    """

    def __init__(self, count: int) -> None:
        from ray.cluster_utils import Cluster

        self.folder = tempfile.mkdtemp(prefix="sgz-ray-", dir="/tmp")
        head = {"num_cpus": 0, "object_store_memory": _STORE, "include_dashboard": False, "temp_dir": self.folder}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self.address: str = self._cluster.address
        self._nodes: list[Any] = []
        self.restore(count)

    @property
    def ids(self) -> list[str]:
        """Ray's ids of the nodes, without the head."""
        return [node.node_id for node in self._nodes]

    def processes(self) -> list[int]:
        """Process ids of the nodes' raylets."""
        return [node.all_processes["raylet"][0].process.pid for node in self._cluster.list_all_nodes()]

    def restore(self, count: int) -> None:
        """Add nodes until there are as many."""
        while len(self._nodes) < count:
            self._nodes.append(self._cluster.add_node(num_cpus=1, object_store_memory=_STORE))

    def remove(self) -> None:
        """End the newest node at once."""
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)

    def close(self) -> None:
        self._cluster.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="package")
def nodes() -> Iterator[Nodes]:
    """Three nodes; a test that removes one restores it."""
    pytest.importorskip("ray")
    logging.getLogger("ray").setLevel(logging.ERROR)
    made = Nodes(3)
    yield made
    made.close()


def draw(root: Path, count: int) -> None:
    """Draw ``boxes`` in YOLO layout and ``maps`` in CamVid's, of small pictures of two sizes."""
    rng = np.random.default_rng(1)
    for folder in ("boxes/images/val", "boxes/labels/val", "maps/test", "maps/testannot"):
        (root / folder).mkdir(parents=True)
    for index in range(count):
        height, width = (48, 64) if index % 3 else (64, 48)
        picture = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)).resize((width, height))
        picture.save(root / "maps" / "test" / f"frame_{index}.png")
        blocks = rng.integers(0, 12, (height // 8, width // 8), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
        Image.fromarray(blocks).save(root / "maps" / "testannot" / f"frame_{index}.png")
        picture.save(root / "boxes" / "images" / "val" / f"picture_{index}.png")
        boxes = (f"{rng.integers(80)} 0.{rng.integers(3, 7)} 0.5 0.4 0.6\n" for _ in range(2))
        (root / "boxes" / "labels" / "val" / f"picture_{index}.txt").write_text("".join(boxes))


@pytest.fixture(scope="session")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data sets of eight pictures; not to be changed."""
    root = tmp_path_factory.mktemp("sets")
    draw(root, 8)
    return root


def detection(sets: Path, **more: Any) -> StudyConfig:
    fields: dict[str, Any] = {"dataset": "yolo", "root": sets / "boxes", "split": "val"}
    fields |= {"model": "nightscene-yolo(imgsz=64,conf=0.0001,max_det=20)", "enhancers": ("raw", "gamma", "clahe")}
    return StudyConfig(**fields | {"replicates": 100, "permutations": 100} | more)


def segmentation(sets: Path, **more: Any) -> StudyConfig:
    fields: dict[str, Any] = {"task": "segmentation", "dataset": "camvid", "root": sets / "maps", "split": "test"}
    fields |= {"model": "nightscene-fpn", "enhancers": ("raw", "gamma", "he")}
    return StudyConfig(**fields | {"replicates": 100, "permutations": 100} | more)


@pytest.fixture(scope="package")
def local(sets: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """The files of both studies, run in one process with one thread: ``boxes`` and ``maps``."""
    out = tmp_path_factory.mktemp("local")
    with limited_threads(1):
        plans = [(make_plan(config, "cpu"), out / name) for name, config in both(sets).items()]
        assert all(isinstance(rows, list) for rows in run_plans(plans, device="cpu"))
    return {name: content(out / name) for name in both(sets)}


Results = list[list[ResultRow] | UserError]
Run = Callable[..., Results]


class NodeWorker(Worker):
    """Real worker that takes its name from its node; the driver's working folder does not exist there."""

    folder = "/nonexistent"

    def __init__(self, node: str) -> None:
        super().__init__(1, "cpu", type(self).folder, [])
        self.node = node

    def host(self) -> Host:
        return Host(self.node, f"machine-{self.node}", processor("cpu"))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def join(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Let executors join a fake Ray of some nodes; this process computes with one thread, as its workers do."""

    def to_nodes(*nodes: str) -> None:
        @contextmanager
        def joined(*_: object) -> Iterator[Any]:
            yield cluster(FakeRay(*nodes))

        monkeypatch.setattr(ray_executor, "joined", joined)

    with limited_threads(1):
        yield to_nodes


@pytest.fixture
def run(tmp_path: Path, heard: Heard, join: Callable[..., None]) -> Run:
    """Run studies by name on one worker per node; ``heard`` has all that is said."""

    def on_nodes(
        configs: Mapping[str, StudyConfig], *nodes: str, kind: type = NodeWorker, out: Path = tmp_path, **settings: Any
    ) -> Results:
        join(*nodes)
        with RayExecutor(Execution(executor="ray", **settings), "cpu", kind) as executor:
            plans = [(make_plan(config, "cpu"), out / name) for name, config in configs.items()]
            return run_plans(plans, device="cpu", executor=executor.predict, progress=heard, say=heard.lines.append)

    return on_nodes


def both(sets: Path) -> dict[str, StudyConfig]:
    """The study of each task."""
    return {"boxes": detection(sets), "maps": segmentation(sets)}


def content(run: Path) -> dict[str, bytes]:
    """Every file of a run but the measured times."""
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name != "costs.json"
    }
