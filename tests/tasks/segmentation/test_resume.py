"""A segmenter's training that was killed ends with the bytes of one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sgz_bench.tasks.segmentation.start import network_plan
from sgz_bench.tasks.segmentation.trainer import SegmentationRecipe, train_segmenter
from sgz_bench.tasks.training_state import CHECKPOINT, LOG, TrainingState

MODEL = (
    "smp:fpn(encoder=tu-tf_mobilenetv3_small_minimal_100,decoder_pyramid_channels=32,decoder_segmentation_channels=32,"
    "decoder_dropout=0.2)"
)
RECIPE = SegmentationRecipe(height=32, width=64, batch=2, epochs=4, lr=0.003)  # ten steps, 2½ per epoch

SCRIPT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_resume
from sgz_bench.tasks import training_state

def progress(step, steps, loss):
    if step == 7:
        os.kill(os.getpid(), signal.SIGKILL)

training_state.EVERY = training_state._SHARE = 0
test_resume.train(Path(sys.argv[2]), progress)
"""


class KilledError(Exception):
    pass


@pytest.fixture(autouse=True)
def _frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sgz_bench.tasks.training_state.EVERY", 0)
    monkeypatch.setattr("sgz_bench.tasks.training_state._SHARE", 0)


def train(
    folder: Path,
    progress: Callable[[int, int, float], None] = lambda *_: None,
    notes: list[str] | None = None,
    recipe: SegmentationRecipe = RECIPE,
) -> float:
    rng = np.random.default_rng(0)
    pairs = []
    for index in range(5):
        labels = np.zeros((40, 70), np.uint8)
        labels[:, 30 + index :] = 1
        pairs.append((rng.integers(0, 255, (40, 70, 3)).astype(np.uint8) // (1 + labels[..., None]), labels))
    plan, _ = network_plan(MODEL, ["left", "right"])
    state = TrainingState(
        folder, {"recipe": recipe.model_dump(mode="json")}, (notes if notes is not None else []).append
    )
    return train_segmenter(pairs, plan, recipe, 1, folder / "model", progress=progress, state=state).loss


def stop_at(step: int) -> Callable[[int, int, float], None]:
    def progress(done: int, _steps: int, _loss: float) -> None:
        if done == step:
            raise KilledError

    return progress


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """Folder and final loss of a training without interruption and checkpoints."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, train(folder)


def _same(folder: Path, whole: Path) -> None:
    for name in ("model.safetensors", "model.yaml", LOG):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.slow
def test_a_training_stopped_in_every_epoch_ends_the_same(tmp_path: Path, whole: tuple[Path, float]) -> None:
    notes: list[str] = []
    for step in (2, 4, 7, 10):
        with pytest.raises(KilledError):
            train(tmp_path, stop_at(step), notes)
        assert (tmp_path / CHECKPOINT).exists() == (step > 3)
    assert train(tmp_path, notes=notes) == whole[1]
    assert notes == [f"resumes after step {step} of 10" for step in (3, 5, 8)]
    _same(tmp_path, whole[0])
    rows = [line.split(",") for line in (whole[0] / LOG).read_text().splitlines()]
    assert [row[:2] for row in rows] == [["epoch", "step"], ["1", "3"], ["2", "5"], ["3", "8"], ["4", "10"]]


@pytest.mark.slow
def test_a_killed_process_leaves_what_the_next_one_needs(tmp_path: Path, whole: tuple[Path, float]) -> None:
    command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(tmp_path)]
    killed = subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": "5"}, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    notes: list[str] = []
    train(tmp_path, notes=notes)
    assert notes == ["resumes after step 5 of 10"]
    _same(tmp_path, whole[0])


def test_a_checkpoint_of_another_recipe_is_not_used(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        train(tmp_path, stop_at(4))
    notes: list[str] = []
    other = RECIPE.model_copy(update={"lr": 0.001, "epochs": 1})
    train(tmp_path, notes=notes, recipe=other)
    train(tmp_path / "fresh", recipe=other)
    assert notes == [f"{tmp_path / CHECKPOINT} is of a training that differs in recipe; the training starts over"]
    _same(tmp_path, tmp_path / "fresh")
