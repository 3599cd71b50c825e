"""ExDark: its official layout and every quirk that it is known for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import read_image
from sgz_bench.tasks.detection.datasets import load_dataset
from sgz_bench.tasks.detection.datasets.check import take_inventory
from sgz_bench.tasks.detection.types import DetectionDataset

Draw = Callable[..., Path]
Write = Callable[[Path, str], Path]

HEADER = "Name | Class | Light | In/Out | Train/Val/Test"
# Light 1 Low 6 Strong 10 Twilight; 1 indoor 2 outdoor; 1 train 2 val 3 test.
ROWS = ["2015_00001.png 1 1 2 3", "2015_00002.jpg 1 6 1 1", "2015_05337.jpeg 10 10 2 2", "2015_06000.JPG 11 3 1 3"]


@pytest.fixture
def root(tmp_path: Path, draw: Draw, write: Write) -> Path:
    """Four 100×50 images in three classes, two of them in the test split."""
    for row in ROWS:
        name, number = row.split()[:2]
        folder = {"1": "Bicycle", "10": "Motorbike", "11": "People"}[number]
        draw(tmp_path / "ExDark" / folder / name)
        text = f"% bbGt version=3\n{folder} 10 20 30 15 0 0 0 0 0 0 0\n"
        write(tmp_path / "ExDark_Annno" / folder / f"{name}.txt", text)
    write(tmp_path / "imageclasslist.txt", "\r\n".join([HEADER, *ROWS, ""]))
    return tmp_path


def label(root: Path) -> Path:
    return root / "ExDark_Annno/Bicycle/2015_00001.png.txt"


def keys(data: DetectionDataset) -> list[str]:
    return [sample.key for sample in data.samples]


def test_left_top_width_height_become_corners(root: Path) -> None:
    sample = load_dataset("exdark", root, "test").samples[0]

    assert (sample.id, sample.key, sample.width, sample.height) == (1, "2015_00001", 100, 50)
    np.testing.assert_array_equal(sample.truth.boxes, [[10, 20, 40, 35]])
    np.testing.assert_array_equal(sample.truth.areas, [450])
    assert sample.truth.class_ids.tolist() == [0]


def test_the_split_list_gives_split_light_and_place(root: Path) -> None:
    test = load_dataset("exdark", root, None)

    assert test.split == "test"
    assert {sample.key: dict(sample.attributes) for sample in test.samples} == {
        "2015_00001": {"lighting": "Low", "place": "outdoor"},
        "2015_06000": {"lighting": "Object", "place": "indoor"},
    }
    assert keys(load_dataset("exdark", root, "train")) == ["2015_00002"]
    assert keys(load_dataset("exdark", root, "val")) == ["2015_05337"]


def test_all_holds_every_split_and_tells_them_apart(root: Path) -> None:
    data = load_dataset("exdark", root, "all")

    assert [sample.attributes["split"] for sample in data.samples] == ["test", "train", "val", "test"]
    assert not data.problems


def test_classes_are_the_twelve_in_their_official_order(root: Path) -> None:
    assert " ".join(load_dataset("exdark", root, "test").class_names) == (
        "Bicycle Boat Bottle Bus Car Cat Chair Cup Dog Motorbike People Table"
    )


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("ExDark", "ExDark_Annno"),
        ("exdark", "ExDark_Anno"),
        ("Dataset", "ExDark_Annotations"),
        ("Dataset/ExDark", "Dataset/Annotations"),
        ("ExDark/ExDark", "ExDark_Annno/ExDark_Annno"),
    ],
)
def test_folders_may_be_nested_and_spelled_otherwise(root: Path, images: str, labels: str) -> None:
    for old, new in (("ExDark", images), ("ExDark_Annno", labels)):
        (root / old).rename(root / "moved")
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (root / "moved").rename(root / new)

    data = load_dataset("exdark", root, "all")
    assert len(data.samples) == 4
    assert not data.problems


def test_class_folders_may_be_in_lower_case(root: Path) -> None:
    for folder in ("ExDark/People", "ExDark_Annno/People"):
        (root / folder).rename(root / folder.replace("People", "people"))
    assert "2015_06000" in keys(load_dataset("exdark", root, "test"))


def test_the_list_may_lie_with_the_annotations(root: Path) -> None:
    (root / "imageclasslist.txt").rename(root / "ExDark_Annno/imageclasslist.txt")
    assert len(load_dataset("exdark", root, "test").samples) == 2


def test_an_enhanced_png_keeps_key_and_labels_of_its_jpg(root: Path, draw: Draw) -> None:
    before = load_dataset("exdark", root, "test")
    for path in sorted((root / "ExDark").rglob("*.*")):
        path.unlink()
        draw(path.with_suffix(".png"))
    after = load_dataset("exdark", root, "test")

    assert keys(after) == keys(before)
    assert [sample.truth.boxes.tolist() for sample in after.samples] == [
        sample.truth.boxes.tolist() for sample in before.samples
    ]


@pytest.mark.parametrize("mode", ["RGBA", "L", "P"])
def test_alpha_grey_and_palette_images_are_images(root: Path, draw: Draw, mode: str) -> None:
    draw(root / "ExDark/Bicycle/2015_00001.png", mode=mode)
    data = load_dataset("exdark", root, "test")

    assert not data.problems
    assert read_image(data.samples[0].path).shape == (50, 100, 3)


def test_an_image_without_a_box_stays(root: Path, write: Write) -> None:
    write(label(root), "% bbGt version=3\n")
    data = load_dataset("exdark", root, "test")

    assert [len(sample.truth) for sample in data.samples] == [0, 1]
    assert not data.problems


def test_exif_rotation_is_not_applied(root: Path, draw: Draw) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    draw(root / "ExDark/Motorbike/2015_05337.jpeg", exif=exif)
    sample = load_dataset("exdark", root, "val").samples[0]

    assert (sample.width, sample.height) == (100, 50)


def test_boxes_across_the_border_are_kept_as_they_are(root: Path, write: Write) -> None:
    write(label(root), "% bbGt version=3\nBicycle -3 40 200 15 0 0 0 0 0 0 0\n")
    data = load_dataset("exdark", root, "test")

    np.testing.assert_array_equal(data.samples[0].truth.boxes, [[-3, 40, 197, 55]])
    assert not data.problems


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Bycicle 1 2 3 4 0", "'Bycicle' is not one of ExDark's 12; did you mean 'Bicycle'"),
        ("Bicycle 1 2 nan 4 0", "not finite"),
        ("Bicycle 1 2 0 4 0", "no positive size"),
        ("Bicycle 1 2 3", "has 4 fields"),
        ("Bicycle one 2 3 4", "'one'"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_kept(root: Path, write: Write, line: str, reason: str) -> None:
    write(label(root), f"% bbGt version=3\n{line}\npeople 1 2 3 4 0 0 0 0 0 0 0\n")
    data = load_dataset("exdark", root, "test")

    assert data.samples[0].truth.class_ids.tolist() == [10]
    (problem,) = data.problems
    assert problem.where.endswith("2015_00001.png.txt, line 2")
    assert reason in problem.what


def test_an_image_without_annotation_file_is_left_out_because_its_objects_are_unknown(root: Path) -> None:
    label(root).unlink()
    data = load_dataset("exdark", root, "test")

    assert keys(data) == ["2015_06000"]
    assert "2015_00001.png has no annotation file" in data.problems[0].what


def test_a_listed_image_that_is_missing_is_named(root: Path) -> None:
    (root / "ExDark/Bicycle/2015_00001.png").unlink()
    data = load_dataset("exdark", root, "test")

    assert keys(data) == ["2015_06000"]
    assert (
        str(data.problems[0])
        == "2015_00001: is in split test, but ExDark/ has no such image (expected ExDark/CLASS/IMAGE)"
    )


def test_two_images_of_one_stem_are_reported(root: Path, draw: Draw) -> None:
    draw(root / "ExDark/People/2015_00001.jpg")
    data = load_dataset("exdark", root, "test")

    assert data.samples[0].path.parent.name == "Bicycle"
    assert data.problems[0].where.endswith("People/2015_00001.jpg")


def test_a_list_of_names_is_a_split_with_a_name_of_its_own(root: Path, write: Write) -> None:
    lists = [
        write(root / "one/maet_val.txt", "2015_06000.JPG\r\n2015_00002\r\n"),
        write(root / "two/maet_val.txt", "./JPEGImages/2015_00002.jpg\nExDark\\People\\2015_06000.JPG\n\n"),
        write(root / "three/maet_val.txt", "2015_00002\n"),
    ]
    one, two, three = (load_dataset("exdark", root, str(path)) for path in lists)

    assert keys(one) == keys(two) == ["2015_00002", "2015_06000"]
    assert one.split == two.split != three.split
    assert one.split.startswith("maet_val-")
    assert one.samples[0].attributes == {"lighting": "Strong", "place": "indoor", "split": "train"}


def test_each_mistake_is_one_line_with_what_was_found(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    wrong = tmp_path_factory.mktemp("wrong")
    (wrong / "holiday").mkdir()
    with pytest.raises(UserError, match=r"has no folder ExDark \(images in class folders\); found: holiday"):
        load_dataset("exdark", wrong, "test")
    with pytest.raises(UserError, match=r"no split 'tset'; known: train, val, test, all, or the path"):
        load_dataset("exdark", root, "tset")
    with pytest.raises(UserError, match=r"nowhere\.txt cannot be read \(No such file"):
        load_dataset("exdark", root, "nowhere.txt")
    (root / "imageclasslist.txt").rename(root / "list.txt")
    with pytest.raises(UserError, match=r"no imageclasslist\.txt \(found: ExDark, ExDark_Annno, list\.txt\)"):
        load_dataset("exdark", root, "test")
    (root / "ExDark_Annno").rename(root / "labels")
    with pytest.raises(UserError, match=r"has no folder ExDark_Annno \(annotations\); found: ExDark, labels"):
        load_dataset("exdark", root, "test")


@pytest.mark.parametrize("row", ["2015_00001.png 1 11 2 3", "2015_00001.png 1 1 2", "2015_00001.png 1 1 2 0"])
def test_a_row_that_is_none_stops_because_the_split_is_in_doubt(root: Path, write: Write, row: str) -> None:
    write(root / "imageclasslist.txt", f"{HEADER}\r\n{row}\r\n")
    with pytest.raises(UserError, match="line 2"):
        load_dataset("exdark", root, "test")


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("ExDark", "ExDark_Annotations"),
        ("ExDark", "Annotations_truth"),
        ("ExDark", "Groundtruth"),
        ("ExDark", "Ground Truth"),
        ("ex-dark", "exdark-annno"),
        ("archive/ExDark/ExDark", "archive/ExDark_Annno/ExDark_Annno"),
        ("ExDark_images", "ExDark_Anno"),
    ],
)
def test_folders_of_copies_are_found(root: Path, images: str, labels: str, write: Write) -> None:
    for old, new in (("ExDark", images), ("ExDark_Annno", labels)):
        (root / old).rename(root / "moved")
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (root / "moved").rename(root / new)
    write(root / "__MACOSX/ExDark/Bicycle/._2015_00001.png", "x")
    write(root / labels / "Bicycle/._2015_00001.png.txt", "\0")
    data = load_dataset("exdark", root, "all")
    assert len(data.samples) == 4
    assert not data.problems


@pytest.mark.parametrize("name", ["2015_00001.txt", "2015_00001.PNG.TXT", "2015_00001.jpg.txt"])
def test_an_annotation_may_be_named_by_the_stem(root: Path, name: str) -> None:
    label(root).rename(label(root).with_name(name))
    data = load_dataset("exdark", root, "test")
    assert keys(data) == ["2015_00001", "2015_06000"]
    assert not data.problems


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("between", [" ", "\t", ", ", ";"])
def test_the_split_list_is_read_as_people_save_it(root: Path, encoding: str, end: str, between: str) -> None:
    rows = [HEADER.replace(" | ", between), *(row.replace(" ", between) for row in ROWS)]
    (root / "imageclasslist.txt").write_bytes((end.join(rows) + end).encode(encoding))
    assert keys(load_dataset("exdark", root, "test")) == ["2015_00001", "2015_06000"]


def test_a_row_that_contradicts_an_earlier_one_is_named(root: Path, write: Write) -> None:
    write(root / "imageclasslist.txt", "\r\n".join([HEADER, *ROWS, ROWS[0], ROWS[1].replace("1 6 1 1", "1 6 1 3")]))
    data = load_dataset("exdark", root, "test")
    assert keys(data) == ["2015_00001", "2015_06000"]
    (problem,) = data.problems
    assert problem.where.endswith("imageclasslist.txt, line 7")
    assert "2015_00002 is listed before with other values" in problem.what


def test_images_and_annotations_that_no_split_has_are_counted(root: Path, draw: Draw, write: Write) -> None:
    for index in range(5):
        draw(root / f"ExDark/Bus/extra_{index}.jpg")
    write(root / "ExDark_Annno/Bus/other.jpg.txt", "% bbGt version=3\n")
    unlisted, lonely = load_dataset("exdark", root, "test").problems
    assert str(unlisted).startswith("5 times: is not in imageclasslist.txt, so it is in no split; for example ")
    assert lonely.where.endswith("Bus/other.jpg.txt")


def test_a_data_set_without_its_images_is_one_line(root: Path, write: Write) -> None:
    rows = [f"2016_{index:05d}.jpg 1 1 2 3" for index in range(2000)]
    write(root / "imageclasslist.txt", "\r\n".join([HEADER, *rows, ""]))
    with pytest.raises(UserError) as caught:
        load_dataset("exdark", root, "test")
    assert str(caught.value) == (
        "exdark, split test, has no readable image: 2000 of 2000 images: is in split test, but ExDark/ has no such "
        "image (expected ExDark/CLASS/IMAGE); for example 2016_00000; 2016_00001; 2016_00002; check --root and --split"
    )


def test_a_list_may_lie_in_the_root(root: Path, write: Write) -> None:
    write(root / "maet/val.txt", "2015_00002\n")
    assert keys(load_dataset("exdark", root, "maet/val.txt")) == ["2015_00002"]


def test_the_second_split_is_told_by_its_size(root: Path) -> None:
    data = load_dataset("exdark", root, "test")
    sample = data.samples[0]
    second = replace(data, split="val-0f1e2d3c", samples=tuple([sample] * 1467), problems=())
    (note,) = (note for note in take_inventory(second, decode=False).notes if "second split" in note)
    assert note.startswith("1,467 images, as in the second split in circulation (MAET, IAT; its val is its test)")
    assert "Bicycle 1467 (published 212)" in note
    assert not any("second split" in note for note in take_inventory(data, decode=False).notes)


def test_truth_without_a_box_is_doubted(root: Path, write: Write) -> None:
    for path in (root / "ExDark_Annno").rglob("*.txt"):
        write(path, "% bbGt version=3\n")
    (doubt,) = take_inventory(load_dataset("exdark", root, "test"), decode=False).problems
    assert str(doubt) == "test: no image has a box: nothing can be scored"


def test_a_name_may_hold_a_comma(root: Path, draw: Draw, write: Write) -> None:
    draw(root / "ExDark/Boat/a,b.jpg")
    write(root / "ExDark_Annno/Boat/a,b.jpg.txt", "Boat 10 20 30 15 0 0 0 0 0 0 0\n")
    write(root / "imageclasslist.txt", "\r\n".join([HEADER, *ROWS, "a,b.jpg 2 1 1 3", ""]))
    assert "a,b" in keys(load_dataset("exdark", root, "test"))
