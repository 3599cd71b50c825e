"""Class lists, label ids and the small shared types of the package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

CLASSES = (
    "Bicycle", "Boat", "Bottle", "Bus", "Car", "Cat", "Chair", "Cup", "Dog", "Motorbike", "People", "Table",
)  # fmt: skip
LIGHTING = ("Low", "Ambient", "Object", "Single", "Weak", "Strong", "Screen", "Window", "Shadow", "Twilight")
KINDS = ("street", "room", "waterside")
CITYSCAPES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
    "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
VOID = 255

CLASS_ID = {name: i for i, name in enumerate(CLASSES)}
LABEL_ID = {name: i for i, name in enumerate(CITYSCAPES)} | {"void": VOID}

RGB = tuple[int, int, int]
U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Rng = np.random.Generator
Points = Sequence[tuple[float, float]]
T = TypeVar("T")


def pick(rng: Rng, options: Sequence[T]) -> T:
    """One element of ``options``, all equally likely."""
    return options[int(rng.integers(len(options)))]


def chance(rng: Rng, p: float) -> bool:
    """True with probability ``p``."""
    return bool(rng.random() < p)


def between(rng: Rng, lo: float, hi: float) -> float:
    """A float drawn uniformly from [lo, hi)."""
    return lo + (hi - lo) * float(rng.random())


def vary(rng: Rng, colour: RGB, amount: float = 14) -> RGB:
    """``colour`` (sRGB 0..255) with a common shift and a smaller shift per channel."""
    common = (float(rng.random()) - 0.5) * 2 * amount
    r, g, b = (max(4, min(250, round(c + common + (float(rng.random()) - 0.5) * amount))) for c in colour)
    return r, g, b


def scaled(colour: RGB, factor: float) -> RGB:
    """``colour`` times ``factor``, kept within 0..255."""
    r, g, b = (max(0, min(255, round(c * factor))) for c in colour)
    return r, g, b


def mixed(a: RGB, b: RGB, t: float) -> RGB:
    """The colour a share ``t`` (0..1) of the way from ``a`` to ``b``."""
    x, y, z = (round(p + (q - p) * t) for p, q in zip(a, b, strict=True))
    return x, y, z
