"""``sgz-bench data check`` on segmentation data sets: what it counts and what it finds broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sgz_bench.tasks.segmentation.datasets import load_dataset
from sgz_bench.tasks.segmentation.datasets.check import OFFICIAL_IMAGES, count


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three 4×2 images: one all sky, one half road and half void, one with an id that CamVid lacks."""
    maps = {"a_1": [[0] * 4] * 2, "a_2": [[3, 3, 11, 11]] * 2, "b_1": [[0, 0, 0, 12]] * 2}
    for folder in ("test", "testannot"):
        (tmp_path / folder).mkdir()
    for stem, rows in maps.items():
        Image.fromarray(np.array(rows, np.uint8)).save(tmp_path / f"testannot/{stem}.png")
        Image.new("RGB", (4, 2)).save(tmp_path / f"test/{stem}.png")
    return tmp_path


def test_pixels_and_images_are_counted_by_class(root: Path) -> None:
    counts = count(load_dataset("camvid", root, "test"))
    assert {name: number for name, number in counts.pixels.items() if number} == {"Sky": 8, "Road": 4}
    assert {name: number for name, number in counts.images.items() if number} == {"Sky": 1, "Road": 1}
    assert (counts.void, counts.withheld, counts.sizes) == (4, 0, {(4, 2): 3})
    assert counts.attributes == {"sequence": {"a": 2, "b": 1}}


def test_ids_out_of_range_and_damaged_masks_are_named(root: Path) -> None:
    path = root / "testannot/a_1.png"
    path.write_bytes(path.read_bytes()[:45])
    first, second = count(load_dataset("camvid", root, "test")).problems
    assert "a_1.png is damaged or cut short" in str(first)
    assert str(second).startswith("b_1: ")
    assert "contains the ids 12, which camvid does not have (known: 0–11)" in str(second)


def test_a_part_is_not_held_against_the_whole(root: Path) -> None:
    assert count(load_dataset("camvid", root, "test")).official == 233
    assert count(load_dataset("camvid", root, "test", limit=2)).official is None


def test_published_counts_add_up() -> None:
    # ACDC has 4,006 annotated frames, 1,000 or (night) 1,006 a condition; Cityscapes has 5,000.
    assert sum(OFFICIAL_IMAGES["acdc", split] for split in ("train", "val", "test")) == 4006
    for condition, images in (("fog", 1000), ("night", 1006), ("rain", 1000), ("snow", 1000)):
        name = f"acdc(condition={condition})"
        assert sum(OFFICIAL_IMAGES[name, split] for split in ("train", "val", "test")) == images
    assert sum(OFFICIAL_IMAGES["cityscapes", split] for split in ("train", "val", "test")) == 5000
    assert sum(OFFICIAL_IMAGES["camvid", split] for split in ("train", "val", "test")) == 701
