"""ACDC's loader on a rendered tree and on small trees in its layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sgz_bench.enhancer.errors import UserError
from sgz_bench.enhancer.images import read_image
from sgz_bench.tasks.nightscene import render_frame
from sgz_bench.tasks.nightscene.layout import World, make
from sgz_bench.tasks.segmentation.datasets.acdc import load_acdc, read_labels


def frame(root: Path, condition: str, split: str, stem: str, *, top: str = "", labelled: bool = True) -> None:
    """One 8×6 frame of a sequence, with its reference and its map."""
    sequence = stem.partition("_")[0]
    files = {
        f"{top}rgb_anon/{condition}/{split}/{sequence}/{stem}_rgb_anon.png": "RGB",
        f"{top}rgb_anon/{condition}/{split}_ref/{sequence}/{stem}_rgb_ref_anon.png": "RGB",
    }
    if labelled:
        files[f"{top.replace('rgb_anon_', 'gt_')}gt/{condition}/{split}/{sequence}/{stem}_gt_labelTrainIds.png"] = "L"
    for name, mode in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, (8, 6)).save(root / name)


@pytest.mark.parametrize("top", ["", "rgb_anon_trainvaltest/"])
def test_all_four_conditions_are_found_with_or_without_the_zips_folder(tmp_path: Path, top: str) -> None:
    for condition in ("fog", "night", "rain", "snow"):
        frame(tmp_path, condition, "val", "GOPR0351_frame_000001", top=top)
    data = load_acdc(tmp_path)
    assert [sample.attributes["condition"] for sample in data.samples] == ["fog", "night", "rain", "snow"]
    assert [sample.id for sample in data.samples] == [1, 2, 3, 4]
    night = load_acdc(tmp_path, "val", "night").samples
    assert [sample.key for sample in night] == ["night/val/GOPR0351/GOPR0351_frame_000001"]
    assert night[0].bright is not None
    assert night[0].attributes["sequence"] == "GOPR0351"


def test_test_labels_are_withheld_and_a_missing_map_elsewhere_is_named(tmp_path: Path) -> None:
    frame(tmp_path, "night", "test", "GOPR1_a", labelled=False)
    frame(tmp_path, "night", "val", "GOPR1_a")
    frame(tmp_path, "night", "val", "GOPR1_b", labelled=False)
    assert [sample.labels for sample in load_acdc(tmp_path, "test").samples] == [None]
    data = load_acdc(tmp_path, "val")
    assert [sample.key for sample in data.samples] == ["night/val/GOPR1/GOPR1_a"]
    (problem,) = data.problems
    assert problem.lost
    assert "GOPR1_b" in str(problem)


def test_a_rendered_world_says_what_the_renderer_says(tmp_path: Path) -> None:
    world = World(frames=6, seed=3, width=320, height=192)
    make(world, tmp_path / "night", workers=1)
    data = load_acdc(tmp_path / "night", "val", "night")
    frames = [render_frame(world.seed, index, width=320, height=192) for index in range(world.frames)]
    streets = [each for each in frames if each.kind == "street"]
    assert len(data.samples) == len(streets) > 0
    for sample, street in zip(data.samples, streets, strict=True):
        assert sample.labels is not None
        assert sample.bright is not None
        np.testing.assert_array_equal(read_labels(sample.labels), street.labels)
        np.testing.assert_array_equal(read_image(sample.bright), street.bright)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (Image.new("L", (4, 4), 19), "holds id 19"),
        (Image.fromarray(np.zeros((4, 4), np.uint16)), "not an 8-bit grey PNG"),
        (Image.new("P", (4, 4)), "not an 8-bit grey PNG"),
    ],
)
def test_maps_of_another_kind_are_refused(tmp_path: Path, picture: Image.Image, message: str) -> None:
    picture.save(tmp_path / "map.png")
    with pytest.raises(UserError, match=message):
        read_labels(tmp_path / "map.png")


def test_a_map_that_is_cut_short_is_named(tmp_path: Path) -> None:
    (tmp_path / "map.png").write_bytes(b"\x89PNG")
    with pytest.raises(UserError, match=r"map\.png is no label map"):
        read_labels(tmp_path / "map.png")


@pytest.mark.parametrize(
    ("split", "condition", "message"),
    [
        ("vall", None, "did you mean 'val'"),
        ("val", "nigth", "did you mean 'night'"),
        ("train", None, "found: none"),
        ("val", "fog", "found: night"),
    ],
)
def test_a_wrong_request_says_what_there_is(tmp_path: Path, split: str, condition: str | None, message: str) -> None:
    frame(tmp_path, "night", "val", "GOPR1_a")
    with pytest.raises(UserError, match=message):
        load_acdc(tmp_path, split, condition)


def test_a_folder_that_is_no_acdc_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no folder rgb_anon/"):
        load_acdc(tmp_path)
