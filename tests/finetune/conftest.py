"""Tiny things to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Pair = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def halves() -> list[Pair]:
    """Six 48×64 images, dark at the left (class 0) and light at the right (class 1), with an unlabelled top."""
    rng = np.random.default_rng(0)
    pairs = []
    for index in range(6):
        edge = 24 + 3 * index
        labels = np.zeros((48, 64), np.uint8)
        labels[:, edge:] = 1
        image = (40 + 150 * labels[..., None] + rng.integers(0, 20, (48, 64, 3))).astype(np.uint8)
        labels[:6] = 255
        pairs.append((image, labels))
    return pairs


@pytest.fixture
def camvid_folder(tmp_path: Path, halves: list[Pair]) -> Path:
    """Those images as a CamVid of Sky and Building with two splits."""
    root = tmp_path / "camvid"
    for split, chosen in (("train", halves[:4]), ("test", halves[4:])):
        for index, (image, labels) in enumerate(chosen):
            for folder, pixels in ((split, image), (f"{split}annot", np.where(labels == 255, 11, labels))):
                (root / folder).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(root / folder / f"street_{index}.png")
    return root
