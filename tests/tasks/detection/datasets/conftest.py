"""Small data sets, written afresh for every test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Draw = Callable[..., Path]


@pytest.fixture
def draw() -> Draw:
    """``draw(path, width=100, height=50, mode="RGB", **save options)`` writes an image of noise and its folders."""

    def write(path: Path, width: int = 100, height: int = 50, mode: str = "RGB", **options: object) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(len(path.name)).integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(noise).convert(mode).save(path, **options)
        return path

    return write


@pytest.fixture
def write() -> Callable[[Path, str], Path]:
    """``write(path, text)`` writes a text file as it is, and its folders."""

    def to(path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return path

    return to
