"""A small data set of real-looking noise with boxes, in YOLO layout."""

from __future__ import annotations

import shutil
from pathlib import Path

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
