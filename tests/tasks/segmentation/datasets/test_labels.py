"""Label maps of every kind that a user may have: read exactly, or refused in one clear line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.segmentation.datasets import read_invalid, read_labels
from sgz_bench.tasks.segmentation.datasets.cityscapes import LABEL_IDS
from sgz_bench.tasks.segmentation.types import VOID, LabelledImage, SegmentationDataset

IDS = np.random.default_rng(0).integers(0, 3, (6, 8), dtype=np.uint8)


def dataset(path: Path, ids: dict[int, int], *, invalid: Path | None = None) -> SegmentationDataset:
    """One 8×6 image whose map is ``path``."""
    sample = LabelledImage(1, "a", path.with_name("a.png"), 8, 6, path, invalid)
    return SegmentationDataset("streets", "val", ("road", "sky", "car"), (sample,), ids)


def read(path: Path, ids: dict[int, int]) -> np.ndarray:
    data = dataset(path, ids)
    return read_labels(data, data.samples[0])


def test_values_become_class_ids_and_void(tmp_path: Path) -> None:
    Image.fromarray(np.array([[7, 8, 200, 9]] * 6, np.uint8).repeat(2, axis=1)).save(tmp_path / "map.png")
    found = read(tmp_path / "map.png", {7: 2, 8: 0, 9: 1, 200: VOID})
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, [[2, 2, 0, 0, 255, 255, 1, 1]] * 6)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_grey_maps_are_read_as_they_are(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(IDS).save(tmp_path / f"map.{suffix}")
    np.testing.assert_array_equal(read(tmp_path / f"map.{suffix}", {0: 0, 1: 1, 2: 2}), IDS)


@pytest.mark.parametrize("options", [{}, {"bits": 4}, {"transparency": 1}])
def test_of_a_palette_map_the_indices_count_and_not_the_colours(tmp_path: Path, options: dict[str, int]) -> None:
    picture = Image.fromarray(IDS).convert("L")
    picture.putpalette([255, 0, 0, 9, 9, 9, 0, 0, 255])
    picture.save(tmp_path / "map.png", **options)
    with Image.open(tmp_path / "map.png") as saved:
        assert saved.mode == "P"
    np.testing.assert_array_equal(read(tmp_path / "map.png", {0: 0, 1: 1, 2: 2}), IDS)


def test_a_map_of_one_bit_holds_0_and_1(tmp_path: Path) -> None:
    Image.fromarray(IDS > 0).save(tmp_path / "map.png")
    np.testing.assert_array_equal(read(tmp_path / "map.png", {0: 0, 1: 1}), IDS > 0)


def picture(kind: str) -> Image.Image:
    if kind == "16 bits":
        return Image.fromarray(IDS.astype(np.uint16))
    if kind == "32 bits":
        return Image.fromarray(IDS.astype(np.int32))
    return Image.fromarray(IDS).convert(kind)


@pytest.mark.parametrize(
    ("kind", "file", "message"),
    [
        ("16 bits", "map.png", r"map\.png has 16 bits or more per pixel; save it as an 8-bit grey PNG of ids"),
        ("32 bits", "map.tif", r"map\.tif has 16 bits or more per pixel"),
        ("RGB", "map.png", r"map\.png is not an 8-bit grey or palette image of ids \(mode RGB\)"),
        ("RGBA", "map.png", r"\(mode RGBA\); give the map of ids, not of colours"),
        ("LA", "map.png", r"\(mode LA\)"),
        ("L", "map.jpg", r"map\.jpg is a JPEG, whose compression changes ids; give a PNG"),
    ],
)
def test_maps_of_another_kind_are_refused(tmp_path: Path, kind: str, file: str, message: str) -> None:
    picture(kind).save(tmp_path / file)
    with pytest.raises(UserError, match=message):
        read(tmp_path / file, {0: 0, 1: 1, 2: 2})


def test_ids_that_the_data_set_does_not_have_are_named(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 1, 19, 20, 21, 77, 255, 255]] * 6, np.uint8)).save(tmp_path / "map.png")
    with pytest.raises(
        UserError, match=r"map\.png contains the ids 19–21, 77, which streets does not have \(known: 0–2, 255\)"
    ):
        read(tmp_path / "map.png", {0: 0, 1: 1, 2: 2, 255: VOID})


def test_a_map_of_another_size_says_both_sizes(tmp_path: Path) -> None:
    Image.new("L", (6, 8)).save(tmp_path / "map.png")
    with pytest.raises(UserError, match=r"map\.png is 6×8, its image 8×6"):
        read(tmp_path / "map.png", {0: 0})


def test_damage_is_named(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 3, (6, 8), dtype=np.uint8)
    path = tmp_path / "map.png"
    path.write_bytes(b"\x89PNG")
    with pytest.raises(UserError, match=r"map\.png is not a readable label map"):
        read(path, {0: 0})
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UserError, match=r"map\.png is damaged or cut short"):
        read(path, {0: 0})
    path.unlink()
    with pytest.raises(UserError, match=r"map\.png cannot be read: No such file"):
        read(path, {0: 0})


def test_a_mask_of_invalid_pixels_holds_no_other_values(tmp_path: Path) -> None:
    Image.new("L", (8, 6), 7).save(tmp_path / "mask.png")
    (sample,) = dataset(tmp_path / "map.png", {0: 0}, invalid=tmp_path / "mask.png").samples
    with pytest.raises(UserError, match=r"mask\.png contains 7; a mask of invalid pixels contains 0, and 1 or 255"):
        read_invalid(sample)
    with pytest.raises(UserError, match="its image 9×6"):
        read_invalid(replace(sample, width=9))


def test_label_ids_of_cityscapes_are_those_of_its_paper() -> None:
    # The names with their labelIds as cityscapesScripts prints them, in the order of the trainIds.
    names = {
        "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17, "traffic light": 19,
        "traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23, "person": 24, "rider": 25, "car": 26,
        "truck": 27, "bus": 28, "train": 31, "motorcycle": 32, "bicycle": 33,
    }  # fmt: skip
    scored = {value: index for value, index in LABEL_IDS.items() if index != VOID}
    assert scored == {value: index for index, value in enumerate(names.values())}
    assert set(LABEL_IDS) == {*range(34), 255}


def test_a_damaged_tiff_is_refused_without_warnings(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    Image.fromarray(IDS).save(tmp_path / "a.tif")
    content = bytearray((tmp_path / "a.tif").read_bytes())
    tags = int.from_bytes(content[4:8], "little") + 2
    content[tags + 6] = 255  # a count of values beyond the end of the file
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(UserError, match=r"is not a readable label map|damaged"):
        read(tmp_path / "a.tif", {0: 0, 1: 1, 2: 2})
    assert not recwarn.list
