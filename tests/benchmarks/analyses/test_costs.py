"""Costs: counted right, kept apart from what is the same every time, and measured once."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from sgz_bench import load_run
from sgz_bench.benchmarks.analyses import costs
from sgz_bench.benchmarks.analyses.costs import Cost, read_costs
from sgz_bench.benchmarks.config import StudyConfig
from sgz_bench.benchmarks.plan import Plan, make_plan
from sgz_bench.benchmarks.results import ResultRow
from sgz_bench.benchmarks.run import run_plan
from sgz_bench.core.errors import UserError
from sgz_bench.enhancer.sgz.network import FactorNetwork

ENHANCERS = ("gamma", "zero-dce(weights=ours)", "sgz(scale=1)")


def plan(*enhancers: str) -> Plan:
    config = StudyConfig(
        dataset="nightscene(frames=2)",
        model="nightscene-yolo",
        enhancers=("raw", *enhancers),
        darken="ev=3",
        replicates=100,
        permutations=100,
    )
    return make_plan(config, "cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[ResultRow]]:
    folder = tmp_path_factory.mktemp("costs") / "run"
    return folder, run_plan(plan(*ENHANCERS), folder, device="cpu")


def test_operations_and_parameters_are_those_of_the_layers(run: tuple[Path, list[ResultRow]]) -> None:
    folder, rows = run
    cost = {row.enhancer.partition("(")[0]: read_costs(folder)[row.key] for row in rows}
    assert (cost["sgz"].width, cost["sgz"].height) == (640, 384)
    layers = [layer for layer in FactorNetwork().modules() if isinstance(layer, torch.nn.Conv2d)]
    assert cost["sgz"].macs == sum(layer.weight.numel() for layer in layers) * 640 * 384
    assert cost["sgz"].parameters == 10_561
    assert (cost["gamma"].macs, cost["gamma"].parameters) == (None, 0)
    assert cost["gamma"].enhancer_ms is not None
    assert cost["sgz"].enhancer_ms is not None
    for name in ("raw", "bright"):
        assert (cost[name].enhancer_ms, cost[name].memory) == (None, None)
        assert cost[name].model_ms == cost["sgz"].model_ms


def test_memory_is_at_least_the_widest_layers_activations(run: tuple[Path, list[ResultRow]]) -> None:
    folder, rows = run
    memory = {row.enhancer.partition("(")[0]: read_costs(folder)[row.key].memory for row in rows}
    eager, fused = memory["zero-dce"], memory["sgz"]
    if eager is None or fused is None:
        pytest.skip("this system does not tell")
    assert eager > 32 * 640 * 384 * 4  # float32
    assert 3 * 640 * 384 < fused < eager / 4  # which keeps rows, not maps


def test_rows_say_which_engine_enhanced_the_images(run: tuple[Path, list[ResultRow]]) -> None:
    _, rows = run
    engines = {row.enhancer.partition("(")[0]: row.engine for row in rows}
    assert engines == {"bright": "", "raw": "", "gamma": "", "zero-dce": "eager fp32", "sgz": "fused fp32"}


def test_costs_are_columns_of_tables_and_frames(run: tuple[Path, list[ResultRow]]) -> None:
    from sgz_bench.reports.report import write_report

    folder, _ = run
    frame = load_run(folder).set_index("enhancer")
    assert frame.loc["sgz(scale=1,weights=sgz-v1)", "cost_parameters"] == 10_561
    written = {path.name: path for path in write_report(folder, ("png",))}
    table = written["comparison.md"].read_text(encoding="utf-8")
    assert "| Params | GMACs | Peak MB | Enhancer ms | Model ms |" in table
    assert "| 10.6 k | 2.48 |" in table
    assert "Costs at 640 × 384 on CPU" in table
    assert "cost_model_ms" in written["comparison.csv"].read_text(encoding="utf-8").splitlines()[0]
    assert "pareto.png" in written


def test_what_was_measured_is_kept_and_what_is_new_is_added(
    run: tuple[Path, list[ResultRow]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = run
    before, results = read_costs(folder), (folder / "results.jsonl").read_bytes()
    calls: list[str] = []
    measure = costs._cost
    monkeypatch.setattr(costs, "_cost", lambda cell, *rest: calls.append(cell.label) or measure(cell, *rest))
    monkeypatch.setattr(costs, "_milliseconds", lambda *_: 1.5)  # what is measured matters here, not how
    monkeypatch.setattr(costs, "_memory", lambda *_: 1000)
    rows = run_plan(plan(*ENHANCERS), folder, device="cpu")
    assert calls == []
    assert read_costs(folder) == before
    assert (folder / "results.jsonl").read_bytes() == results
    other = {key: asdict(replace(cost, threads=cost.threads + 1)) for key, cost in before.items()}
    (folder / "costs.json").write_text(json.dumps(other), encoding="utf-8")
    run_plan(plan(*ENHANCERS), folder, device="cpu")
    assert calls == [row.enhancer for row in rows]  # another number of threads is another time
    (folder / "costs.json").write_text("[", encoding="utf-8")
    run_plan(plan(*ENHANCERS), folder, device="cpu")
    assert set(read_costs(folder)) == set(before)


def test_what_cannot_be_counted_costs_one_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_call: object) -> int:
        raise RuntimeError("not countable")

    monkeypatch.setattr(costs, "_macs", fail)
    rows = run_plan(plan("gamma", "sgz"), tmp_path / "run", device="cpu")
    assert [row.status for row in rows] == ["ok"] * 4
    measured = read_costs(tmp_path / "run")
    assert set(measured) == {row.key for row in rows}
    assert measured[rows[-1].key].macs is None
    assert measured[rows[-1].key].enhancer_ms is not None


def test_damage_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "costs.json").write_text('{"key": {"width": 3}}', encoding="utf-8")
    with pytest.raises(UserError, match=r"costs\.json is damaged .*; repeat the run's command"):
        read_costs(tmp_path)
    (tmp_path / "costs.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(UserError, match=r"costs\.json is damaged"):
        read_costs(tmp_path)
    assert read_costs(tmp_path / "elsewhere") == {}


def test_a_frontier_holds_what_nothing_cheaper_matches() -> None:
    from sgz_bench.reports.figures.pareto import frontier

    assert frontier([(5, 2), (1, 1), (2, -3), (3, 1), (4, 2.5), (9, 2.5)]) == [(1, 1), (4, 2.5)]
    assert frontier([(1, -1), (2, 0)]) == []


def test_a_cost_is_written_with_three_digits() -> None:
    from sgz_bench.reports.numbers import short_count, three_digits

    values = (0.04836, 36.14, 1296.2, 0.0, 9.999, None)
    assert [three_digits(value) for value in values] == ["0.0484", "36.1", "1296", "0", "10.00", "–"]
    assert [short_count(number) for number in (258, 10_561, 1_609_830, None)] == ["258", "10.6 k", "1.61 M", "–"]


def test_cost_fields_are_those_of_the_documents() -> None:
    documented = (Path(__file__).parents[3] / "docs" / "results.md").read_text(encoding="utf-8")
    for name in Cost.__dataclass_fields__:
        assert f"`{name}`" in documented, name
