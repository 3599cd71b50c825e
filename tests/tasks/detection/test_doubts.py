"""Boxes that cannot be right as a whole, by arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from sgz_bench.tasks.detection.doubts import implausible_boxes

WIDE = np.array([[100, 50]])


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, dtype=np.float64)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([(0.1, 0.1, 0.4, 0.6)], "the only box is smaller than one pixel; fractions of the image written where pixels"),
        ([(0.1, 0.1, 0.4, 0.6)] * 3, "all 3 boxes are smaller than one pixel"),
        ([(0.1, 0.1, 0.4, 0.6)] * 19 + [(10, 10, 20, 20)], "19 of 20 boxes are smaller than one pixel; fractions"),
        ([(0.5, 0.4, 1.5, 1.4)] * 3, "all 3 boxes are smaller than one pixel; fractions"),  # corners, read as sizes
        ([(40, 20, 40.5, 20.5)] * 3, "labels of another form or scale?"),
        ([(40, 20, 100, 60)] * 3, "3 of 3 boxes reach far out of their images"),
        ([(-40, 20, 10, 30)] * 3 + [(10, 10, 20, 20)] * 27, "3 of 30 boxes reach far out"),
    ],
)
def test_implausible_boxes_are_told(rows: list[tuple[float, float, float, float]], words: str) -> None:
    assert words in implausible_boxes(boxes(*rows), np.repeat(WIDE, len(rows), axis=0))


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [(0.1, 0.1, 0.4, 0.6), (10, 10, 20, 20)],
        [(40, 20, 104, 54)] * 30,
        [(40, 20, 200, 60)] * 2,
        [(40, 20, 200, 60)] * 3 + [(10, 10, 20, 20)] * 30,
    ],
)
def test_small_and_crossing_boxes_are_plausible(rows: list[tuple[float, float, float, float]]) -> None:
    assert implausible_boxes(boxes(*rows).reshape(-1, 4), np.repeat(WIDE, len(rows), axis=0)) == ""
