"""A detector's training that was killed ends with the bytes of one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sgz_bench.tasks.detection.trainer import DetectionRecipe, train_detector
from sgz_bench.tasks.detection.types import Truth
from sgz_bench.tasks.training_state import CHECKPOINT, LOG, TrainingState
from sgz_bench.tasks.ultralytics import import_ultralytics

pytestmark = pytest.mark.slow
# Three batches per epoch, the last with one image; a step of the optimizer takes two, so that epochs end between steps.
# Mosaics end before the last epoch.
RECIPE = DetectionRecipe(epochs=4, batch=2, imgsz=64, optimizer="SGD", lr0=0.01, warmup_epochs=1, close_mosaic=1)

SCRIPT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_resume
from sgz_bench.tasks import training_state

def progress(step, steps, loss):
    if step == 8:
        os.kill(os.getpid(), signal.SIGKILL)

training_state.EVERY = training_state._SHARE = 0
test_resume.two_batches_per_step()
test_resume.train(Path(sys.argv[2]), progress)
"""


class KilledError(Exception):
    pass


def two_batches_per_step() -> None:
    import_ultralytics()
    from ultralytics.utils import DEFAULT_CFG

    DEFAULT_CFG.nbs = 4


@pytest.fixture(autouse=True)
def _frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    import_ultralytics()
    monkeypatch.setattr("ultralytics.utils.DEFAULT_CFG.nbs", 4)
    monkeypatch.setattr("sgz_bench.tasks.training_state.EVERY", 0)
    monkeypatch.setattr("sgz_bench.tasks.training_state._SHARE", 0)


def squares() -> list[tuple[np.ndarray, Truth]]:
    """Five 64×80 images with one light box each."""
    rng = np.random.default_rng(1)
    pairs = []
    for index in range(5):
        image = rng.integers(0, 50, (64, 80, 3)).astype(np.uint8)
        image[10 + index : 40, 20:60] = 220
        box = np.array([[20.0, 10.0 + index, 60.0, 40.0]])
        pairs.append((image, Truth(box, np.array([index % 2]), np.array([1200.0]), np.array([False]))))
    return pairs


def train(folder: Path, progress=lambda *_: None, recipe: DetectionRecipe = RECIPE, notes: list[str] | None = None):
    state = TrainingState(folder, {"recipe": recipe.model_dump()}, (notes if notes is not None else []).append)
    return train_detector(
        squares(), ["a", "b"], "nightscene-yolo", recipe, 3, folder / "model.pt", progress=progress, state=state
    )


def stop_at(step: int):
    def progress(done: int, _steps: int, _loss: float) -> None:
        if done == step:
            raise KilledError

    return progress


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training without interruption, with neither checkpoint nor log until its end."""
    import_ultralytics()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ultralytics.utils.DEFAULT_CFG.nbs", 4)
        folder = tmp_path_factory.mktemp("whole")
        train(folder)
    return folder


def _same(one: Path, other: Path) -> None:
    for name in ("model.pt", LOG):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_a_training_stopped_in_every_kind_of_epoch_ends_the_same(tmp_path: Path, whole: Path) -> None:
    notes: list[str] = []
    for step in (2, 5, 7, 12):  # in the first epoch, the second, the third, and in the last before its weights
        with pytest.raises(KilledError):
            train(tmp_path, stop_at(step), notes=notes)
        assert (tmp_path / CHECKPOINT).exists() == (step > 3)
    train(tmp_path, notes=notes)
    assert notes == [f"resumes after epoch {epoch} of 4" for epoch in (1, 2, 3)]
    _same(tmp_path, whole)
    assert (whole / LOG).read_text().splitlines()[0] == "epoch,step,loss,box_loss,cls_loss,dfl_loss"
    assert [line.split(",")[:2] for line in (whole / LOG).read_text().splitlines()[1:]] == [
        ["1", "3"], ["2", "6"], ["3", "9"], ["4", "12"],
    ]  # fmt: skip


def test_a_process_killed_in_the_third_epoch_leaves_what_the_next_one_needs(tmp_path: Path, whole: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(tmp_path)]
    killed = subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": "5"}, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    notes: list[str] = []
    train(tmp_path, notes=notes)
    assert notes == ["resumes after epoch 2 of 4"]
    _same(tmp_path, whole)


def test_even_batches_and_losses_that_change_with_the_epoch_resume(tmp_path: Path) -> None:
    """The order of the images is drawn elsewhere after a whole last batch; YOLO26 weighs its losses by the epoch."""
    recipe = RECIPE.model_copy(update={"batch": 1, "epochs": 2, "close_mosaic": 0, "optimizer": "MuSGD"})

    def once(folder: Path, progress=lambda *_: None) -> bytes:
        state = TrainingState(folder, {}, lambda _: None)
        path = folder / "model.pt"
        train_detector(squares(), ["a", "b"], "yolo26n.yaml", recipe, 0, path, progress=progress, state=state)
        return path.read_bytes()

    with pytest.raises(KilledError):
        once(tmp_path / "killed", stop_at(8))
    assert once(tmp_path / "killed") == once(tmp_path / "whole")


def test_a_damaged_checkpoint_is_named_and_the_training_starts_over(tmp_path: Path, whole: Path) -> None:
    with pytest.raises(KilledError):
        train(tmp_path, stop_at(4))
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:-1000])
    notes: list[str] = []
    train(tmp_path, notes=notes)
    assert len(notes) == 1
    assert f"{path} is damaged" in notes[0]
    _same(tmp_path, whole)
