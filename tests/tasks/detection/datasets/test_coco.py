"""COCO JSON against what pycocotools reads from the same file."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.detection.datasets import fingerprint, load_dataset
from sgz_bench.tasks.detection.datasets.convert import convert

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


def written(content: dict[str, Any], change: Callable[[str, Any], Any]) -> dict[str, Any]:
    """Return the document with every id passed through ``change``."""
    return {
        name: [
            {key: change(key, value) if key.endswith("id") else value for key, value in each.items()} for each in part
        ]
        for name, part in content.items()
    }


@pytest.mark.parametrize(
    "change",
    [
        lambda _, value: str(value),
        lambda _, value: float(value),
        lambda _, value: f"{value}.0",
        lambda key, value: str(value) if key == "id" else value,
        lambda key, value: value if key == "id" else f" {value} ",
        lambda _, value: {42: "0b9f-42", 7: "c1aa-7"}.get(value, value),
    ],
)
def test_ids_are_compared_by_value(save: Save, content: dict[str, Any], change: Callable[[str, Any], Any]) -> None:
    root = save(content)
    expected = load_dataset("coco", root, "night")
    (root / "annotations/instances_night.json").write_text(json.dumps(written(content, change)))
    data = load_dataset("coco", root, "night")
    assert fingerprint(data) == fingerprint(expected)
    assert not data.problems


def test_null_is_absent(save: Save, content: dict[str, Any]) -> None:
    root = save(content)
    del content["annotations"][0]["area"], content["annotations"][0]["iscrowd"]
    expected = load_dataset("coco", root, "night")
    for image in content["images"]:
        image |= {"width": None, "height": None, "attributes": image.get("attributes")}
    content["annotations"][2] |= {"area": None, "iscrowd": None, "segmentation": None}
    (root / "annotations/instances_night.json").write_text(json.dumps(content))
    data = load_dataset("coco", root, "night")
    assert data.samples[1].truth.boxes.tolist() == expected.samples[1].truth.boxes.tolist()
    assert data.samples[1].truth.areas.tolist() == [100]
    assert not data.problems


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(save: Save, content: dict[str, Any], encoding: str) -> None:
    root = save(content)
    (root / "annotations/instances_night.json").write_text(json.dumps(content), encoding=encoding)
    assert len(load_dataset("coco", root, "night").samples) == 2


def test_numbers_in_quotes_and_boxes_of_segmentations(save: Save, content: dict[str, Any]) -> None:
    first, _, third = content["annotations"]
    first |= {"bbox": ["1.5", "2.25", "30", "10"], "area": "123.5", "iscrowd": "0"}
    third |= {"bbox": None, "segmentation": [[5, 5, 15, 5, 15, 15], [7, 5, 8, 15]]}
    data = load_dataset("coco", save(content), "night")
    assert data.samples[0].truth.boxes[0].tolist() == [1.5, 2.25, 31.5, 12.25]
    assert data.samples[1].truth.boxes.tolist() == [[5, 5, 15, 15]]
    assert "1 annotation without a bbox: box of the segmentation used" in data.notes


def test_rotated_images_are_named_with_the_fix(save: Save, content: dict[str, Any], draw: Draw) -> None:
    root = save(content)
    with Image.open(draw(root / "night/b.jpg", 50, 100)) as image:
        exif = image.getexif()
        exif[274] = 6
        image.save(root / "night/b.jpg", exif=exif)
    (problem,) = load_dataset("coco", root, "night").problems
    assert "says 100×50; its boxes do not fit, as they were drawn on the image as EXIF orientation 6" in problem.what
    assert "exiftran -ai" in problem.what


def test_an_image_listed_under_two_ids_has_the_labels_of_both(save: Save, content: dict[str, Any]) -> None:
    content["images"].append(content["images"][0] | {"id": 43})
    content["annotations"][1]["image_id"] = 43
    data = load_dataset("coco", save(content), "night")
    assert [len(sample.truth) for sample in data.samples] == [2, 1]
    assert any("1 image under two ids, b.jpg first" in note for note in data.notes)


def test_two_images_of_one_id_have_no_known_labels(save: Save, content: dict[str, Any], draw: Draw) -> None:
    content["images"].append({"id": 42, "file_name": "c.jpg"})
    root = save(content)
    draw(root / "night/c.jpg")
    data = load_dataset("coco", root, "night")
    assert [sample.key for sample in data.samples] == ["deep/a"]
    assert any(problem.lost and "gives c.jpg the same id 42" in problem.what for problem in data.problems)


def test_two_unused_categories_of_a_name(save: Save, content: dict[str, Any]) -> None:
    content["categories"] += [{"id": 4, "name": "cup"}, {"id": 5, "name": "cup"}, {"id": 6, "name": "lamp"}]
    data = load_dataset("coco", save(content), "night")
    assert data.class_names == ("car", "cup", "lamp")
    assert len(data.notes) == 2


def test_a_scaled_image_is_told(save: Save, content: dict[str, Any], draw: Draw) -> None:
    root = save(content)
    draw(root / "night/b.jpg", 50, 25)
    (problem,) = load_dataset("coco", root, "night").problems
    assert "is 50×25 but instances_night.json says 100×50; its boxes do not fit: the image was scaled" in problem.what


def test_categories_that_annotations_number_from_zero_are_doubted(save: Save, content: dict[str, Any]) -> None:
    content["categories"] = [{"id": 1, "name": "car"}, {"id": 2, "name": "lamp"}]
    for annotation, category in zip(content["annotations"], (0, 1, 1), strict=True):
        annotation["category_id"] = category
    problems = load_dataset("coco", save(content), "night").problems
    assert any(problem.doubt and "category_id 0 but never 2" in problem.what for problem in problems)


def test_half_a_surrogate_pair_can_be_written(save: Save, content: dict[str, Any], tmp_path: Path) -> None:
    content["categories"][0]["name"] = "lamp\ud800"
    content["images"][0]["attributes"] = {"weather": "\udfff"}
    data = load_dataset("coco", save(content), "night")
    convert(data, "coco", tmp_path / "out")
    assert load_dataset("coco", tmp_path / "out", "night").class_names == ("car", "lamp?")


def test_a_placeholder_that_repeats_a_class_is_left_out(save: Save, content: dict[str, Any]) -> None:
    content["categories"].insert(0, {"id": 0, "name": "car", "supercategory": "none"})
    data = load_dataset("coco", save(content), "night")
    assert data.class_names == ("car", "lamp")
    assert any("category 0 in instances_night.json repeats the name 'car'" in note for note in data.notes)


@pytest.mark.parametrize(
    ("json_file", "folder", "split"),
    [
        ("night/_annotations.coco.json", "night", "night"),
        ("night/_annotations.coco.json", "night", "night/_annotations.coco.json"),
        ("night/_annotations.coco.json", "night", None),
        ("night/annotations/instances_default.json", "night/images", "night"),
        ("annotations/instances_default.json", "images", "default"),
        ("annotations/instances_default.json", "images/default", "default"),
        ("result.json", "images", None),
        ("labels.json", "data", None),
        ("annotations/night.json", "night", "night"),
        ("night.json", "night", "night"),
    ],
)
def test_layouts_of_other_tools(
    tmp_path: Path, content: dict[str, Any], draw: Draw, json_file: str, folder: str, split: str | None
) -> None:
    (tmp_path / json_file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / json_file).write_text(json.dumps(content))
    for name in ("b.jpg", "deep/a.jpg"):
        draw(tmp_path / folder / name)
    data = load_dataset("coco", tmp_path, split)
    assert [sample.key for sample in data.samples] == ["b", "deep/a"]
    assert not data.problems
    assert not data.notes


def test_the_only_other_folder_with_the_images_is_found_and_said(
    tmp_path: Path, content: dict[str, Any], draw: Draw
) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/instances_val.json").write_text(json.dumps(content))
    for name in ("b.jpg", "deep/a.jpg"):
        draw(tmp_path / "val2017" / name)
    data = load_dataset("coco", tmp_path, "val")
    assert [sample.key for sample in data.samples] == ["b", "deep/a"]
    assert data.notes == ("images found in val2017/",)
    draw(tmp_path / "train2017/b.jpg")  # another image of that name
    with pytest.raises(UserError, match="is in none of val, images/val, images"):
        load_dataset("coco", tmp_path, "val")


def test_an_image_that_was_renamed_is_missing_and_not_listed(save: Save, content: dict[str, Any]) -> None:
    root = save(content)
    (root / "night/b.jpg").rename(root / "night/z.jpg")
    data = load_dataset("coco", root, "night")
    assert [problem.where for problem in data.problems] == ["b.jpg"]
    assert data.notes == ("1 image not listed in instances_night.json, night/z.jpg first; not used",)


def test_images_that_are_not_listed_are_counted(save: Save, content: dict[str, Any], draw: Draw) -> None:
    root = save(content)
    draw(root / "night/z.jpg")
    assert load_dataset("coco", root, "night").notes == (
        "1 image not listed in instances_night.json, night/z.jpg first; not used",
    )


def test_lvis_names_images_by_their_address(tmp_path: Path, content: dict[str, Any], draw: Draw) -> None:
    for image in content["images"]:
        image["coco_url"] = f"http://images.cocodataset.org/val2017/{Path(image.pop('file_name')).name}"
    (tmp_path / "lvis_v1_val.json").write_text(json.dumps(content))
    for name in ("a.jpg", "b.jpg"):
        draw(tmp_path / "val2017" / name)
    data = load_dataset("coco", tmp_path, "lvis_v1_val")
    assert [sample.key for sample in data.samples] == ["val2017/a", "val2017/b"]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"images": [], "categories": []}, "labels are withheld"),
        ([{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}], "predictions, not labels"),
        ({"shapes": [], "imagePath": "a.jpg", "version": "5"}, "LabelMe"),
        ({"a.jpg12": {"filename": "a.jpg", "regions": []}}, "VGG Image Annotator"),
        ([{"name": "a.jpg", "labels": []}], "Scalabel"),
        ([{"image": "a.jpg", "annotations": []}], "CreateML"),
        ([{"id": 1, "data": {"image": "a"}, "annotations": []}], "Label Studio's own JSON"),
        ({"images": [], "annotations": [{"segments_info": []}], "categories": []}, "panoptic"),
        ({"images": [], "annotations": [{"caption": "x"}], "categories": []}, "captions"),
        ({"images": {}, "annotations": [], "categories": []}, "images are a mapping, not a list"),
        ({"images": [3], "annotations": [], "categories": []}, "image 1 is 3; it needs an id and a file_name"),
        ({"images": [], "annotations": [], "categories": ["car"]}, "category 1 is 'car'; it needs an id and a name"),
    ],
)
def test_other_json_is_named(save: Save, content: dict[str, Any], other: object, said: str) -> None:
    root = save(content)
    (root / "annotations/instances_night.json").write_text(json.dumps(other))
    with pytest.raises(UserError, match=f"instances_night.json is not COCO detection JSON.*{said}") as caught:
        load_dataset("coco", root, "night")
    assert "\n" not in str(caught.value)


def test_several_objects_in_a_file_are_named(save: Save, content: dict[str, Any]) -> None:
    path = save(content) / "annotations/instances_night.json"
    path.write_text('{"images": []}\n{"images": []}\n')
    with pytest.raises(UserError, match="holds several JSON objects, one after another; write them as one list"):
        load_dataset("coco", path.parent.parent, "night")


def test_a_compressed_file_is_named(save: Save, content: dict[str, Any]) -> None:
    path = save(content) / "annotations/instances_night.json"
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(UserError, match="is gzip-compressed; unpack it first"):
        load_dataset("coco", path.parent.parent, "night")
    path.rename(path.with_suffix(".json.gz"))
    with pytest.raises(UserError, match=r"night\.json\.gz is gzip-compressed; unpack it first"):
        load_dataset("coco", path.parent.parent, "night")


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


def test_rotations_beside_the_boxes_are_told(save: Save, content: dict[str, Any]) -> None:
    content["annotations"][0]["attributes"] = {"rotation": "0.0"}
    content["annotations"][2]["attributes"] = {"rotation": 45.0, "occluded": False}
    (problem,) = load_dataset("coco", save(content), "night").problems
    assert problem.doubt
    assert "1 box has a `rotation`" in problem.what


def test_a_folder_without_labels_does_not_ask_for_a_split(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no \.json of labels .*; check --root"):
        load_dataset("coco", tmp_path, None)


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
        "..\\..\\label-studio\\media\\upload\\night\\b.jpg",
    ],
)
def test_a_path_of_another_machine_is_found_by_its_end_and_said(save: Save, content: dict[str, Any], name: str) -> None:
    content["images"][0]["file_name"] = name
    data = load_dataset("coco", save(content), "night")
    assert {Path(sample.key).name for sample in data.samples} == {"a", "b"}
    assert any("1 image found by the end of the name" in note for note in data.notes)
    assert not data.problems


@pytest.mark.parametrize("name", ["/data/local-files/?d=night/b.jpg", "night\\b.jpg", "./b.jpg", "%62.jpg", "b.JPG"])
def test_separators_addresses_and_letter_case_of_a_name(save: Save, content: dict[str, Any], name: str) -> None:
    content["images"][0]["file_name"] = name
    data = load_dataset("coco", save(content), "night")
    assert {Path(sample.key).name for sample in data.samples} == {"a", "b"}
    assert not data.problems
    assert not data.notes


def test_the_missing_image_of_one_folder_is_not_taken_from_another(save: Save, content: dict[str, Any]) -> None:
    content["images"][0]["file_name"] = "train/b.jpg"  # night/b.jpg is another image
    data = load_dataset("coco", save(content), "night")
    assert [sample.key for sample in data.samples] == ["deep/a"]


def test_two_names_that_end_alike_are_no_image(save: Save, content: dict[str, Any]) -> None:
    content["images"].append({"id": 8, "file_name": "/x/b.jpg"})
    content["images"][0]["file_name"] = "/y/b.jpg"
    data = load_dataset("coco", save(content), "night")
    assert [sample.key for sample in data.samples] == ["deep/a"]
    assert sum("could mean b.jpg" in problem.what for problem in data.problems) == 2


def test_two_classes_of_one_name_are_refused(save: Save, content: dict[str, Any]) -> None:
    content["categories"][0]["name"] = "car"
    with pytest.raises(UserError, match="two classes called 'car'"):
        load_dataset("coco", save(content), "night")
