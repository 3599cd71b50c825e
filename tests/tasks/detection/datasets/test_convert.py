"""Moving a split between layouts and back; and its fingerprint."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.detection.datasets import fingerprint, load_dataset
from sgz_bench.tasks.detection.datasets.convert import convert
from sgz_bench.tasks.detection.types import DetectionDataset

Draw = Callable[..., Path]


@pytest.fixture
def source(tmp_path: Path, draw: Draw) -> DetectionDataset:
    """Three images of odd sizes with boxes that no short decimal fraction can say."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for index, name in enumerate(("Cup/a.jpg", "Dog/b.v2.png", "empty.jpg")):
        width, height = 641 + 7 * index, 479 - 3 * index
        draw(tmp_path / "source/test" / name, width, height)
        images.append({"id": index, "file_name": name, "attributes": {"lighting": "Low"} if index == 0 else {}})
        for _ in range(0 if name == "empty.jpg" else 5):
            box = [*(rng.random(2) * 300).tolist(), *(rng.random(2) * 150 + 1).tolist()]
            annotations.append({"image_id": index, "category_id": 1 + len(annotations) % 2, "bbox": box})
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "Cup"}, {"id": 2, "name": "Dog"}],
    }
    (tmp_path / "source/test.json").write_text(json.dumps(content))
    return load_dataset("coco", tmp_path / "source", "test")


def assert_same(one: DetectionDataset, other: DetectionDataset, tolerance: float) -> None:
    assert [sample.key for sample in one.samples] == [sample.key for sample in other.samples]
    for first, second in zip(one.samples, other.samples, strict=True):
        assert first.path.read_bytes() == second.path.read_bytes()
        np.testing.assert_allclose(first.truth.boxes, second.truth.boxes, rtol=0, atol=tolerance)
        names = [[data.class_names[i] for i in s.truth.class_ids] for data, s in ((one, first), (other, second))]
        assert names[0] == names[1]


def test_to_yolo_and_back_keeps_pixels_to_a_millionth(source: DetectionDataset, tmp_path: Path) -> None:
    notes = convert(source, "yolo", tmp_path / "yolo")
    there = load_dataset("yolo", tmp_path / "yolo", "test")
    convert(there, "coco", tmp_path / "coco")
    back = load_dataset("coco", tmp_path / "coco", "test")

    assert not there.problems
    assert notes == ["this layout has no attributes; left out: lighting"]
    assert_same(source, there, 1e-6)
    assert_same(source, back, 1e-6)


def test_to_coco_and_back_keeps_everything(source: DetectionDataset, tmp_path: Path) -> None:
    assert convert(source, "coco", tmp_path / "coco") == []
    back = load_dataset("coco", tmp_path / "coco", "test")

    assert_same(source, back, 1e-9)
    assert [dict(sample.attributes) for sample in back.samples] == [
        dict(sample.attributes) for sample in source.samples
    ]
    assert back.class_names == source.class_names


def test_crowds_survive_in_coco_and_are_named_where_they_cannot(source: DetectionDataset, tmp_path: Path) -> None:
    sample = source.samples[0]
    crowd = dataclasses.replace(sample.truth, crowd=np.array([True, False, False, False, False]))
    crowded = dataclasses.replace(source, samples=(dataclasses.replace(sample, truth=crowd), *source.samples[1:]))

    convert(crowded, "coco", tmp_path / "coco")
    kept = load_dataset("coco", tmp_path / "coco", "test").samples[0].truth
    assert kept.crowd.tolist() == crowd.crowd.tolist()
    assert "this layout has no crowd regions; left out: 1" in convert(crowded, "yolo", tmp_path / "yolo")
    assert len(load_dataset("yolo", tmp_path / "yolo", "test").samples[0].truth) == 4


def test_to_exdark_rounds_to_whole_pixels_and_says_so(source: DetectionDataset, tmp_path: Path) -> None:
    notes = convert(source, "exdark", tmp_path / "exdark")
    there = load_dataset("exdark", tmp_path / "exdark", "test")

    assert "boxes were rounded to whole pixels" in notes
    assert not there.problems
    assert [sample.key for sample in there.samples] == ["Cup_a", "Dog_b.v2", "empty"]
    for first, second in zip(source.samples, there.samples, strict=True):
        np.testing.assert_array_equal(np.round(first.truth.boxes), second.truth.boxes)
    first_line = (tmp_path / "exdark/ExDark_Annno/Cup/Cup_a.jpg.txt").read_text().splitlines()[0]
    assert first_line == "% bbGt version=3"


def test_a_light_that_is_not_known_is_not_made_up(source: DetectionDataset, tmp_path: Path) -> None:
    convert(source, "exdark", tmp_path / "exdark")
    samples = load_dataset("exdark", tmp_path / "exdark", "test").samples

    assert [dict(sample.attributes) for sample in samples] == [{"lighting": "Low"}, {}, {}]


def test_exdark_to_exdark_loses_nothing(source: DetectionDataset, tmp_path: Path) -> None:
    convert(source, "exdark", tmp_path / "one")
    one = load_dataset("exdark", tmp_path / "one", "test")
    notes = convert(one, "exdark", tmp_path / "two")

    assert "boxes were rounded to whole pixels" not in notes
    assert fingerprint(load_dataset("exdark", tmp_path / "two", "test")) == fingerprint(one)


def test_links_share_the_bytes_of_the_source(source: DetectionDataset, tmp_path: Path) -> None:
    convert(source, "yolo", tmp_path / "linked", link=True)
    linked = load_dataset("yolo", tmp_path / "linked", "test")

    assert all(a.path.samefile(b.path) for a, b in zip(source.samples, linked.samples, strict=True))


def test_labels_follow_an_image_whose_own_folder_is_called_images(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "source/val/images/a.jpg")
    content = {
        "images": [{"id": 1, "file_name": "images/a.jpg"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 1, "name": "cup"}],
    }
    (tmp_path / "source/val.json").write_text(json.dumps(content))
    convert(load_dataset("coco", tmp_path / "source", "val"), "yolo", tmp_path / "yolo")

    assert len(load_dataset("yolo", tmp_path / "yolo", "val").samples[0].truth) == 1


def test_what_a_layout_cannot_hold_is_refused_before_anything_is_written(
    source: DetectionDataset, tmp_path: Path
) -> None:
    fox = dataclasses.replace(source, class_names=("Cup", "fox"))
    with pytest.raises(UserError, match="no class 'fox'; its classes are Bicycle"):
        convert(fox, "exdark", tmp_path / "out")
    with pytest.raises(UserError, match="no split 'night'"):
        convert(dataclasses.replace(source, split="night"), "exdark", tmp_path / "out")
    with pytest.raises(UserError, match="cannot convert to 'voc'; choose one of yolo, coco, exdark"):
        convert(source, "voc", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="is not an empty folder"):
        convert(source, "yolo", tmp_path)


def test_a_fingerprint_depends_on_every_fact_and_on_no_path(source: DetectionDataset, tmp_path: Path) -> None:
    original = fingerprint(source)
    convert(source, "coco", tmp_path / "coco")
    moved = load_dataset("coco", tmp_path / "coco", "test")
    sample = moved.samples[0]

    def changed(**fields: object) -> str:
        return fingerprint(dataclasses.replace(source, samples=(dataclasses.replace(sample, **fields),)))

    # A corner less its partner plus it is not always itself, so only what COCO's corner and size say exactly.
    same = [
        dataclasses.replace(there, truth=here.truth) for here, there in zip(source.samples, moved.samples, strict=True)
    ]
    assert fingerprint(dataclasses.replace(source, samples=tuple(same))) == original

    truth = sample.truth
    others = [
        changed(),
        changed(key="other"),
        changed(width=sample.width + 1),
        changed(path=moved.samples[1].path),
        changed(bright=moved.samples[1].path),
        changed(attributes={"lighting": "Strong"}),
        changed(truth=dataclasses.replace(truth, boxes=truth.boxes + 1)),
        changed(truth=dataclasses.replace(truth, class_ids=1 - truth.class_ids)),
        changed(truth=dataclasses.replace(truth, crowd=~truth.crowd)),
        fingerprint(dataclasses.replace(source, class_names=("Dog", "Cup"))),
    ]
    assert len({original, *others}) == len(others) + 1


def test_a_coco_file_keeps_its_ids(tmp_path: Path, draw: Draw) -> None:
    content = {
        "images": [{"id": number, "file_name": f"{number}.png"} for number in (1, 2, 10)],
        "annotations": [
            {"id": 7, "image_id": 10, "category_id": 90, "bbox": [1, 2, 3, 4], "segmentation": []},
            {"id": 8, "image_id": 2, "category_id": 3, "bbox": [1, 2, 3, 4]},
        ],
        "categories": [{"id": 3, "name": "cup"}, {"id": 90, "name": "dog"}],
    }
    for number in (1, 2, 10):
        draw(tmp_path / f"source/val/{number}.png")
    (tmp_path / "source/val.json").write_text(json.dumps(content))
    data = load_dataset("coco", tmp_path / "source", "val")
    notes = convert(data, "coco", tmp_path / "coco")
    written = json.loads((tmp_path / "coco/annotations/instances_val.json").read_text())
    assert {image["file_name"]: image["id"] for image in written["images"]} == {"1.png": 1, "2.png": 2, "10.png": 10}
    assert sorted((each["image_id"], each["category_id"]) for each in written["annotations"]) == [(2, 3), (10, 90)]
    assert [category["id"] for category in written["categories"]] == [3, 90]
    assert notes == [
        "ids of images and categories are kept; annotations are numbered from 1",
        "fields of annotations that were left out: segmentation",
    ]
    (note,) = convert(data, "yolo", tmp_path / "yolo")
    assert note == "this layout numbers classes from 0 without gaps; category ids 3…90 became 0…1"
    (note,) = convert(load_dataset("yolo", tmp_path / "yolo", "val"), "coco", tmp_path / "numbered")
    assert note == "images are numbered from 1 in the order of their names; category ids are class ids + 1"


def test_boxes_beyond_the_image_are_cut_for_yolo(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "source/val/a.png", 100, 50)
    boxes = [[-5, -5, 120, 70], [10, 10, 5, 5], [200, 10, 5, 5]]
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": box} for box in boxes],
        "categories": [{"id": 1, "name": "cup"}],
    }
    (tmp_path / "source/val.json").write_text(json.dumps(content))
    notes = convert(load_dataset("coco", tmp_path / "source", "val"), "yolo", tmp_path / "yolo")
    data = load_dataset("yolo", tmp_path / "yolo", "val")
    np.testing.assert_allclose(data.samples[0].truth.boxes, [[0, 0, 100, 50], [10, 10, 15, 15]], atol=1e-9)
    assert not data.problems
    assert "this layout has no box beyond the image; cut at its border: 2" in notes
    assert "boxes that lie outside their images were left out: 1" in notes


def test_a_target_among_the_images_is_refused(source: DetectionDataset) -> None:
    with pytest.raises(UserError, match="lies among the images of the data set"):
        convert(source, "yolo", source.samples[0].path.parent / "yolo")


def test_links_across_file_systems_are_explained(
    source: DetectionDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(one: Path, other: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link", str(one), None, str(other))

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(UserError, match=r"cannot be a hard link .* leave --link out to copy"):
        convert(source, "yolo", tmp_path / "linked", link=True)


def test_attributes_that_exdark_cannot_hold_are_named(source: DetectionDataset, tmp_path: Path) -> None:
    first, *others = source.samples
    foggy = dataclasses.replace(first, attributes={"weather": "fog", "lighting": "Low"})
    notes = convert(dataclasses.replace(source, samples=(foggy, *others)), "exdark", tmp_path / "exdark")
    assert "this layout has light and place alone, of fixed values; left out: weather" in notes
    assert "names with folders were joined by _: 2 images, Cup/a first" in notes
