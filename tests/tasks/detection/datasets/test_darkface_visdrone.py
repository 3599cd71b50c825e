"""The loaders of DARK FACE and VisDrone, on small trees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.classes import COCO_CLASSES, VISDRONE_CLASSES, map_classes
from sgz_bench.tasks.detection.datasets import load_dataset

from .conftest import Draw

Write = Callable[[Path, str], Path]


@pytest.fixture
def darkface(tmp_path: Path, draw: Draw, write: Write) -> Path:
    draw(tmp_path / "DarkFace_Train_2021/image/1.png", width=120)
    draw(tmp_path / "DarkFace_Train_2021/image/10.png")
    write(tmp_path / "DarkFace_Train_2021/label/1.txt", "2\n10 5 30 40\n50 5 60 40\n")
    write(tmp_path / "DarkFace_Train_2021/label/10.txt", "0\n")
    return tmp_path


def test_darkface_reads_the_count_line_and_corners(darkface: Path) -> None:
    data = load_dataset("darkface", darkface, None)
    first, second = data.samples
    assert first.truth.boxes.tolist() == [[10, 5, 30, 40], [50, 5, 60, 40]]
    assert (first.width, len(second.truth)) == (120, 0)
    assert (data.split, data.official, data.class_names, data.problems) == ("train", 6000, ("face",), ())


@pytest.mark.parametrize(
    ("text", "boxes", "message"),
    [
        ("3\n10 5 30 40\n", 1, "states 3 faces, but has 1 line"),
        ("10 5 30 40\n", 1, "does not begin with the number of faces"),
        ("1\n10 5 30\n", 0, "line 2: has 3 fields"),
        ("1\n30 5 10 40\n", 0, "no positive size"),
        ("", 0, "does not begin with the number"),
    ],
)
def test_darkface_reports_what_contradicts(darkface: Path, write: Write, text: str, boxes: int, message: str) -> None:
    write(darkface / "DarkFace_Train_2021/label/10.txt", text)
    data = load_dataset("darkface", darkface, None)
    assert len(data.samples[1].truth) == boxes
    assert message in str(data.problems[0])


def test_darkface_names_missing_partners_and_takes_lists(darkface: Path, draw: Draw, write: Write) -> None:
    draw(darkface / "DarkFace_Train_2021/image/11.png")
    write(darkface / "DarkFace_Train_2021/label/12.txt", "0\n")
    data = load_dataset("darkface", darkface, None)
    text = " | ".join(map(str, data.problems))
    assert "12.txt: has no image" in text
    assert "11: has no label file" in text
    path = write(darkface / "mine.txt", "10.png\n")
    assert [sample.key for sample in load_dataset("darkface", darkface, str(path)).samples] == ["10"]
    with pytest.raises(UserError, match="no split 'val'"):
        load_dataset("darkface", darkface, "val")


ROWS = """10,5,20,35,1,1,0,0
40,5,20,20,1,2,0,0,
60,5,9,9,0,4,0,1
0,0,8,8,0,0,0,0
70,5,9,9,1,11,0,0
70,5,9,9,1,10,0,0
"""


@pytest.fixture
def visdrone(tmp_path: Path, draw: Draw, write: Write) -> Path:
    for split in ("train", "val"):
        draw(tmp_path / f"VisDrone2019-DET-{split}/images/0000001_d.jpg")
        write(tmp_path / f"VisDrone2019-DET-{split}/annotations/0000001_d.txt", ROWS)
    return tmp_path


def test_visdrone_ignores_regions_in_every_class(visdrone: Path) -> None:
    data = load_dataset("visdrone", visdrone, None)
    truth = data.samples[0].truth
    assert (data.split, data.official) == ("val", 548)
    assert truth.boxes[:2].tolist() == [[10, 5, 30, 40], [40, 5, 60, 25]]
    counted = truth.class_ids[~truth.crowd].tolist()
    assert [VISDRONE_CLASSES[index] for index in counted] == ["pedestrian", "people", "motor"]
    assert sorted(truth.class_ids[truth.crowd].tolist()) == sorted([*range(10), 3])
    assert len(data.notes) == 3


def test_visdrone_merges_pedestrian_and_people_on_request(visdrone: Path) -> None:
    data = load_dataset("visdrone(merge=true)", visdrone / "VisDrone2019-DET-val", None)
    truth = data.samples[0].truth
    assert data.class_names[:2] == ("person", "bicycle")
    assert [data.class_names[index] for index in truth.class_ids[~truth.crowd]] == ["person", "person", "motor"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,2,3,4,1,1", "has 6 fields"),
        ("1,2,3,4,1,12,0,0", "category 12 is not one of"),
        ("1,2,0,4,1,1,0,0", "no positive size"),
        ("1,2,x,4,1,1,0,0", "could not convert"),
        ("0 0.5 0.5 0.1 0.1", "has 1 fields"),
    ],
)
def test_visdrone_reports_rows_that_are_no_box(visdrone: Path, write: Write, row: str, message: str) -> None:
    write(visdrone / "VisDrone2019-DET-val/annotations/0000001_d.txt", f"{ROWS}{row}\n")
    (problem,) = load_dataset("visdrone", visdrone, "val").problems
    assert message in str(problem)
    assert "line 7" in str(problem)


def test_visdrone_names_its_splits(visdrone: Path) -> None:
    assert load_dataset("visdrone", visdrone, "VisDrone2019-DET-train").split == "train"
    with pytest.raises(UserError, match="no split 'test-dev'"):
        load_dataset("visdrone", visdrone, "test")
    with pytest.raises(UserError, match="is one split, val"):
        load_dataset("visdrone", visdrone / "VisDrone2019-DET-val", "train")
    with pytest.raises(UserError, match="no folder with images/ and annotations/"):
        load_dataset("visdrone", visdrone / "VisDrone2019-DET-val/images", None)


def test_a_coco_models_person_is_visdrones_pedestrian() -> None:
    mapping = map_classes(COCO_CLASSES, VISDRONE_CLASSES)
    names = {COCO_CLASSES[index]: VISDRONE_CLASSES[each] for index, each in enumerate(mapping) if each >= 0}
    assert names == {
        "person": "pedestrian",
        "bicycle": "bicycle",
        "car": "car",
        "truck": "truck",
        "bus": "bus",
        "motorcycle": "motor",
    }
