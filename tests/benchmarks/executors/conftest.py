"""A Ray cluster of three nodes on this machine, and a small study of each task."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sgz_bench.benchmarks.config import StudyConfig

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


@pytest.fixture(scope="session")
def sets(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``boxes`` in YOLO layout and ``maps`` in CamVid's, of small pictures of two sizes; not to be changed."""
    root = tmp_path_factory.mktemp("sets")
    shutil.copytree(pictures, root / "boxes")
    rng = np.random.default_rng(1)
    for index in range(8):
        height, width = (48, 64) if index % 3 else (64, 48)
        coarse = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8))
        blocks = rng.integers(0, 12, (height // 8, width // 8), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
        for folder, image in (("test", coarse.resize((width, height))), ("testannot", Image.fromarray(blocks))):
            (root / "maps" / folder).mkdir(parents=True, exist_ok=True)
            image.save(root / "maps" / folder / f"frame_{index}.png")
    return root


def detection(sets: Path, **more: Any) -> StudyConfig:
    fields: dict[str, Any] = {"dataset": "yolo", "root": sets / "boxes", "split": "val"}
    fields |= {"model": "nightscene-yolo(imgsz=64,conf=0.0001,max_det=20)", "enhancers": ("raw", "gamma", "clahe")}
    return StudyConfig(**fields | {"replicates": 100, "permutations": 100} | more)


def segmentation(sets: Path, **more: Any) -> StudyConfig:
    fields: dict[str, Any] = {"task": "segmentation", "dataset": "camvid", "root": sets / "maps", "split": "test"}
    fields |= {"model": "nightscene-fpn", "enhancers": ("raw", "gamma", "he")}
    return StudyConfig(**fields | {"replicates": 100, "permutations": 100} | more)


def content(run: Path) -> dict[str, bytes]:
    """Every file of a run but the measured times."""
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name != "costs.json"
    }
