"""The decision of a run: written when it ends, the same every time, without the parts that cannot be computed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sgz_bench.benchmarks.analyses import decision
from sgz_bench.benchmarks.analyses.decision import PARTS
from sgz_bench.benchmarks.config import StudyConfig
from sgz_bench.benchmarks.decisions.evidence import Evidence
from sgz_bench.benchmarks.decisions.kept import read_decision
from sgz_bench.benchmarks.plan import make_plan
from sgz_bench.benchmarks.run import run_plan
from sgz_bench.core.errors import UserError
from sgz_bench.reports.page.decision import decision as points
from sgz_bench.reports.run import FinishedRun


@pytest.mark.parametrize("fixture", ["detection_run", "segmentation_run"])
def test_every_part_is_there_and_the_page_says_it(fixture: str, request: pytest.FixtureRequest) -> None:
    run = request.getfixturevalue(fixture)
    content = read_decision(run)
    assert content["reasons"] == {}
    assert set(content) == {"of", "reasons", *PARTS}
    headings = [point.heading for point in points(FinishedRun.open(run))]
    expected = ["What to deploy", "Where in the dark", "At the operating point"]
    expected += ["What a perfect gate could add", "How many images"]
    if fixture == "segmentation_run":
        expected.remove("At the operating point")
        expected.remove("Where in the dark")  # six images are too few for a curve
    assert headings == expected


def test_the_points_are_about_the_best_enhancer_in_the_numbers_of_its_row(detection_run: Path) -> None:
    run, evidence = FinishedRun.open(detection_run), Evidence.read(detection_run)
    best = max(evidence.enhancers, key=lambda label: evidence.rows[label].delta["AP50"]["value"] or 0)
    by_heading = {point.heading: point for point in points(run)}
    name = run.study.short_labels[best]
    assert name in by_heading["At the operating point"].answer
    assert by_heading["Where in the dark"].answer.startswith(name)
    assert f"{name} is best on these images" in by_heading["What to deploy"].details[0]


def test_what_was_computed_is_kept_until_the_results_change(
    detection_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(shutil.copytree(detection_run, tmp_path / "run"))
    before = (run / "decision.json").read_bytes()
    calls: list[str] = []
    counted = {name: (lambda *_, name=name: calls.append(name) or {}) for name in PARTS}
    monkeypatch.setattr(decision, "PARTS", counted)
    config = json.loads((run / "manifest.json").read_text())["config"]
    run_plan(make_plan(StudyConfig(**config), "cpu"), run, device="cpu")
    assert (run / "decision.json").read_bytes() == before
    assert calls == []
    run_plan(make_plan(StudyConfig(**config | {"operating_point": "conf=0.5"}), "cpu"), run, device="cpu")
    assert calls == list(PARTS)


def test_one_image_is_scored_and_has_no_decision(tmp_path: Path) -> None:
    config = StudyConfig(
        dataset="nightscene(frames=1)",
        model="nightscene-yolo(imgsz=320)",
        enhancers=("gamma",),
        replicates=100,
        permutations=100,
    )
    rows = run_plan(make_plan(config, "cpu"), tmp_path / "run", device="cpu")
    assert [row.status for row in rows] == ["ok"] * len(rows)
    reasons = read_decision(tmp_path / "run")["reasons"]
    assert "choice" in reasons
    assert points(FinishedRun.open(tmp_path / "run"))


def test_a_damaged_decision_is_named(detection_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(detection_run, tmp_path / "run"))
    content = read_decision(run)
    del content["choice"]["gain"]
    (run / "decision.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"decision.json is damaged \(KeyError"):
        points(FinishedRun.open(run))
