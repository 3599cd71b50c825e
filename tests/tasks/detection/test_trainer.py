"""Ultralytics' trainer: nothing but the weights comes out, the same each time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.detection.models import create_detector
from sgz_bench.tasks.detection.trainer import DetectionRecipe, _write_folder, train_detector
from sgz_bench.tasks.detection.types import Truth

TINY = DetectionRecipe(epochs=2, batch=2, imgsz=64)

# Runs in a process of its own, as what is imported or patched here would hide what a user's process does.
SCRIPT = """
import json, random, socket, sys
from pathlib import Path
import numpy as np
import torch

def refuse(*args, **kwargs):
    asked.append(str(args))
    raise OSError("no network in this test")

asked = []
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
sys.path.insert(0, sys.argv[2])
from test_trainer import TINY, squares
from sgz_bench.tasks.detection.trainer import train_detector

states = lambda: (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
before = states()
told = []
done = train_detector(squares(), ["small", "large"], "nightscene-yolo", TINY, 3, Path(sys.argv[1]),
    provenance={"by": "test"}, progress=lambda *step: told.append(step))
print(json.dumps({"asked": asked, "same": states() == before, "loss": done.loss, "taken": done.taken,
    "steps": [step[:2] for step in told], "deterministic": torch.are_deterministic_algorithms_enabled()}))
"""


def squares() -> list[tuple[np.ndarray, Truth]]:
    """Four 64×80 images with one light box each."""
    rng = np.random.default_rng(1)
    pairs = []
    for index in range(4):
        image = rng.integers(0, 50, (64, 80, 3)).astype(np.uint8)
        image[10 : 40 + index, 20:60] = 220
        box = np.array([[20.0, 10.0, 60.0, 40.0 + index]])
        pairs.append((image, Truth(box, np.array([index % 2]), np.array([1200.0]), np.array([False]))))
    return pairs


def test_training_writes_the_weights_and_nothing_else(tmp_path: Path) -> None:
    home, work, spare = (tmp_path / name for name in ("home", "work", "spare"))
    for folder in (home, work, spare):
        folder.mkdir()
    results = []
    for name, hashing, threads in (("one", "1", "1"), ("two", "2", "2")):
        env = os.environ | {
            "HOME": str(home),
            "TMPDIR": str(spare),
            "SGZ_BENCH_CACHE": str(tmp_path / "cache"),
            "PYTHONHASHSEED": hashing,
            "XDG_CONFIG_HOME": str(home / "config"),
            "OMP_NUM_THREADS": threads,
        }
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / "out" / f"{name}.pt"), str(Path(__file__).parent)]
        done = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        results.append(json.loads(done.stdout))  # and not a word besides
    assert results[0] == results[1]
    assert results[0]["asked"] == []
    assert results[0]["same"], "the process's own randomness is left alone"
    assert not results[0]["deterministic"]
    assert results[0]["steps"] == [[1, 4], [2, 4], [3, 4], [4, 4]]
    assert np.isfinite(results[0]["loss"])
    assert results[0]["taken"][0] > 0.9 * results[0]["taken"][1]
    for folder in (home, work):
        assert list(folder.iterdir()) == []
    assert list(spare.glob("sgz-bench-*")) == []  # torch keeps a folder of its own there
    one, two = ((tmp_path / "out" / f"{name}.pt").read_bytes() for name in ("one", "two"))
    assert one == two
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"one.pt", "two.pt"}
    assert str(tmp_path).encode() not in one
    detector = create_detector(f"ultralytics:{tmp_path / 'out' / 'one.pt'}(imgsz=64)")
    assert detector.class_names == ("small", "large")
    assert len(detector.predict([squares()[0][0]])) == 1


def test_labels_are_written_as_yolo_reads_them(tmp_path: Path) -> None:
    boxes = np.array([[-8.0, 0, 40, 32], [10, 10, 20, 20], [70, 50, 80, 64]])
    truth = Truth(boxes, np.array([0, 1, 2]), np.ones(3), np.array([False, True, False]))
    _write_folder([(np.zeros((64, 80, 3), np.uint8), truth)], tmp_path)
    lines = [
        [float(word) for word in line.split()] for line in (tmp_path / "labels/000000.txt").read_text().splitlines()
    ]
    # the crowd box is left out, the first is cut at the border: x 0–40 of 80, y 0–32 of 64
    assert lines == [[0, 0.25, 0.25, 0.5, 0.5], [2, 0.9375, 0.890625, 0.125, 0.21875]]


def test_an_unknown_start_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("no weights")
    for start, words in (
        ("missing.pt", "no model file at missing.pt"),
        ("missing.yaml", "is not a detector's architecture"),
        (str(tmp_path / "text.pt"), "read safely"),
    ):
        with pytest.raises(UserError, match=words):
            train_detector(squares(), ["a", "b"], start, TINY, 0, tmp_path / "m.pt")
    assert not (tmp_path / "m.pt").exists()


def test_images_without_a_box_are_refused(tmp_path: Path) -> None:
    none = Truth(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0), np.zeros(0, bool))
    with pytest.raises(UserError, match="no labelled box"):
        train_detector([(squares()[0][0], none)], ["a"], "nightscene-yolo", TINY, 0, tmp_path / "m.pt")
