"""ACDC's loader on small trees in its layout, and on a rendered world that is written in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import read_image
from sgz_bench.tasks.nightscene import render_frame
from sgz_bench.tasks.nightscene.layout import World, make
from sgz_bench.tasks.segmentation.datasets import load_dataset, read_invalid, read_labels


def frame(root: Path, condition: str, split: str, stem: str, *, top: str = "", labelled: bool = True) -> None:
    """One 8×6 frame of a sequence, with its reference, its map and its mask of invalid pixels."""
    sequence = stem.partition("_")[0]
    labels = f"{top.replace('rgb_anon_', 'gt_')}gt/{condition}/{split}/{sequence}/{stem}"
    files = {
        f"{top}rgb_anon/{condition}/{split}/{sequence}/{stem}_rgb_anon.png": "RGB",
        f"{top}rgb_anon/{condition}/{split}_ref/{sequence}/{stem}_rgb_ref_anon.png": "RGB",
    }
    if labelled:
        files |= {f"{labels}_gt_labelTrainIds.png": "L", f"{labels}_gt_invIds.png": "L"}
    for name, mode in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, (8, 6)).save(root / name)


@pytest.mark.parametrize("top", ["", "rgb_anon_trainvaltest/"])
def test_all_four_conditions_are_found_with_or_without_the_zips_folder(tmp_path: Path, top: str) -> None:
    for condition in ("snow", "fog", "rain", "night"):
        frame(tmp_path, condition, "val", "GOPR0351_frame_000001", top=top)
    data = load_dataset("acdc", tmp_path, None)
    assert (data.name, data.split, data.aligned) == ("acdc", "val", False)
    assert [sample.attributes["condition"] for sample in data.samples] == ["fog", "night", "rain", "snow"]
    assert [sample.id for sample in data.samples] == [1, 2, 3, 4]
    assert not data.problems
    night = load_dataset("acdc(condition=night)", tmp_path, "val")
    assert night.name == "acdc(condition=night)"
    (sample,) = night.samples
    assert sample.key == "night/val/GOPR0351/GOPR0351_frame_000001"
    assert (sample.width, sample.height) == (8, 6)
    assert sample.attributes == {"condition": "night", "sequence": "GOPR0351"}
    for path, name in (
        (sample.path, "GOPR0351_frame_000001_rgb_anon.png"),
        (sample.labels, "GOPR0351_frame_000001_gt_labelTrainIds.png"),
        (sample.invalid, "GOPR0351_frame_000001_gt_invIds.png"),
        (sample.bright, "GOPR0351_frame_000001_rgb_ref_anon.png"),
    ):
        assert path is not None
        assert path.name == name


def test_test_labels_are_withheld_and_a_missing_map_elsewhere_is_named(tmp_path: Path) -> None:
    frame(tmp_path, "night", "test", "GOPR1_a", labelled=False)
    frame(tmp_path, "night", "val", "GOPR1_a")
    frame(tmp_path, "night", "val", "GOPR1_b", labelled=False)
    test = load_dataset("acdc", tmp_path, "test")
    assert [sample.labels for sample in test.samples] == [None]
    with pytest.raises(UserError, match="those of test are withheld"):
        read_labels(test, test.samples[0])
    data = load_dataset("acdc", tmp_path, "val")
    assert [sample.key for sample in data.samples] == ["night/val/GOPR1/GOPR1_a"]
    (problem,) = data.problems
    assert problem.lost
    assert problem.where == "night/val/GOPR1/GOPR1_b"
    assert "has no label map; expected" in problem.what


def test_a_mask_of_invalid_pixels_is_read_in_either_form(tmp_path: Path) -> None:
    for name in ("GOPR1_a", "GOPR1_b", "GOPR1_c"):
        frame(tmp_path, "night", "val", name)
    where = np.array([[True] * 3 + [False] * 5] * 6)
    folder = tmp_path / "gt/night/val/GOPR1"
    Image.fromarray(where.astype(np.uint8)).save(folder / "GOPR1_a_gt_invIds.png")
    (folder / "GOPR1_b_gt_invIds.png").unlink()
    Image.fromarray(where.astype(np.uint8) * 255).save(folder / "GOPR1_b_gt_invGray.png")
    (folder / "GOPR1_c_gt_invIds.png").unlink()
    first, second, third = load_dataset("acdc", tmp_path, "val").samples
    np.testing.assert_array_equal(read_invalid(first), where)
    np.testing.assert_array_equal(read_invalid(second), where)
    assert third.invalid is None
    assert read_invalid(third).shape == (6, 8)
    assert not read_invalid(third).any()


def test_a_rendered_world_says_what_the_renderer_says(tmp_path: Path) -> None:
    world = World(frames=6, seed=3, width=320, height=192)
    make(world, tmp_path / "night", workers=1)
    data = load_dataset("nightscene", tmp_path / "night", None)
    acdc = load_dataset("acdc(condition=night)", tmp_path / "night", "val")
    assert (data.name, data.split, data.aligned) == ("nightscene", "test", True)
    assert [sample.key for sample in data.samples] == [sample.key for sample in acdc.samples]
    frames = [render_frame(world.seed, index, width=world.width, height=world.height) for index in range(world.frames)]
    streets = [each for each in frames if each.kind == "street"]
    assert len(data.samples) == len(streets) > 0
    for sample, street in zip(data.samples, streets, strict=True):
        assert sample.bright is not None
        np.testing.assert_array_equal(read_labels(data, sample), street.labels)
        np.testing.assert_array_equal(read_image(sample.bright), street.bright)
        assert sample.attributes == {"lighting": street.lighting}


def test_a_rendered_world_that_lost_a_map_is_refused(tmp_path: Path) -> None:
    make(World(frames=3, seed=3, width=320, height=192), tmp_path / "night", workers=1)
    next((tmp_path / "night/gt").rglob("*.png")).unlink()
    with pytest.raises(UserError, match="is incomplete"):
        load_dataset("nightscene", tmp_path / "night", None)


@pytest.mark.parametrize(
    ("name", "split", "message"),
    [
        ("acdc", "vall", "did you mean 'val'"),
        ("acdc(condition=nigth)", "val", "did you mean 'night'"),
        ("acdc(conditions=night)", "val", "did you mean 'condition'"),
        ("acdc", "train", "found: none"),
        ("acdc(condition=fog)", "val", "found: night"),
    ],
)
def test_a_wrong_request_says_what_there_is(tmp_path: Path, name: str, split: str, message: str) -> None:
    frame(tmp_path, "night", "val", "GOPR1_a")
    with pytest.raises(UserError, match=message):
        load_dataset(name, tmp_path, split)


@pytest.mark.parametrize("folder", ["rgb_anon", "gt"])
def test_a_folder_that_is_no_acdc_is_refused(tmp_path: Path, folder: str) -> None:
    frame(tmp_path, "night", "val", "GOPR1_a")
    (tmp_path / folder).rename(tmp_path / "other")
    with pytest.raises(UserError, match=f"has no folder {folder}/"):
        load_dataset("acdc", tmp_path, "val")
