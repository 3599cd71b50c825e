"""Gates, fused rows and oracles: the same as predicting, from what other rows have predicted already."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sgz_bench.benchmarks.analyses.costs import read_costs
from sgz_bench.benchmarks.config import StudyConfig
from sgz_bench.benchmarks.decisions.evidence import Evidence
from sgz_bench.benchmarks.decisions.oracle import choose_pictures, mixture, summary
from sgz_bench.benchmarks.plan import Plan, make_plan
from sgz_bench.benchmarks.results import ResultRow
from sgz_bench.benchmarks.run import run_plan
from sgz_bench.benchmarks.store import LOG, cell_folder, read_log
from sgz_bench.core.errors import UserError
from sgz_bench.core.specs import parse_spec
from sgz_bench.tasks.detection.fusion import fused_detections

GATE = "gate(gamma,luma<9)"  # between the frames' values
MODELS = {"detection": "nightscene-yolo(imgsz=320)", "segmentation": "nightscene-fpn"}


def plan(task: str, *enhancers: str) -> Plan:
    config = StudyConfig(
        task=task,
        dataset="nightscene(frames=12)",
        model=MODELS[task],
        enhancers=("raw", *enhancers),
        replicates=100,
        permutations=100,
    )
    return make_plan(config, "cpu")


@pytest.fixture(scope="module", params=list(MODELS))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan, list[ResultRow]]:
    folder = tmp_path_factory.mktemp("combined") / request.param
    made = plan(request.param, GATE, "both(clahe)", "oracle(gamma)", "oracle")
    return folder, made, run_plan(made, folder, device="cpu")


def row(rows: list[ResultRow], name: str, inner: str = "") -> ResultRow:
    wanted = [each for each in rows if parse_spec(each.enhancer).name == name]
    return next(each for each in wanted if parse_spec(each.enhancer).inner.startswith(inner))


def test_the_inner_enhancers_come_along_and_bounds_come_last(run: tuple[Path, Plan, list[ResultRow]]) -> None:
    assert [each.enhancer for each in run[2]] == [
        "bright",
        "raw",
        "gamma(gamma=0.45)",
        "gate(gamma(gamma=0.45),luma<9)",
        "clahe(clip=2,tiles=8)",
        "both(clahe(clip=2,tiles=8))",
        "oracle(gamma(gamma=0.45))",
        "oracle",
    ]
    assert all(each.status == "ok" for each in run[2])


def test_a_gates_row_is_what_predicting_its_pictures_gives(
    run: tuple[Path, Plan, list[ResultRow]], tmp_path: Path
) -> None:
    folder, made, _ = run
    alone = replace(made, cells=tuple(replace(cell, sources=()) for cell in made.cells if "both" not in cell.label))
    alone = replace(alone, cells=tuple(cell for cell in alone.cells if "oracle" not in cell.label))
    run_plan(alone, tmp_path / "alone", device="cpu")
    (gate,) = (cell for cell in made.cells if cell.label.startswith("gate"))
    files = sorted(path.relative_to(folder) for path in cell_folder(folder, gate.key).rglob("*") if path.is_file())
    assert len(files) > 1
    for name in files:
        if name.name != "row.json":  # which has differences from the same raw row, but other p-values by Holm
            assert (folder / name).read_bytes() == (tmp_path / "alone" / name).read_bytes(), name


def test_a_gate_takes_raws_and_the_inner_enhancers_records(run: tuple[Path, Plan, list[ResultRow]]) -> None:
    folder, _, rows = run
    gate, raw, inner = (read_log(cell_folder(folder, row(rows, name).key) / LOG) for name in ("gate", "raw", "gamma"))
    opened = {image for image, record in gate.items() if record == inner[image]}
    for record in raw.values():
        record.pop("luminance", None)  # which is measured in the raw row alone
    closed = {image for image, record in gate.items() if record == raw[image]} - opened
    assert opened
    assert closed
    assert opened | closed == set(gate)


def test_repeating_the_command_changes_no_byte_and_predicts_nothing(
    run: tuple[Path, Plan, list[ResultRow]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, made, _ = run

    def content() -> dict[str, bytes]:
        paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
        return {str(path): path.read_bytes() for path in paths}

    before = content()

    def predict(*_: object) -> None:
        raise AssertionError("nothing is left to predict")

    monkeypatch.setattr(type(made.task), "predict", predict)
    run_plan(made, folder, device="cpu")
    assert content() == before


def test_costs_are_of_both_passes_and_of_the_mean_image(run: tuple[Path, Plan, list[ResultRow]]) -> None:
    folder, _, rows = run
    costs = read_costs(folder)
    both, raw = costs[row(rows, "both").key], costs[row(rows, "raw").key]
    assert raw.model_ms is not None
    assert both.model_ms == 2 * raw.model_ms
    assert both.enhancer_ms is not None
    assert costs[row(rows, "gate").key].enhancer_ms is not None
    assert costs[row(rows, "oracle").key].model_ms is None


def test_oracles_are_bounds_that_nothing_deployable_exceeds(run: tuple[Path, Plan, list[ResultRow]]) -> None:
    folder, _, rows = run
    evidence = Evidence.read(folder)
    lead = {each.enhancer: each.metrics[evidence.lead] or 0 for each in rows}
    one, every = lead["oracle(gamma(gamma=0.45))"], lead["oracle"]
    assert one >= max(lead["raw"], lead["gamma(gamma=0.45)"], lead["gate(gamma(gamma=0.45),luma<9)"])
    assert every >= max(one, lead["clahe(clip=2,tiles=8)"])
    for each in rows:
        assert (each.enhancer in evidence.enhancers) == (each.enhancer != "raw" and not each.bound)
        if each.bound and each.enhancer != "bright":
            assert each.delta[evidence.lead]["p_holm"] is None
    expected = dict.fromkeys(("gamma(gamma=0.45)",), lead["oracle(gamma(gamma=0.45))"])
    found = summary(evidence)
    assert set(found) == set(evidence.enhancers)
    for label, value in expected.items():
        assert found[label]["delta"] == pytest.approx(value - lead["raw"], abs=0.02)


def test_the_choice_is_near_the_best_of_all_choices(detection_evidence: Evidence) -> None:
    images = np.arange(7)
    systems = [detection_evidence.statistics[label].subset(images) for label in ("raw", "gamma(gamma=0.45)")]
    ones = np.ones((1, 7), dtype=np.int32)

    def lead(choice: np.ndarray) -> float:
        return float(mixture(systems, choice).scores(ones).overall["AP50"][0])

    values = [lead(np.array(each)) for each in itertools.product((0, 1), repeat=7)]
    found = lead(choose_pictures(detection_evidence.task, systems))
    assert found <= max(values) + 1e-12
    assert found >= max(values) - 0.01
    assert values[0] == detection_evidence.raw.subset(images).scores(ones).overall["AP50"][0]


@pytest.fixture(scope="module")
def detection_evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    folder = tmp_path_factory.mktemp("evidence") / "run"
    run_plan(plan("detection", "gamma"), folder, device="cpu")
    return Evidence.read(folder)


def test_fused_boxes_are_means_weighted_by_score() -> None:
    first = [{"category_id": 3, "bbox": [10.0, 10.0, 40.0, 20.0], "score": 0.6}]
    second = [
        {"category_id": 3, "bbox": [12.0, 10.0, 40.0, 20.0], "score": 0.2},
        {"category_id": 1, "bbox": [70.0, 10.0, 10.0, 10.0], "score": 0.5},
    ]
    fused = fused_detections([first, second], 100, 50)
    assert [each["category_id"] for each in fused] == [3, 1]
    assert fused[0]["score"] == pytest.approx(0.4)
    assert fused[0]["bbox"] == pytest.approx([10 * 0.75 + 12 * 0.25, 10, 40, 20], abs=1e-4)
    assert fused[1]["score"] == pytest.approx(0.25)  # on one picture of two
    assert fused[1]["bbox"] == pytest.approx([70, 10, 10, 10], abs=1e-4)
    assert fused_detections([[], []], 100, 50) == []


def test_a_gate_that_makes_no_difference_is_told(tmp_path: Path) -> None:
    said: list[str] = []
    made = plan("detection", "gate(gamma,luma<1)", "gate(gamma,luma<200)")
    rows = run_plan(made, tmp_path / "run", device="cpu", say=said.append)
    assert [line[:57] for line in said] == [
        "warning: gate(gamma(gamma=0.45),luma<1) enhances none of ",
        "warning: gate(gamma(gamma=0.45),luma<200) enhances all of",
    ]
    metrics = {each.enhancer: each.metrics for each in rows}
    assert metrics["gate(gamma(gamma=0.45),luma<1)"] == metrics["raw"]
    assert metrics["gate(gamma(gamma=0.45),luma<200)"] == metrics["gamma(gamma=0.45)"]


def test_a_row_fails_with_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan("detection", "gate(gamma,luma<200)", "both(clahe)")
    (gamma,) = (cell.view.enhancer for cell in made.cells if cell.label == "gamma(gamma=0.45)")

    def broken(*_: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(gamma, "enhance_image", broken)
    rows = {each.enhancer: each for each in run_plan(made, tmp_path / "run", device="cpu")}
    assert rows["gate(gamma(gamma=0.45),luma<200)"].error == rows["gamma(gamma=0.45)"].error
    assert "broken" in (rows["gamma(gamma=0.45)"].error or "")
    assert rows["both(clahe(clip=2,tiles=8))"].status == "ok"


def test_an_oracle_without_enhancers_is_refused() -> None:
    with pytest.raises(UserError, match="oracle chooses among the enhancers of the study, and there is none"):
        plan("detection", "oracle")


def test_logs_hold_one_line_per_image_in_order(run: tuple[Path, Plan, list[ResultRow]]) -> None:
    folder, made, _ = run
    ids = [sample.id for sample in made.dataset.samples]
    for cell in made.cells:
        lines = (cell_folder(folder, cell.key) / LOG).read_text().splitlines()
        assert [json.loads(line)["image_id"] for line in lines] == ids
