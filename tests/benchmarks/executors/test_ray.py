"""Studies on a real Ray: three nodes on this machine, which lose workers, nodes and the driver."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sgz_bench.benchmarks.executors.opening import opened
from sgz_bench.benchmarks.executors.ray import RayExecutor
from sgz_bench.benchmarks.executors.settings import Execution
from sgz_bench.benchmarks.executors.worker import Worker
from sgz_bench.benchmarks.plan import make_plan
from sgz_bench.benchmarks.run import run_plans
from sgz_bench.benchmarks.store import LOG
from sgz_bench.core.device import limited_threads
from sgz_bench.core.errors import UserError

from .conftest import Nodes, both, content, draw
from .fakes import Heard

psutil = pytest.importorskip("psutil")
pytest.importorskip("ray")

SUITE = """
settings: {{replicates: 100, permutations: 100}}
matrix:
  study:
    - {{dataset: yolo, root: {root}/boxes, split: val, enhancers: [raw, gamma, clahe],
       model: "nightscene-yolo(imgsz=64,conf=0.0001,max_det=20)"}}
    - {{task: segmentation, dataset: camvid, root: {root}/maps, split: test, enhancers: [raw, gamma, he],
       model: nightscene-fpn}}
"""
IMAGES = 40


def lines(out: Path) -> int:
    """Number of predicted images of all cells."""
    return sum(path.read_bytes().count(b"\n") for path in out.rglob(LOG))


def wait_for(count: int, out: Path, driver: subprocess.Popen[bytes]) -> None:
    """Wait until as many images are predicted; the driver shall not have ended by then."""
    while lines(out) < count:
        assert driver.poll() is None
        time.sleep(0.01)


@pytest.mark.slow
def test_a_worker_a_node_and_the_driver_die_and_every_byte_is_the_same(nodes: Nodes, tmp_path: Path) -> None:
    draw(tmp_path / "sets", IMAGES)
    (tmp_path / "suite.yaml").write_text(SUITE.format(root=tmp_path / "sets"))
    command = [sys.executable, "-m", "sgz_bench", "run", str(tmp_path / "suite.yaml"), "--device", "cpu"]
    on_ray = [*command, "--out", str(tmp_path / "ray"), "--executor", "ray", "--address", nodes.address]
    out = tmp_path / "ray"
    with (tmp_path / "log").open("wb") as log:
        driver = subprocess.Popen([*on_ray, "--threads", "1"], stdout=log, stderr=log)
        local = [*command, "--out", str(tmp_path / "local"), "--threads", "1"]
        subprocess.run(local, check=True, capture_output=True)
        wait_for(3, out, driver)
        raylets = map(psutil.Process, nodes.processes())
        workers = [each for raylet in raylets for each in raylet.children() if "ray::Worker" in each.cmdline()[0]]
        workers[0].kill()
        wait_for(20, out, driver)
        nodes.remove()
        wait_for(60, out, driver)
        assert listeners(raylet_children(nodes)) == set()
        driver.kill()
        driver.wait()
    assert lines(out) < 6 * IMAGES
    said = (tmp_path / "log").read_text()
    assert " died (out of memory, a crash in a native library, or killed)" in said
    nodes.restore(3)
    again = subprocess.run([*on_ray, "--workers", "1", "--threads", "1"], check=False, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "Traceback" not in said + again.stderr
    wanted = content(tmp_path / "local")
    assert len(wanted) > 6 * IMAGES / 2  # label maps among them
    assert content(out) == wanted


def raylet_children(nodes: Nodes) -> list[Any]:
    """Processes of the cluster."""
    raylets = [psutil.Process(each) for each in nodes.processes()]
    return [*raylets, *(each for raylet in raylets for each in raylet.children(recursive=True))]


def listeners(processes: Sequence[Any]) -> set[str]:
    """Addresses other than loopback at which some processes listen."""
    found = set()
    for process in processes:
        try:
            found |= {each.laddr.ip for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN}
        except psutil.Error:  # it has ended
            continue
    return found - {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


@pytest.mark.slow
def test_nodes_that_differ_are_named_and_shipped_files_reach_the_last(
    nodes: Nodes, sets: Path, local: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    nodes.restore(3)
    old, other, _ = nodes.ids

    class Elsewhere(Worker):  # sent by value: the nodes need no copy of this file
        def __init__(self, threads: int, device: str, _folder: str, path: Sequence[str]) -> None:
            import ray

            super().__init__(threads, device, "/nonexistent", path)
            self.node = ray.get_runtime_context().get_node_id()
            if self.node == old:
                raise ImportError("cannot import name 'Study'")

        def prepare(self, studies: Any) -> str:
            return "torch is 1 there and 2 here" if self.node == other else super().prepare(studies)

    heard = Heard()
    execution = Execution(executor="ray", address=nodes.address, threads=1, ship=True)
    with RayExecutor(execution, "cpu", Elsewhere) as executor, limited_threads(executor.threads):
        plans = [(make_plan(config, "cpu"), tmp_path / name) for name, config in both(sets).items()]
        results = run_plans(plans, device="cpu", executor=executor.predict, progress=heard)
    assert not any(isinstance(each, UserError) for each in results)
    for name, wanted in local.items():
        assert content(tmp_path / name) == wanted
    refused = [line for line in heard.lines if line.endswith(" is refused: torch is 1 there and 2 here")]
    dead = [
        line
        for line in heard.lines
        if line.endswith(" died while it started (ImportError: cannot import name 'Study')")
    ]
    assert len(refused) == 1
    assert refused + dead == sorted(heard.lines)
    assert len(dead) in range(1, 4)


def test_rays_own_words_for_another_version_are_understood(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray
    from ray._private.utils import check_version_info

    def init(**_: object) -> None:
        check_version_info({"ray_version": "2.58.0", "python_version": "3.9.1"}, "node 10.0.0.7")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(UserError) as error, opened(Execution(executor="ray", address=nodes.address), "cpu"):
        pass
    here = ".".join(map(str, sys.version_info[:3]))
    assert str(error.value) == (
        f"the cluster at {nodes.address} runs Ray 2.58.0, this machine {ray.__version__}; Python 3.9.1, this machine"
        f" {here}; install the same on every node"
    )


def test_a_cluster_is_not_stopped_by_a_command_that_joins_it(nodes: Nodes) -> None:
    import ray

    for _ in range(2):
        with opened(Execution(executor="ray", address=nodes.address, workers=1), "cpu"):
            assert ray.is_initialized()
        assert not ray.is_initialized()
