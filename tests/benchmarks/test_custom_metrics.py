"""``--metric``: a number of the user's own in rows and tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sgz_bench.__main__ import app
from sgz_bench.core.errors import UserError

MODEL = "ssdlite320_mobilenet_v3_large(weights=random,conf=0.01,max_det=20)"
CODE = '''
from sgz_bench.tasks.metric import Metric

class Missed(Metric):
    """Boxes that are labelled and not found."""
    name, task, unit, better = "missed", "detection", "boxes", "lower"
    summary = "labelled boxes, less those found at conf or more"

    def __init__(self, conf: float = 0.5):
        self.conf = conf

    def measure(self, prediction, truth):
        return len(truth) - (prediction.scores >= self.conf).sum()

class Height(Missed):
    name, unit = "height", "pixels"
    def measure(self, prediction, truth):
        boxes = prediction.boxes
        return (boxes[:, 3] - boxes[:, 1]).max() if len(boxes) else None

class Right(Metric):
    name, task = "right", "segmentation"
    def measure(self, prediction, truth):
        return (prediction == truth)[truth < 255].mean()

class Nan(Missed):
    def measure(self, prediction, truth):
        return float("nan")

class Broken(Missed):
    def measure(self, prediction, truth):
        raise KeyError("cars")

class Badly(Missed):
    name = "AP"

class Taken(Missed):
    name = "images"

class NoMetric: ...
'''


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    return str(path)


def run(root: Path, out: Path, *more: str) -> tuple[list[dict[str, Any]], str]:
    command = ["detect", "--dataset", "yolo", "--root", root, "--split", "val", "--model", MODEL, "--out", out]
    options = ("--replicates", "100", "--permutations", "100", "--device", "cpu", "--enhancers", "raw,gamma", *more)
    result = CliRunner().invoke(app, [*map(str, command), *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()], result.output


def test_a_metric_of_a_file_is_computed_for_every_row_and_compared_with_raw(
    small_set: Path, tmp_path: Path, mine: str
) -> None:
    out = tmp_path / "run"
    rows, shown = run(small_set, out, "--metric", f"{mine}:Missed(conf=0.02)", "--metric", f"{mine}:Height")
    for row in rows:
        found = json.loads((out / "cells" / row["key"] / "predictions.json").read_text())
        missed = (2 * 8 - sum(each["score"] >= 0.02 for each in found)) / 8
        assert row["metrics"]["missed(conf=0.02)"] == pytest.approx(missed)
        tallest = {}
        for each in found:
            tallest[each["image_id"]] = max(tallest.get(each["image_id"], 0), each["bbox"][3])
        assert row["metrics"]["height(conf=0.5)"] == pytest.approx(sum(tallest.values()) / len(tallest))
        assert row["measures"]["missed(conf=0.02)"]["better"] == "lower"
        values = json.loads((out / "cells" / row["key"] / "measures.json").read_text())
        assert sum(values["missed(conf=0.02)"]) / 8 == pytest.approx(missed)
    delta = rows[1]["delta"]["missed(conf=0.02)"]
    assert delta["low"] <= delta["value"] <= delta["high"]
    assert 0 < delta["p"] <= delta["p_holm"] <= 1
    assert "labelled boxes, less those found at conf or more; mean over images, unit boxes, lower is better" in (
        " ".join(shown.split())
    )
    table = CliRunner().invoke(app, ["report", str(out), "--format", "png"], catch_exceptions=False)
    assert table.exit_code == 0
    assert "Δmissed(conf=0.02)" in (out / "report" / "tables" / "comparison.md").read_text().replace("\\", "")


def test_another_metric_scores_anew_and_predicts_nothing(small_set: Path, tmp_path: Path, mine: str) -> None:
    out = tmp_path / "run"
    before, _ = run(small_set, out, "--limit", "3")
    logs = {path: path.stat().st_mtime_ns for path in out.rglob("images.jsonl")}
    after, _ = run(small_set, out, "--limit", "3", "--metric", f"{mine}:Missed")
    assert {path: path.stat().st_mtime_ns for path in logs} == logs
    for old, new in zip(before, after, strict=True):
        assert new["key"] == old["key"]
        assert new["metrics"].items() > old["metrics"].items()
        assert new["delta"].items() >= old["delta"].items()
    again, _ = run(small_set, out, "--limit", "3")
    assert again == before
    assert not list(out.rglob("measures.json"))


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("{mine}:Broken", r"the metric missed\(conf=0.5\) fails on picture_0: KeyError: 'cars'"),
        ("{mine}:Nan", "returns nan for picture_0; return a finite number, or None without one"),
        ("{mine}:Right", "is for the task 'segmentation', not for detection"),
        ("{mine}:Badly", "use lower-case letters, digits and hyphens"),
        ("{mine}:Taken", "a metric cannot be called 'images'"),
        ("{mine}:NoMetric", "is not a subclass of Metric"),
        ("{mine}:Missed(con=1)", "has no parameter 'con'; did you mean 'conf'"),
        ("{mine}:Other", "is not available: .*mine.py has no 'Other'; known: "),
        ("niqe", "unknown metric 'niqe'"),
    ],
)
def test_what_is_no_metric_is_one_line(small_set: Path, tmp_path: Path, mine: str, metric: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        run(small_set, tmp_path / "run", "--limit", "1", "--metric", metric.format(mine=mine))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "results.jsonl").exists()


def test_runs_with_two_metrics_of_one_name_do_not_share_a_table(small_set: Path, tmp_path: Path, mine: str) -> None:
    run(small_set, tmp_path / "a", "--limit", "2", "--metric", f"{mine}:Missed")
    Path(mine).write_text(CODE.replace("len(truth) -", "2 * len(truth) -"))
    run(small_set, tmp_path / "b", "--limit", "2", "--metric", f"{mine}:Missed")
    result = CliRunner().invoke(app, ["compare", str(tmp_path / "a"), str(tmp_path / "b")])
    assert isinstance(result.exception, UserError)
    assert "metric missed(conf=0.5) differs" in str(result.exception)
