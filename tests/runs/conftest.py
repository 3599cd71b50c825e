"""A small data set of real-looking noise with boxes, in YOLO layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def small_set(tmp_path: Path) -> Path:
    """Eight 96×64 pictures in ``images/val`` with two boxes each in ``labels/val``."""
    root = tmp_path / "set"
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
