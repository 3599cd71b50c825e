"""Validation runs: a choice on one run, measured on another; runs that do not fit are refused in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sgz_bench.benchmarks.decisions.choice import choose
from sgz_bench.benchmarks.decisions.evidence import Evidence
from sgz_bench.benchmarks.decisions.validation import shared_images
from sgz_bench.core.errors import UserError

GAMMA, CLAHE = "gamma(gamma=0.45)", "clahe(clip=2,tiles=8)"
Change = Callable[[dict[str, Any]], None]


def changed(run: Path, folder: Path, row: Change = lambda _row: None) -> Path:
    """Copy a run and change its rows."""
    copy = Path(shutil.copytree(run, folder))
    rows = [json.loads(line) for line in (copy / "results.jsonl").read_text().splitlines()]
    for each in rows:
        row(each)
    (copy / "results.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    return copy


def other_data(row: dict[str, Any]) -> None:
    row["dataset_fingerprint"] = "0" * 64


def elsewhere(run: Path, *, renamed: int = 0, moved: int = 0, dark: bool = False) -> Path:
    """Rename the first images and move the boxes of the first ones; ``dark`` changes the predictions on raw images."""
    truth = json.loads((run / "truth.json").read_text())
    ids = sorted(image["id"] for image in truth["images"])
    for image in truth["images"]:
        if image["id"] in ids[:renamed]:
            image["file_name"] = f"other_{image['id']}.png"
    for each in truth["annotations"]:
        if each["image_id"] in ids[:moved]:
            each["bbox"][0] += 1
    (run / "truth.json").write_text(json.dumps(truth))
    if dark:
        log = run / "cells" / Evidence.read(run).rows["raw"].cells[0] / "images.jsonl"
        records = [json.loads(line) for line in log.read_text().splitlines()]
        for record in records:
            for detection in record["detections"]:
                detection["score"] *= 0.9
        log.write_text("".join(json.dumps(record) + "\n" for record in records))
    return run


@pytest.fixture
def run(detection_run: Path) -> Evidence:
    return Evidence.read(detection_run)


@pytest.fixture
def other(detection_run: Path, tmp_path: Path) -> Path:
    """The same run as if it were on other images."""
    return elsewhere(changed(detection_run, tmp_path / "validation", other_data), renamed=12, moved=12)


def test_the_choice_is_made_there_and_measured_here(run: Evidence, other: Path) -> None:
    def better(row: dict[str, Any]) -> None:
        if row["enhancer"] == GAMMA:
            row["delta"]["AP50"] |= {"value": 0.5, "low": 0.4, "high": 0.6}

    validation = Evidence.read(changed(other, other.parent / "better", better))
    choice = choose(run, validation)
    assert choice.best == GAMMA
    assert choice.find(GAMMA).validation.value == 0.5
    assert choice.gain.value == run.rows[GAMMA].delta["AP50"]["value"]
    assert (choice.splits, choice.resamples, choice.left_out) == (0, 0, ())


def test_shared_images_are_recognised_by_name_or_by_prediction(
    run: Evidence, detection_run: Path, tmp_path: Path
) -> None:
    def shared(name: str, **how: Any) -> int:
        return len(
            shared_images(run, Evidence.read(elsewhere(changed(detection_run, tmp_path / name, other_data), **how)))
        )

    assert shared("same") == 12
    assert shared("darkened", dark=True) == 12
    assert shared("renamed", renamed=12) == 12
    assert shared("renamed and darkened", renamed=7, dark=True) == 5
    assert shared("other boxes", moved=7) == 5
    assert shared("all others", renamed=12, moved=12) == 0


def test_runs_that_share_images_are_refused(run: Evidence, detection_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"shares 12 images with .* on other images"):
        choose(run, Evidence.read(detection_run))
    part = elsewhere(changed(detection_run, tmp_path / "part", other_data), renamed=11, moved=11)
    with pytest.raises(UserError, match=r"shares 1 image with .* \(first: "):
        choose(run, Evidence.read(part))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_fingerprint": "f" * 64}, r"differs from .* in model \(weights ffffffff of .*, not weights "),
        ({"classes": ["Cat"]}, r"differs from .* in classes \(Cat, not "),
        ({"protocol": "finetune"}, r"differs from .* in protocol \(finetune, not frozen\)"),
        ({"inference": {"imgsz": 32}}, r"differs from .* in settings of the model \(\{'imgsz': 32\}, not "),
    ],
)
def test_runs_of_other_models_or_classes_are_refused(
    run: Evidence, other: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        choose(run, Evidence.read(changed(other, other.parent / "changed", lambda row: row.update(change))))


def test_a_run_of_the_other_task_is_refused(run: Evidence, segmentation_run: Path) -> None:
    with pytest.raises(UserError, match=r"differs from .* in task \(segmentation, not detection\)"):
        choose(run, Evidence.read(segmentation_run))


def test_enhancers_of_one_run_alone_are_left_out_and_told(run: Evidence, other: Path) -> None:
    def trained(row: dict[str, Any]) -> None:
        if row["enhancer"] == CLAHE:
            row["enhancer_fingerprint"] = "c" * 64

    choice = choose(run, Evidence.read(changed(other, other.parent / "trained", trained)))
    assert [each.label for each in choice.candidates] == ["raw", GAMMA]
    assert choice.left_out == (CLAHE,)
    everything = changed(other, other.parent / "all", lambda row: row.update(enhancer_fingerprint="c" * 64))
    with pytest.raises(UserError, match="share no enhancer; run both with the same enhancers and weights"):
        choose(run, Evidence.read(everything))


@pytest.mark.parametrize("content", ["{}", "[]", '{"images": [3]}', '{"images": []}'])
def test_a_damaged_truth_is_named(run: Evidence, other: Path, content: str) -> None:
    (other / "truth.json").write_text(content)
    with pytest.raises(UserError, match=r"truth\.json is damaged"):
        choose(run, Evidence.read(other))
