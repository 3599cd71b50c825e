"""Runs on workers of this process, whose Ray is a fake: refusals, mixed hardware, resumed runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

from sgz_bench.benchmarks.executors import local as local_executor
from sgz_bench.benchmarks.executors import worker as workers
from sgz_bench.benchmarks.executors.messages import Host, Outcome, Shard
from sgz_bench.benchmarks.executors.opening import opened
from sgz_bench.benchmarks.executors.ray import RayExecutor
from sgz_bench.benchmarks.executors.settings import Execution
from sgz_bench.benchmarks.plan import make_plan
from sgz_bench.benchmarks.run import run_plans
from sgz_bench.core.device import limited_threads
from sgz_bench.core.errors import UserError

from .conftest import NodeWorker, Run, both, content, detection
from .fakes import Heard


def test_every_file_of_both_tasks_is_the_same(
    run: Run, sets: Path, local: dict[str, dict[str, bytes]], tmp_path: Path, heard: Heard
) -> None:
    run(both(sets), "a1", "a2")
    for name, wanted in local.items():
        assert content(tmp_path / name) == wanted
    assert heard.lines == []


def test_a_finished_run_needs_no_worker_and_stays_as_it_was(
    run: Run, sets: Path, local: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    class Fails(NodeWorker):
        def prepare(self, _studies: object) -> str:
            raise AssertionError("not needed")

    run({"boxes": detection(sets)}, "a")
    run({"boxes": detection(sets)}, "a", kind=Fails)
    assert content(tmp_path / "boxes") == local["boxes"]


def refusing(node: str, fault: Callable[[pytest.MonkeyPatch], None]) -> type[NodeWorker]:
    """Worker on whose node something is amiss."""

    class Amiss(NodeWorker):
        def _with_fault(self, call: Callable[..., Any], argument: object) -> Any:
            with pytest.MonkeyPatch.context() as patch:
                if self.node == node:
                    fault(patch)
                return call(argument)

        def prepare(self, studies: Any) -> str:
            return str(self._with_fault(super().prepare, studies))

        def run(self, shard: Shard) -> Outcome:
            outcome: Outcome = self._with_fault(super().run, shard)
            return outcome

    return Amiss


def other_field(name: str, value: str) -> Callable[[pytest.MonkeyPatch], None]:
    fields = workers.study_fields
    return lambda patch: patch.setattr(workers, "study_fields", lambda *given: fields(*given) | {name: value})


def other_bytes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(workers, "file_sha256", lambda _path: "another")


def no_file(patch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> str:
        raise UserError(f"{path} does not exist")

    patch.setattr(workers, "file_sha256", fail)


def other_weights(patch: pytest.MonkeyPatch) -> None:
    from sgz_bench.enhancer.classical.tone import Gamma

    patch.setattr(Gamma, "version", Gamma.version + 1)


def no_model(patch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise UserError("the model x.pt is not available: there is no such file; check the path")

    patch.setattr(workers, "rebuild_plan", fail)


SAME = "make them the same on every node"
FAULTS = {
    "sgz-bench": (
        other_field("sgz-bench", "0.0.1"),
        f"sgz-bench is 0.0.1 there and {version('sgz-bench')} here; {SAME}",
    ),
    "torch": (other_field("torch", "1.0"), f"torch is 1.0 there and {version('torch')} here; {SAME}"),
    "bytes": (other_bytes, "/picture_0.png has other bytes there; put the same data set on every node, or give --ship"),
    "no file": (
        no_file,
        "/picture_0.png cannot be read there; put the data set under the same path on every node, or give --ship",
    ),
    "weights": (other_weights, f"the enhancer gamma(gamma=0.45) has other weights or code there; {SAME}"),
    "no model": (no_model, "the model x.pt is not available: there is no such file; check the path"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_node_that_differs_is_refused_by_name_and_the_others_go_on(
    fault: str, run: Run, sets: Path, local: dict[str, dict[str, bytes]], tmp_path: Path, heard: Heard
) -> None:
    amiss, message = FAULTS[fault]
    run({"boxes": detection(sets)}, "bad", "good", kind=refusing("bad", amiss))
    assert content(tmp_path / "boxes") == local["boxes"]
    (line,) = heard.lines
    assert line.startswith("node machine-bad is refused: ")
    assert line.endswith(message)
    (error,) = run({"boxes": detection(sets)}, "bad", "bad", kind=refusing("bad", amiss), out=tmp_path / "none")
    assert isinstance(error, UserError)
    assert str(error) == f"no worker can run the study: {line}"


def test_a_suite_goes_on_after_a_group_that_no_node_can_run(
    join: Callable[..., None], sets: Path, local: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    class KnowsNoBoxes(NodeWorker):
        def prepare(self, studies: Any) -> str:
            return "no boxes here" if studies[0].config.task == "detection" else super().prepare(studies)

    join("a", "b")
    results = {}
    with RayExecutor(Execution(executor="ray"), "cpu", KnowsNoBoxes) as executor:  # as `sgz-bench run` does
        for name, config in both(sets).items():
            plans = [(make_plan(config, "cpu"), tmp_path / name)]
            (results[name],) = run_plans(plans, device="cpu", executor=executor.predict)
    assert str(results["boxes"]).startswith("no worker can run the study: node machine-a is refused: no boxes here")
    assert content(tmp_path / "maps") == local["maps"]


def test_rows_name_the_processors_only_if_they_differ(
    run: Run, sets: Path, local: dict[str, dict[str, bytes]], tmp_path: Path, heard: Heard
) -> None:
    class Mixed(NodeWorker):
        def host(self) -> Host:
            return super().host()._replace(processor=f"processor {self.node}")

    run({"boxes": detection(sets)}, "x", "y", kind=Mixed)
    rows = [json.loads(line) for line in (tmp_path / "boxes" / "results.jsonl").read_text().splitlines()]
    assert [row.pop("processors") for row in rows] == [["processor x", "processor y"]] * 3
    assert rows == [json.loads(line) for line in local["boxes"]["results.jsonl"].splitlines()]
    manifest = json.loads((tmp_path / "boxes" / "manifest.json").read_text())
    assert manifest["hardware"]["processors"] == ["processor x", "processor y"]
    note = "note: predicted on different processors (processor x, processor y); the last digits of results may differ"
    assert heard.lines == [note]


def test_a_run_that_goes_from_local_to_ray_and_back_notes_the_threads(
    run: Run, sets: Path, local: dict[str, dict[str, bytes]], tmp_path: Path, heard: Heard
) -> None:
    class Interrupt(Heard):
        def images(self, study: str, done: int, total: int, failed: int = 0) -> None:
            super().images(study, done, total, failed)
            if done == self.last:
                raise KeyboardInterrupt

        last = 3

    config, said = {"boxes": detection(sets)}, heard.lines
    interrupt = Interrupt()
    with pytest.raises(KeyboardInterrupt):
        run_plans(
            [(make_plan(config["boxes"], "cpu"), tmp_path / "boxes")], device="cpu", progress=interrupt, say=said.append
        )
    assert said == []
    heard.images = interrupt.images  # type: ignore[method-assign]
    interrupt.last = 6
    with limited_threads(2), pytest.raises(KeyboardInterrupt):
        run(config, "a")
    with limited_threads(1):
        run_plans([(make_plan(config["boxes"], "cpu"), tmp_path / "boxes")], device="cpu", say=said.append)
    assert said == [
        "note: resumed with 2 threads, begun with 1; the last digits of results may differ",
        "note: resumed with 1 thread, begun with 2; the last digits of results may differ",
    ]
    found = content(tmp_path / "boxes")
    assert set(found) == set(local["boxes"])
    assert json.loads(found["manifest.json"])["hardware"]["threads"] == [1, 2]


def test_the_threads_of_a_command_end_with_it() -> None:
    before = torch.get_num_threads()
    with opened(Execution(threads=before + 1), "cpu") as executor:
        assert executor is local_executor.predict
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
