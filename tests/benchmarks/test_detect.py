"""The main job from the command line: rows, files, resume, failures, the 8-bit boundary."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import sgz_bench
from sgz_bench.__main__ import app
from sgz_bench.core.errors import UserError
from sgz_bench.enhancer.base import Enhancer

# Random weights find hundreds of boxes of every class, which is all that bookkeeping needs.
MODEL = "ssdlite320_mobilenet_v3_large(weights=random,conf=0.01,max_det=20)"


def arguments(root: Path, out: Path, *more: str) -> list[str]:
    base = ["detect", "--dataset", "yolo", "--root", root, "--split", "val", "--model", MODEL, "--out", out]
    return [str(part) for part in (*base, "--replicates", "100", "--permutations", "100", "--device", "cpu", *more)]


def detect(root: Path, out: Path, *more: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, arguments(root, out, *more), catch_exceptions=False)
    assert result.exit_code in {0, 1}, result.output
    return rows_of(out)


@pytest.fixture(scope="module")
def finished(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of raw and gamma on all pictures, not to be changed."""
    run = tmp_path_factory.mktemp("finished") / "run"
    detect(pictures, run, "--enhancers", "raw,gamma")
    return run


@pytest.fixture(scope="module")
def darkened(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on darkened pictures, not to be changed."""
    run = tmp_path_factory.mktemp("darkened") / "run"
    detect(pictures, run, "--enhancers", "clahe(clip=3.0,tiles=4),gamma", "--darken", "ev=2")
    return run


def rows_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]


def test_a_darkened_study_has_bright_raw_and_enhanced_rows(darkened: Path) -> None:
    rows = rows_of(darkened)
    assert [row["enhancer"] for row in rows] == ["bright", "raw", "clahe(clip=3,tiles=4)", "gamma(gamma=0.45)"]
    assert [row["darken"] is None for row in rows] == [True, False, False, False]
    assert {row["status"] for row in rows} == {"ok"}
    assert all(row["images"] == 8 for row in rows)
    assert rows[1]["delta"] == {}
    for row in rows[2:]:
        assert set(row["delta"]) == {"AP", "AP50", "VOC_AP50"}
        for metric, delta in row["delta"].items():
            assert delta["value"] == pytest.approx(row["metrics"][metric] - rows[1]["metrics"][metric], abs=1e-12)
            assert delta["p"] <= delta["p_holm"] <= 1
    assert rows[0]["delta"]["AP50"]["p_holm"] is None


def test_every_ap_in_a_row_is_what_pycocotools_says_of_the_exported_files(finished: Path) -> None:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    for row in rows_of(finished):
        truth = COCO(str(finished / "truth.json"))
        found = truth.loadRes(str(finished / "cells" / row["key"] / "predictions.json"))
        by_hand = COCOeval(truth, found, "bbox")
        by_hand.evaluate()
        by_hand.accumulate()
        by_hand.summarize()
        names = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
        for name, value in zip(names, by_hand.stats, strict=True):
            assert row["metrics"][name] == (None if value < 0 else pytest.approx(value, abs=1e-9))


def test_score_gives_the_metrics_of_the_row_again(finished: Path) -> None:
    row = rows_of(finished)[0]
    file = finished / "cells" / row["key"] / "predictions.json"
    result = CliRunner().invoke(app, ["score", str(file), "--json"])
    assert json.loads(result.stdout)["metrics"] == row["metrics"]


def test_enhancing_to_a_folder_first_gives_byte_identical_predictions(small_set: Path, tmp_path: Path) -> None:
    direct = detect(small_set, tmp_path / "direct", "--enhancers", "clahe", "--limit", "4")[1]
    images, enhanced = small_set / "images" / "val", tmp_path / "enhanced"
    out = enhanced / "images" / "val"
    result = CliRunner().invoke(app, ["enhance", str(images), "--enhancer", "clahe", "--out", str(out)])
    assert result.exit_code == 0, result.output
    shutil.copytree(small_set / "labels", enhanced / "labels")
    beforehand = detect(enhanced, tmp_path / "beforehand", "--enhancers", "raw", "--limit", "4")[0]
    predictions = [
        (tmp_path / run / "cells" / row["key"] / "predictions.json").read_bytes()
        for run, row in (("direct", direct), ("beforehand", beforehand))
    ]
    assert len(predictions[0]) > 1000
    assert predictions[0] == predictions[1]


def test_a_truncated_picture_is_skipped_and_named_in_every_row(small_set: Path, tmp_path: Path) -> None:
    victim = small_set / "images" / "val" / "picture_3.png"
    victim.write_bytes(victim.read_bytes()[:-100])
    rows = detect(small_set, tmp_path / "run", "--enhancers", "raw,gamma")
    assert [row["images"] for row in rows] == [7, 7]
    for row in rows:
        (skipped,) = row["skipped"]
        assert skipped["image"] == "picture_3"
        assert "damaged or cut short" in skipped["reason"]


def test_a_failing_enhancer_is_an_error_row_and_the_others_go_on(
    small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sgz_bench.enhancer.classical.tone import Gamma

    enhance = Gamma.enhance

    def fails_once(self: Enhancer, image: Any) -> Any:
        if calls.append(1) or len(calls) == 4:
            raise RuntimeError("out of\nmemory")
        return enhance(self, image)  # type: ignore[arg-type]

    calls: list[int] = []
    monkeypatch.setattr(Gamma, "enhance", fails_once)
    raw, gamma, clahe = detect(small_set, tmp_path / "run", "--enhancers", "raw,gamma,clahe")
    assert [raw["status"], gamma["status"], clahe["status"]] == ["ok", "error", "ok"]
    assert gamma["error"] == "picture_3: RuntimeError: out of memory"
    assert gamma["metrics"] == {}
    monkeypatch.setattr(Gamma, "enhance", enhance)
    assert [row["status"] for row in detect(small_set, tmp_path / "run", "--enhancers", "raw,gamma,clahe")] == [
        "ok"
    ] * 3


def test_more_enhancers_keep_the_finished_cells(finished: Path, pictures: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    logs = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("images.jsonl")}
    rows = detect(pictures, tmp_path / "run", "--enhancers", "raw,gamma,he")
    assert len(rows) == 3
    assert {path: path.stat().st_mtime_ns for path in logs} == logs


def test_another_study_needs_another_folder(small_set: Path, tmp_path: Path) -> None:
    detect(small_set, tmp_path / "run", "--enhancers", "raw", "--limit", "2")
    before = (tmp_path / "run" / "results.jsonl").read_bytes()
    with pytest.raises(UserError, match="holds another study"):
        detect(small_set, tmp_path / "run", "--enhancers", "raw", "--limit", "2", "--darken", "ev=1")
    assert (tmp_path / "run" / "results.jsonl").read_bytes() == before


def test_limit_marks_the_rows_as_partial(small_set: Path, tmp_path: Path) -> None:
    (row,) = detect(small_set, tmp_path / "run", "--enhancers", "raw", "--limit", "3")
    assert row["partial"]
    assert row["images"] == 3


def test_load_run_gives_flat_columns(finished: Path) -> None:
    rows = rows_of(finished)
    frame = sgz_bench.load_run(finished)
    assert frame["enhancer"].tolist() == ["raw", "gamma(gamma=0.45)"]
    assert frame["AP50"].tolist() == [row["metrics"]["AP50"] for row in rows]
    assert frame["delta_AP50_high"].iloc[1] == rows[1]["delta"]["AP50"]["high"]


def logged(run: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in run.rglob("images.jsonl"))


@pytest.mark.slow
def test_a_run_that_is_killed_and_repeated_ends_with_the_same_bytes(small_set: Path, tmp_path: Path) -> None:
    more = ("--enhancers", "raw,gamma,clahe", "--darken", "ev=2")
    detect(small_set, tmp_path / "whole", *more)
    command = [sys.executable, "-m", "sgz_bench", *arguments(small_set, tmp_path / "killed", *more)]
    rng = random.Random(0)
    killed = 0
    for _ in range(5):
        before = logged(tmp_path / "killed")
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and logged(tmp_path / "killed") <= before and before < 4 * 8:
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.3 if before < 4 * 8 else 6))  # amid the images, or amid start and scoring
            process.send_signal(signal.SIGKILL)
        killed += process.returncode == -signal.SIGKILL
    assert killed >= 2
    detect(small_set, tmp_path / "killed", *more)
    assert (tmp_path / "killed" / "results.jsonl").read_bytes() == (tmp_path / "whole" / "results.jsonl").read_bytes()


MISTAKES = {
    ("--enhancers", "clahee"): "did you mean 'clahe'",
    ("--enhancers", "clahe(clp=2)"): "did you mean 'clip'",
    ("--split", "tset"): "tset",
    ("--root", "nowhere"): "nowhere",
    ("--darken", "EV=3"): "did you mean 'ev'",
    ("--darken", "ev=-1"): "from 0 to 16",
    ("--until", "0"): "--until 0: give points above 0, up to 100, such as ±1.0",
    ("--until", "x"): "--until x: give points above 0",
    ("--device", "gpu"): "use auto, cpu or cuda:N",
    ("--class-map", "none.yaml"): "none.yaml",
}
COMMANDS = """
import contextlib, io, json, sys
from sgz_bench.__main__ import main
answers = []
for words in json.loads(sys.argv[1]):
    sys.argv = ["sgz-bench", *words]
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        try:
            main()
        except SystemExit as stop:
            answers.append([stop.code, stderr.getvalue()])
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[int, str, Path]]:
    """Exit code, stderr and output folder of each of ``MISTAKES``, made one after the other in one process."""
    outs = {more: tmp_path_factory.mktemp("mistake") / "run" for more in MISTAKES}
    commands = [arguments(pictures, out, *more) for more, out in outs.items()]
    command = [sys.executable, "-c", COMMANDS, json.dumps(commands)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    answers = json.loads(done.stdout.splitlines()[-1])
    return {more: (*answer, outs[more]) for more, answer in zip(MISTAKES, answers, strict=True)}


@pytest.mark.parametrize("more", MISTAKES)
def test_a_user_mistake_is_one_line_and_exit_code_2(
    answers: dict[tuple[str, str], tuple[int, str, Path]], more: tuple[str, str]
) -> None:
    code, stderr, out = answers[more]
    assert code == 2
    assert MISTAKES[more] in stderr
    assert len(stderr.strip().splitlines()) == 1
    assert not (out / "results.jsonl").exists()


@pytest.mark.assets
def test_coco128_gives_the_independently_measured_ap(assets: Path, tmp_path: Path) -> None:
    model = f"yolox:{assets}/weights/yolox_nano.onnx"
    (row,) = detect(
        assets / "data" / "coco128", tmp_path / "run", "--split", "val2017", "--enhancers", "raw", "--model", model
    )
    assert row["metrics"]["AP"] == pytest.approx(0.341, abs=0.004)
    assert row["metrics"]["AP50"] == pytest.approx(0.504, abs=0.004)


def test_a_finished_run_makes_its_report_and_compares_with_itself(darkened: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(darkened, tmp_path / "run"))
    result = CliRunner().invoke(app, ["report", str(run), "--format", "png"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "bright" in result.output
    names = {path.name for path in (run / "report").rglob("*.*")}
    assert {"comparison.md", "comparison.tex", "comparison.csv", "forest.png", "precision_recall.png"} <= names
    assert CliRunner().invoke(app, ["compare", str(run), str(run)]).exit_code == 0


def test_an_enhancer_named_twice_is_one_row(small_set: Path, tmp_path: Path) -> None:
    rows = detect(small_set, tmp_path / "run", "--enhancers", "gamma,gamma(gamma=0.45),he", "--limit", "4")
    assert [row["enhancer"] for row in rows] == ["raw", "gamma(gamma=0.45)", "he"]
    assert logged(tmp_path / "run") == 3 * 4


def test_a_picture_that_could_not_be_read_is_tried_again(
    small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sgz_bench.benchmarks.executors import local as module

    def out_of_order(path: Path) -> Any:
        if path.stem == "picture_3":
            raise UserError(f"{path} cannot be read: the network drive is away")
        return read_image(path)

    read_image = module.read_image
    monkeypatch.setattr(module, "read_image", out_of_order)
    assert detect(small_set, tmp_path / "run", "--enhancers", "raw")[0]["images"] == 7
    monkeypatch.setattr(module, "read_image", read_image)
    assert detect(small_set, tmp_path / "run", "--enhancers", "raw")[0]["images"] == 8


@pytest.mark.parametrize("box", [[0.0, 0.0, float("nan"), 1.0], [5.0, 5.0, 1.0, 1.0]])
def test_a_model_that_returns_nonsense_is_an_error_row(
    small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, box: list[float]
) -> None:
    import numpy as np

    from sgz_bench.tasks.detection.models.torchvision import TorchvisionDetector
    from sgz_bench.tasks.detection.types import Detections

    nonsense = Detections(np.array([box]), np.array([0.9]), np.array([1]))
    monkeypatch.setattr(TorchvisionDetector, "predict", lambda _self, images: [nonsense for _ in images])
    (row,) = detect(small_set, tmp_path / "run", "--enhancers", "raw")
    assert row["status"] == "error"
    assert "not finite or not in order" in row["error"]
