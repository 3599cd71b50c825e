"""The small detector that ships, and models read from safetensors beside their architecture."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from sgz_bench.__main__ import app
from sgz_bench.core.errors import UserError
from sgz_bench.tasks.classes import EXDARK_CLASSES
from sgz_bench.tasks.detection.models import create_detector

WEIGHTS = Path(str(files("sgz_bench.tasks.nightscene").joinpath("weights")))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for file in WEIGHTS.glob("nightscene-yolo.*"):
        shutil.copy(file, tmp_path)
    return tmp_path / "nightscene-yolo.safetensors"


def test_it_is_small_and_knows_exdarks_classes() -> None:
    assert (WEIGHTS / "nightscene-yolo.safetensors").stat().st_size <= 3_000_000
    assert create_detector("nightscene-yolo").class_names == EXDARK_CLASSES


def test_a_copy_elsewhere_is_the_same_model(copy: Path) -> None:
    assert create_detector(f"ultralytics:{copy}").fingerprint == create_detector("nightscene-yolo").fingerprint


def test_without_its_architecture_it_says_what_is_missing(copy: Path) -> None:
    copy.with_suffix(".yaml").unlink()
    with pytest.raises(UserError, match=r"needs its architecture beside it, in nightscene-yolo\.yaml"):
        create_detector(f"ultralytics:{copy}")


@pytest.mark.parametrize("damage", ["truncated", "other tensors", "one tensor less", "other yaml"])
def test_a_file_that_does_not_fit_is_one_clear_error(copy: Path, damage: str) -> None:
    if damage == "truncated":
        copy.write_bytes(copy.read_bytes()[:1000])
    elif damage == "other yaml":
        copy.with_suffix(".yaml").write_text("backbone: 3\n")
    else:
        state = load_file(copy)
        if damage == "other tensors":
            state = {f"other.{name}": tensor for name, tensor in state.items()}
        else:
            state.popitem()
        save_file(state, copy)
    with pytest.raises(UserError, match=r"nightscene-yolo\.safetensors does not fit"):
        create_detector(f"ultralytics:{copy}")


@pytest.mark.slow
def test_it_sees_the_bright_twins_well_and_the_dark_frames_worse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SGZ_BENCH_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "run"
    command = ["detect", "--dataset", "nightscene(frames=20,seed=99,ev=4)", "--model", "nightscene-yolo"]
    options = ["--enhancers", "raw", "--out", str(out), "--replicates", "100", "--permutations", "100"]
    result = CliRunner().invoke(app, [*command, *options], catch_exceptions=False)
    assert result.exit_code == 0
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    ap50 = {row["enhancer"]: row["metrics"]["AP50"] for row in rows}
    assert ap50["bright"] >= 0.75
    assert ap50["raw"] <= ap50["bright"] - 0.15


def test_another_architecture_is_another_model(copy: Path) -> None:
    before = create_detector(f"ultralytics:{copy}").fingerprint
    plan = copy.with_suffix(".yaml")
    plan.write_text(plan.read_text() + "activation: torch.nn.ReLU()\n")
    assert create_detector(f"ultralytics:{copy}").fingerprint != before
