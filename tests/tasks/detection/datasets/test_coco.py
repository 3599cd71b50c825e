"""COCO JSON against what pycocotools reads from the same file."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.detection.datasets import load_dataset

Draw = Callable[..., Path]

CONTENT: dict[str, Any] = {
    "images": [
        {"id": 42, "file_name": "b.jpg", "width": 100, "height": 50, "attributes": {"weather": "fog", "iso": 800}},
        {"id": 7, "file_name": "deep/a.jpg", "width": 100, "height": 50},
    ],
    "annotations": [
        {"id": 0, "image_id": 42, "category_id": 90, "bbox": [1.5, 2.25, 30, 10], "area": 123.5, "iscrowd": 0},
        {"id": 1, "image_id": 42, "category_id": 3, "bbox": [0, 0, 100, 50], "area": 5000, "iscrowd": 1},
        {"id": 2, "image_id": 7, "category_id": 3, "bbox": [5, 5, 10, 10]},
    ],
    "categories": [{"id": 90, "name": "lamp"}, {"id": 3, "name": "car"}],
}


@pytest.fixture
def content() -> dict[str, Any]:
    return copy.deepcopy(CONTENT)


@pytest.fixture
def save(tmp_path: Path, draw: Draw) -> Callable[[dict[str, Any]], Path]:
    """Write annotations and the two images; returns the root."""

    def to(content: dict[str, Any]) -> Path:
        (tmp_path / "annotations").mkdir()
        (tmp_path / "annotations/instances_night.json").write_text(json.dumps(content))
        draw(tmp_path / "night/b.jpg")
        draw(tmp_path / "night/deep/a.jpg")
        return tmp_path

    return to


Save = Callable[[dict[str, Any]], Path]


def test_boxes_areas_and_crowds_are_those_of_pycocotools(save: Save, content: dict[str, Any]) -> None:
    from pycocotools.coco import COCO

    root = save(content)
    data = load_dataset("coco", root, "night")
    oracle = COCO(root / "annotations/instances_night.json")

    assert data.class_names == ("car", "lamp")
    assert [(sample.id, sample.key) for sample in data.samples] == [(1, "b"), (2, "deep/a")]
    expected = oracle.loadAnns(oracle.getAnnIds(imgIds=[42]))
    truth = data.samples[0].truth
    corners = [[x, y, x + w, y + h] for x, y, w, h in (each["bbox"] for each in expected)]
    np.testing.assert_array_equal(truth.boxes, corners)
    assert truth.areas.tolist() == [each["area"] for each in expected]
    assert truth.crowd.tolist() == [bool(each["iscrowd"]) for each in expected]
    assert [data.class_names[index] for index in truth.class_ids] == ["lamp", "car"]


def test_an_annotation_without_area_has_that_of_its_box(save: Save, content: dict[str, Any]) -> None:
    assert load_dataset("coco", save(content), "night").samples[1].truth.areas.tolist() == [100]


def test_attributes_of_text_are_kept(save: Save, content: dict[str, Any]) -> None:
    data = load_dataset("coco", save(content), "night")
    assert [dict(sample.attributes) for sample in data.samples] == [{"weather": "fog"}, {}]


@pytest.mark.parametrize("folder", ["images/night", "images", "."])
def test_images_may_lie_in_other_folders(save: Save, content: dict[str, Any], folder: str) -> None:
    root = save(content)
    for name in ("b.jpg", "deep/a.jpg"):
        target = root / folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (root / "night" / name).rename(target)
    assert len(load_dataset("coco", root, "night").samples) == 2


def test_the_only_annotation_file_needs_no_split_and_any_file_may_be_given(save: Save, content: dict[str, Any]) -> None:
    root = save(content)
    assert load_dataset("coco", root, None).split == "night"

    other = root / "annotations/instances_night.json"
    other.rename(root / "night.json")
    assert load_dataset("coco", root, str(root / "night.json")).split == "night"


def test_an_enhanced_png_stands_for_its_jpg(save: Save, content: dict[str, Any], draw: Draw) -> None:
    root = save(content)
    (root / "night/b.jpg").unlink()
    draw(root / "night/b.png")

    sample = load_dataset("coco", root, "night").samples[0]
    assert (sample.key, sample.path.name, len(sample.truth)) == ("b", "b.png", 2)


def test_a_missing_image_is_named(save: Save, content: dict[str, Any]) -> None:
    root = save(content)
    (root / "night/b.jpg").unlink()
    data = load_dataset("coco", root, "night")

    assert [(sample.id, sample.key) for sample in data.samples] == [(1, "deep/a")]
    assert data.problems[0].where == "b.jpg"


def test_an_image_of_another_size_is_left_out_because_its_boxes_do_not_fit(
    save: Save, content: dict[str, Any], draw: Draw
) -> None:
    root = save(content)
    draw(root / "night/b.jpg", 50, 100)
    data = load_dataset("coco", root, "night")

    assert [sample.key for sample in data.samples] == ["deep/a"]
    assert "is 50×100 but instances_night.json says 100×50" in data.problems[0].what


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bbox": [1, 2, float("nan"), 4]}, "not finite"),
        ({"bbox": [1, 2, 0, 4]}, "no positive size"),
        ({"bbox": [1, 2, 3]}, "is not [x, y, width, height]"),
        ({"bbox": None}, "is not [x, y, width, height]"),
        ({"category_id": 4}, "category_id 4 is not listed"),
        ({"area": float("inf")}, "not finite"),
    ],
)
def test_a_bad_annotation_is_named_and_the_others_are_kept(
    save: Save, content: dict[str, Any], change: dict[str, Any], reason: str
) -> None:
    content["annotations"][0] |= change
    data = load_dataset("coco", save(content), "night")

    assert [len(sample.truth) for sample in data.samples] == [1, 1]
    (problem,) = data.problems
    assert problem.where == "instances_night.json, annotation 0"
    assert reason in problem.what


def test_annotations_of_unlisted_images_are_counted(save: Save, content: dict[str, Any]) -> None:
    content["annotations"][2]["image_id"] = 99
    data = load_dataset("coco", save(content), "night")

    assert "1 annotation names no listed image; skipped" in data.problems[0].what


def test_each_mistake_is_one_line(save: Save, content: dict[str, Any]) -> None:
    root = save(content)
    with pytest.raises(UserError, match=r"no annotations/instances_nigth\.json; did you mean 'night'"):
        load_dataset("coco", root, "nigth")
    (root / "annotations/instances_day.json").write_text("[1]")
    with pytest.raises(UserError, match=r"--split is required; found in annotations/: day, night"):
        load_dataset("coco", root, None)
    with pytest.raises(UserError, match="is not COCO detection JSON"):
        load_dataset("coco", root, "day")
    (root / "annotations/instances_day.json").write_text('{"images": [')
    with pytest.raises(UserError, match=r"instances_day\.json is missing or damaged \(.*\); check the path, or"):
        load_dataset("coco", root, "day")
    (root / "annotations/instances_day.json").write_text('{"images": [], "annotations": []}')
    with pytest.raises(UserError, match="needs images, annotations, categories"):
        load_dataset("coco", root, "day")
    with pytest.raises(UserError, match=r"it has no \.json, check --root"):
        load_dataset("coco", root / "night", "night")
    with pytest.raises(UserError, match=r"nowhere\.json is missing or damaged \(.*No such file.*\); check the path"):
        load_dataset("coco", root, "nowhere.json")


@pytest.mark.parametrize("name", ["../outside/c.jpg", "/outside/c.jpg", "night/../../outside/c.jpg"])
def test_a_name_that_leaves_the_folder_is_refused(
    save: Save, content: dict[str, Any], name: str, tmp_path: Path, draw: Draw
) -> None:
    draw(tmp_path.parent / "outside/c.jpg")
    content["images"][0]["file_name"] = (
        name.replace("/outside", f"{tmp_path.parent}/outside") if name[0] == "/" else name
    )
    data = load_dataset("coco", save(content), "night")
    assert [sample.key for sample in data.samples] == ["deep/a"]
    assert any(problem.lost and "points outside the image folder" in problem.what for problem in data.problems)


@pytest.mark.parametrize(
    "name",
    [
        "../night/b.jpg",
        "/night/b.jpg",
        "/home/somebody/night/b.jpg",
        "C:\\Users\\me\\b.jpg",
        "s3://bucket/night/b.jpg?version=1",
        "http://images.example.org/night/b.jpg",
        "/data/local-files/?d=night/b.jpg",
        "..\\..\\label-studio\\media\\upload\\night\\b.jpg",
    ],
)
def test_a_path_of_another_machine_is_found_by_its_end_and_said(save: Save, content: dict[str, Any], name: str) -> None:
    content["images"][0]["file_name"] = name
    data = load_dataset("coco", save(content), "night")
    assert {Path(sample.key).name for sample in data.samples} == {"a", "b"}
    assert any("1 image found by the end of the name" in note for note in data.notes)
    assert not data.problems


def test_two_classes_of_one_name_are_refused(save: Save, content: dict[str, Any]) -> None:
    content["categories"][0]["name"] = "car"
    with pytest.raises(UserError, match="two classes called 'car'"):
        load_dataset("coco", save(content), "night")
