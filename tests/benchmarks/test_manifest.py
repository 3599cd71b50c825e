"""A run's folder: one study, its manifest, and what is said of images and predictions that are not there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

from sgz_bench.__main__ import app
from sgz_bench.core.device import cpu_threads
from sgz_bench.core.errors import UserError
from sgz_bench.tasks.detection.models.torchvision import TorchvisionDetector
from sgz_bench.tasks.detection.task import DetectionTask
from sgz_bench.tasks.detection.types import Detections

MODEL = "ssdlite320_mobilenet_v3_large(weights=random,conf=0.01,max_det=20)"


def detect(root: Path, out: Path, *more: str) -> Result:
    command = ["detect", "--dataset", "yolo", "--root", root, "--split", "val", "--model", MODEL, "--out", out]
    options = ("--replicates", "100", "--permutations", "100", "--device", "cpu", "--enhancers", "raw", *more)
    return CliRunner().invoke(app, [*map(str, command), *options], catch_exceptions=False)


def contents(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def root(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures, the second truncated."""
    root = Path(shutil.copytree(pictures, tmp_path_factory.mktemp("set") / "set"))
    for path in root.rglob("picture_[3-7].*"):
        path.unlink()
    victim = root / "images" / "val" / "picture_1.png"
    victim.write_bytes(victim.read_bytes()[:-100])
    return root


@pytest.fixture(scope="module")
def finished(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run, not to be changed, and what it printed."""
    run = tmp_path_factory.mktemp("run") / "run"
    result = detect(root, run)
    assert result.exit_code == 1
    return run, result.output


@pytest.fixture
def run(finished: tuple[Path, str], tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished[0], tmp_path / "run"))


def test_an_unreadable_image_is_named_at_the_end(finished: tuple[Path, str]) -> None:
    last = finished[1].splitlines()[-1]
    assert last.startswith("left out: ")
    assert "picture_1.png is damaged or cut short" in last


def test_a_failing_metric_leaves_a_finished_run_as_it_was(root: Path, run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from sgz_bench.tasks.metric import Metric\n"
        "class Broken(Metric):\n"
        "    name, task = 'broken', 'detection'\n"
        "    def measure(self, prediction, truth):\n"
        "        raise KeyError('cars')\n"
    )
    before = contents(run)
    with pytest.raises(UserError, match="fails on picture_0: KeyError"):
        detect(root, run, "--metric", f"{tmp_path}/mine.py:Broken")
    assert contents(run) == before


def test_a_damaged_manifest_is_rebuilt_by_the_commands_repetition(root: Path, run: Path) -> None:
    before = contents(run)
    (run / "manifest.json").write_bytes(before["manifest.json"][:50])
    result = detect(root, run)
    assert "manifest.json is missing or damaged (" in result.output
    assert "rebuilt, with the versions of today" in result.output
    assert contents(run)["manifest.json"] == before["manifest.json"]
    (run / "manifest.json").write_text("{}")
    with pytest.raises(UserError, match=r"holds cells of another study; choose another --out"):
        detect(root, run, "--darken", "ev=1")
    assert (run / "manifest.json").read_text() == "{}"


def test_the_manifest_has_the_threads_and_a_resume_with_others_is_noted(root: Path, run: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    threads = torch.get_num_threads()
    assert manifest["hardware"]["threads"] == threads
    with cpu_threads(threads + 1):
        result = detect(root, run)  # tries the unreadable image again
    assert f"note: resumed with {threads + 1} threads, begun with {threads}" in result.output
    assert json.loads((run / "manifest.json").read_text())["hardware"]["threads"] == [threads, threads + 1]


def test_a_split_without_a_label_is_refused_before_anything_is_predicted(root: Path, tmp_path: Path) -> None:
    empty = Path(shutil.copytree(root, tmp_path / "set"))
    for path in (empty / "labels").rglob("*.txt"):
        path.write_text("")
    with pytest.raises(UserError, match="has no label of a scored class"):
        detect(empty, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("blind", ["raw", "every row"])
def test_a_model_that_predicts_nothing_is_told(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blind: str
) -> None:
    calls: list[int] = []

    def predict(_self: Any, images: list[Any]) -> list[Detections]:
        calls.append(len(images))
        seen = np.array([[1.0, 1, 9, 9]] if blind == "raw" and len(calls) % 2 == 0 else []).reshape(-1, 4)
        return [Detections(seen, np.full(len(seen), 0.9), np.ones(len(seen), dtype=np.int64)) for _ in images]

    monkeypatch.setattr(TorchvisionDetector, "predict", predict)
    if blind == "raw":
        result = detect(root, tmp_path / "run", "--enhancers", "raw,gamma")
        assert "warning: torchvision:ssdlite320" in result.output
        assert "predicts no scored class on any image of raw; check" in result.output
        return
    with pytest.raises(UserError, match="predicts no scored class on any image of any row; check"):
        detect(root, tmp_path / "run", "--enhancers", "raw,gamma")


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        ([[0.1, 0.2, 0.5, 0.5], [0.4, 0.4, 0.1, 0.6]], "all 2 boxes are smaller than one pixel"),
        ([[900, 10, 50, 50]] * 3, "3 of 3 boxes reach far out of their images"),
        ([[-30, 10, 80, 50], [10, 10, 20, 20]], None),
        ([], None),
    ],
)
def test_boxes_that_are_no_pixels_of_the_image_are_doubted(boxes: list[list[float]], words: str | None) -> None:
    records = {1: {"detections": [{"bbox": box, "score": 0.5, "category_id": 1} for box in boxes]}}
    doubts = DetectionTask().doubts({"images": [{"id": 1, "width": 640, "height": 480}]}, records)
    assert len(doubts) == (words is not None)
    assert words is None or words in doubts[0]
