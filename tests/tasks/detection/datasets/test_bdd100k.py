"""The loader of BDD100K's detection labels, on small trees."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.classes import BDD100K_CLASSES, COCO_CLASSES, map_classes
from sgz_bench.tasks.detection.datasets import load_dataset
from sgz_bench.tasks.detection.datasets.convert import convert

from .conftest import Draw

Write = Callable[[Path, str], Path]


def label(category: str = "car", box: Any = (10, 5, 30.5, 40), **attributes: object) -> dict[str, Any]:
    sides = box if box is None or isinstance(box, str) else dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))
    return {"id": "1", "category": category, "attributes": attributes, "box2d": sides}


def frame(name: str, labels: Any, timeofday: str = "night") -> dict[str, Any]:
    attributes = {"weather": "clear", "timeofday": timeofday, "scene": "city street"}
    return {"name": name, "attributes": attributes, "timestamp": 10000, "labels": labels}


@pytest.fixture
def bdd(tmp_path: Path, draw: Draw, write: Write) -> Path:
    for stem in ("a", "b", "c", "d"):
        draw(tmp_path / f"bdd100k/images/100k/val/{stem}.jpg")
    lane = {"category": "lane/road curb", "poly2d": [], "attributes": {}}
    frames = [
        frame("a.jpg", [label(), label("person"), label("motor"), lane, label("trailer"), label("rider", crowd=True)]),
        frame("b.jpg", None),
        frame("c.jpg", [label("traffic sign")], "daytime"),
    ]
    write(tmp_path / "bdd100k/labels/det_20/det_val.json", json.dumps(frames))
    return tmp_path


def test_boxes_classes_crowds_and_background(bdd: Path) -> None:
    data = load_dataset("bdd100k", bdd, None)
    first, second, _ = data.samples
    assert first.truth.boxes[0].tolist() == [10, 5, 30.5, 40]
    names = [data.class_names[index] for index in first.truth.class_ids]
    assert names == ["car", "pedestrian", "motorcycle", "truck", "rider"]
    assert first.truth.crowd.tolist() == [False, False, False, True, True]
    assert len(second.truth) == 0
    assert first.attributes == {"timeofday": "night", "weather": "clear", "scene": "city street"}
    assert not data.problems
    assert data.official == 10000
    assert data.notes == (
        "1 label without box2d passed over: lane/road curb 1",
        "1 image without a frame in the labels left out, d first",
    )


def test_a_time_of_day_is_chosen_by_a_setting(bdd: Path) -> None:
    data = load_dataset("bdd100k(timeofday=night)", bdd, "val")
    assert [sample.key for sample in data.samples] == ["a", "b"]
    assert (data.name, data.official) == ("bdd100k(timeofday=night)", None)
    with pytest.raises(UserError, match="no image with timeofday=nigt; did you mean 'night'"):
        load_dataset("bdd100k(timeofday=nigt)", bdd, "val")


def test_older_files_have_the_same_content(bdd: Path, write: Write) -> None:
    new = bdd / "bdd100k/labels/det_20/det_val.json"
    wanted = [sample.truth.boxes.tolist() for sample in load_dataset("bdd100k", bdd, "val").samples]
    frames = json.loads(new.read_text())
    new.rename(bdd / "bdd100k/labels/bdd100k_labels_images_val.json")
    assert [sample.truth.boxes.tolist() for sample in load_dataset("bdd100k", bdd, "val").samples] == wanted
    (bdd / "bdd100k/labels/bdd100k_labels_images_val.json").unlink()
    for each in frames:
        one = {"name": each["name"][:-4], "attributes": each["attributes"], "frames": [{"objects": each["labels"]}]}
        write(bdd / f"bdd100k/labels/100k/val/{each['name'][:-4]}.json", json.dumps(one))
    data = load_dataset("bdd100k(timeofday=daytime)", bdd, "val")
    assert [sample.key for sample in data.samples] == ["c"]
    assert [sample.truth.boxes.tolist() for sample in load_dataset("bdd100k", bdd, "val").samples] == wanted


def test_a_list_of_images_has_the_split_as_attribute(bdd: Path, write: Write) -> None:
    path = write(bdd / "mine.txt", "a.jpg\nz.jpg\n")
    data = load_dataset("bdd100k", bdd, str(path))
    assert [(sample.key, sample.attributes["split"]) for sample in data.samples] == [("a", "val")]
    assert data.problems[0].where == "z"


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (label("cra"), "category 'cra' is not one of the 10; did you mean 'car'"),
        (label(box="x"), "box2d 'x' is not x1, y1, x2, y2"),
        (label(box=(30, 5, 10, 40)), "has no positive size"),
        (label(box=(1, 5, None, 40)), "the box is skipped"),
        (7, "7 is no label"),
    ],
)
def test_a_label_that_is_no_box_is_reported(bdd: Path, write: Write, item: Any, message: str) -> None:
    write(bdd / "bdd100k/labels/det_20/det_val.json", json.dumps([frame("a.jpg", [item, label()])]))
    data = load_dataset("bdd100k", bdd, "val")
    assert len(data.samples[0].truth) == 1
    (problem,) = data.problems
    assert message in str(problem)
    assert "det_val.json, a.jpg, label 1" in str(problem)


def test_what_is_missing_is_named(bdd: Path, write: Write) -> None:
    with pytest.raises(UserError, match="labels of test are withheld"):
        load_dataset("bdd100k", bdd, "test")
    with pytest.raises(UserError, match=r"no labels/det_20/det_train.json"):
        load_dataset("bdd100k", bdd, "train")
    write(bdd / "bdd100k/labels/det_20/det_val.json", json.dumps([frame("a.jpg", []), frame("z.jpg", [])]))
    assert load_dataset("bdd100k", bdd, "val").problems[0].where == "z.jpg"
    write(bdd / "bdd100k/labels/det_20/det_val.json", "[1]")
    with pytest.raises(UserError, match="not a list of named frames"):
        load_dataset("bdd100k", bdd, "val")


def test_a_coco_model_is_scored_on_seven_of_the_classes() -> None:
    mapping = map_classes(COCO_CLASSES, BDD100K_CLASSES)
    assert mapping[COCO_CLASSES.index("person")] == 0
    scored = {BDD100K_CLASSES[index] for index in mapping[mapping >= 0]}
    assert set(BDD100K_CLASSES) - scored == {"rider", "traffic sign"}


def test_coco_json_keeps_attributes_and_crowds(bdd: Path, tmp_path: Path) -> None:
    data = load_dataset("bdd100k", bdd, "val")
    convert(data, "coco", tmp_path / "out")
    again = load_dataset("coco", tmp_path / "out", "val")
    assert [sample.attributes for sample in again.samples] == [sample.attributes for sample in data.samples]
    assert again.samples[0].truth.crowd.tolist() == data.samples[0].truth.crowd.tolist()
