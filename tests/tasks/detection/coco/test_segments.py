"""Boxes of segmentations against pycocotools."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sgz_bench.tasks.detection.coco.segments import box_of


@pytest.mark.parametrize("seed", range(20))
def test_boxes_of_run_length_codes_are_those_of_pycocotools(seed: int) -> None:
    from pycocotools import mask

    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 40, 2)
    pixels = (rng.random((height, width)) < rng.choice([0.02, 0.3, 0.95])).astype(np.uint8)
    pixels[rng.integers(height), rng.integers(width)] = 1
    code = mask.encode(np.asfortranarray(pixels))
    expected = mask.toBbox(code).tolist()
    assert box_of({"size": [int(height), int(width)], "counts": code["counts"].decode()}) == expected

    column = pixels.T.ravel()
    ends = [*(np.flatnonzero(np.diff(column)) + 1).tolist(), len(column)]
    runs = np.diff([0, *ends]).tolist()
    plain = runs if column[0] == 0 else [0, *runs]
    assert box_of({"size": [int(height), int(width)], "counts": plain}) == expected


def test_boxes_of_polygons() -> None:
    assert box_of([[1, 2, 5, 2, 5, 9], ["0.5", 4, 2, 4, 2, 5]]) == [0.5, 2, 4.5, 7]
    assert box_of([[[1, 2], [5, 2], [5, 9]]]) == [1, 2, 4, 7]
    assert box_of([1, 2, 5, 2, 5, 9]) == [1, 2, 4, 7]


@pytest.mark.parametrize(
    "segmentation",
    [
        [],
        "x",
        [[1, 2, 3]],
        [[1, None, 3, 4]],
        [3],
        {"counts": [1]},
        {"size": [2, 2], "counts": [1, 2]},
        {"size": [2, 2], "counts": [5, -1]},
        {"size": [2, 2], "counts": [4]},
        {"size": [2, 2], "counts": "\x00"},
        {"size": [2, 2], "counts": "o" * 40},
        {"size": [1e9, 2], "counts": "4"},
        {"size": ["a", 2], "counts": []},
        {"size": [2, 2], "counts": 3},
        {"size": [float("nan"), 2], "counts": [4]},
        {"size": [2, 2], "counts": [float("inf")]},
    ],
)
def test_anything_else_is_a_value_error(segmentation: Any) -> None:
    with pytest.raises(ValueError, match=r"segmentation|run-length|number"):
        box_of(segmentation)
