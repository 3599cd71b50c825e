"""A small data set of real-looking noise with boxes, in YOLO layout."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight 96×64 pictures in ``images/val`` with two boxes each in ``labels/val``, not to be changed."""
    root = tmp_path_factory.mktemp("pictures") / "set"
    rng = np.random.default_rng(0)
    for index in range(8):
        image = root / "images" / "val" / f"picture_{index}.png"
        label = root / "labels" / "val" / f"picture_{index}.txt"
        for path in (image, label):
            path.parent.mkdir(parents=True, exist_ok=True)
        smooth = np.array(Image.fromarray(rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)).resize((96, 64)))
        Image.fromarray(smooth).save(image)
        label.write_text("".join(f"{rng.integers(80)} 0.{rng.integers(3, 7)} 0.5 0.4 0.6\n" for _ in range(2)))
    return root


@pytest.fixture
def small_set(pictures: Path, tmp_path: Path) -> Path:
    """A copy of them, to do with what a test wants."""
    return Path(shutil.copytree(pictures, tmp_path / "set"))


Predictions = list[dict[str, Any]]


def make_pair(seed: int, images: int) -> tuple[dict[str, Any], Predictions, Predictions]:
    """Truth, raw predictions and enhanced predictions; all scores differ; the last class has no truth."""
    rng = np.random.default_rng(seed)
    annotations: list[dict[str, Any]] = []
    systems: tuple[Predictions, Predictions] = ([], [])
    for image_id in range(1, images + 1):
        for _ in range(int(rng.integers(1, 5))):
            box = np.concatenate([rng.uniform(0, 300, 2), rng.uniform(20, 120, 2)])
            label = {"image_id": image_id, "category_id": int(rng.integers(1, 3)), "bbox": box.tolist()}
            annotations.append(label | {"id": len(annotations) + 1, "area": float(box[2] * box[3]), "iscrowd": 0})
            for system, noise in zip(systems, (4, 9), strict=True):
                near = (box + rng.normal(0, noise, 4)).tolist()
                system.append(label | {"bbox": near, "score": float(rng.random())})
        for system in systems:
            wrong = {"image_id": image_id, "category_id": int(rng.integers(1, 4)), "bbox": [5.0, 5.0, 30.0, 30.0]}
            system.append(wrong | {"score": float(rng.random())})
    return {
        "images": [{"id": i} for i in range(1, images + 1)],
        "categories": [{"id": 1, "name": "Cat"}, {"id": 2, "name": "Dog"}, {"id": 3, "name": "Cup"}],
        "annotations": annotations,
    }, *systems


@pytest.fixture
def pair() -> Callable[[int, int], tuple[dict[str, Any], Predictions, Predictions]]:
    return make_pair
