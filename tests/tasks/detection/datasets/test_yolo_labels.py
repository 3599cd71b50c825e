"""YOLO rows in every form that tools write, label files under other names, and doubts about the rows as a whole."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.detection.datasets import load_dataset
from sgz_bench.tasks.detection.types import DetectionDataset

Draw = Callable[..., Path]
Write = Callable[[Path, str], Path]
Load = Callable[..., DetectionDataset]


@pytest.fixture
def load(tmp_path: Path, draw: Draw, write: Write) -> Load:
    """``load(rows, yaml)`` loads one 100×50 image with these rows, another with one, and a data.yaml of two classes."""

    def make(rows: str, yaml: str = "", other: str = "0 0.5 0.5 0.2 0.2\n") -> DetectionDataset:
        draw(tmp_path / "images/val/a.jpg")
        draw(tmp_path / "images/val/b.jpg")
        write(tmp_path / "labels/val/a.txt", rows)
        write(tmp_path / "labels/val/b.txt", other)
        write(tmp_path / "data.yaml", f"val: images/val\nnames: [lamp, moon]\n{yaml}")
        return load_dataset("yolo", tmp_path, "val")

    return make


def reasons(data: DetectionDataset) -> list[str]:
    return [problem.what for problem in data.problems]


@pytest.mark.parametrize("shape", [(8, 2), (17, 3), (3, 2), (1, 2), (2, 3)])
def test_a_row_of_a_box_and_keypoints_is_its_box(load: Load, shape: tuple[int, int]) -> None:
    points = " ".join(["0.9"] * (shape[0] * shape[1]))
    data = load(f"1 0.5 0.4 0.2 0.4 {points}\n0 0.5 0.4 0.2 0.4\n", f"kpt_shape: {list(shape)}\n")
    np.testing.assert_allclose(data.samples[0].truth.boxes, [[40, 10, 60, 30]] * 2)
    assert "rows with keypoints: 1, of which the boxes are read" in data.notes
    assert not data.problems


def test_with_keypoints_a_row_of_another_length_is_no_polygon(load: Load) -> None:
    data = load("1 0.1 0.2 0.5 0.2 0.3 0.8\n", "kpt_shape: [8, 2]\n")
    assert reasons(data) == ["has 7 fields, but with kpt_shape [8, 2] a row has 5 or 21; the box is skipped"]


def test_pose_rows_without_kpt_shape_are_doubted(load: Load) -> None:
    row = "1 0.5 0.4 0.2 0.4 0.45 0.3 0.5 0.4 0.55 0.5 0 0\n"
    (doubt,) = load(row + row.replace("1", "0", 1) + row.replace("0.5 0.4 0.2", "0.52 0.4 0.2")).problems
    assert doubt.doubt
    assert "write kpt_shape: [K, 2] into the data.yaml" in doubt.what


@pytest.mark.parametrize("row", ["0 0.1 0.2 0.5 0.2 0.5 0.8 0.1 0.8", "0 0.3 0.2 0.5 0.5 0.3 0.8 0.1 0.5"])
def test_an_oriented_box_stands_for_its_bounding_box(load: Load, row: str) -> None:
    data = load(row)
    np.testing.assert_allclose(data.samples[0].truth.boxes, [[10, 10, 50, 40]])
    assert "polygons and oriented boxes: 1 row, read as their bounding boxes" in data.notes
    assert not data.problems


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (
            "0 0.5 0.5 0.2 0.2 0.93",
            "has 6 fields, as predictions with a score or boxes with an angle have; a label has 5",
        ),
        ("0,0.5,0.5,0.2,0.2", "has commas or semicolons between its fields; separate them with blanks"),
        ("0;0.5;0.5;0.2;0.2", "has commas or semicolons between its fields; separate them with blanks"),
        ("0 0,5 0,5 0,2 0,2", "'0,5' is not a number; write a decimal point, and blanks between fields"),
        ("moon 0.5 0.5 0.2 0.2", "class 'moon' is a name; write its number, 1"),
        ("sun 0.5 0.5 0.2 0.2", "class 'sun' is not a number"),
        ("0 50 25 20 10", "50 25 20 10 is outside [0, 1]; coordinates are fractions of the image, not pixels"),
        ("2 0.5 0.5 0.2 0.2", "class 2 is not one of 0…1, which count from 0"),
        ("0 0.5 0.5 0.2", "has 4 fields, a box has 5 (class x y w h)"),
        ("0 0.1 0.2 0.5 0.2 0.5 0.8 0.1 0.8 2", "has 10 fields"),
    ],
)
def test_a_row_of_another_form_is_refused_in_clear_words(load: Load, row: str, reason: str) -> None:
    (problem,) = load(f"{row}\n").problems
    assert problem.where.endswith("a.txt, line 1")
    assert problem.what.startswith(reason)


@pytest.mark.parametrize("row", ["0\t0.5\t0.4\t0.2\t0.4", "  0.0  .5 4e-1 0.2 +0.4  ", "\ufeff0 0.5 0.4 0.2 0.4"])
def test_a_row_is_read_as_other_tools_read_it(load: Load, row: str) -> None:
    data = load(row)
    np.testing.assert_allclose(data.samples[0].truth.boxes, [[40, 10, 60, 30]])
    assert not data.problems


@pytest.mark.parametrize("rows", ["", "\n \n", "\ufeff", "\ufeff\r\n"])
def test_a_file_without_a_row_is_background(load: Load, rows: str) -> None:
    data = load(rows)
    assert [len(sample.truth) for sample in data.samples] == [0, 1]
    assert not data.problems


def test_rows_that_are_repeated_count_once(load: Load) -> None:
    data = load("1 0.5 0.4 0.2 0.4\n0 0.5 0.4 0.2 0.4\n1 0.500 0.4 0.2 0.40\n")
    assert data.samples[0].truth.class_ids.tolist() == [1, 0]
    assert data.notes == (
        "exact repeats of a label dropped: 1 of 4 labels, a first; more than a tenth, check how the labels were merged",
    )
    assert not data.problems


def test_class_ids_that_count_from_1_are_doubted(load: Load) -> None:
    rows = "".join(f"{1 + index % 2} 0.5 0.5 0.2 0.{index}\n" for index in range(1, 5))
    (doubt,) = (problem for problem in load(rows, other="").problems if problem.doubt)
    assert str(doubt) == "val: class ids run from 1 to 2, but YOLO counts from 0; subtract 1"
    assert not any(problem.doubt for problem in load(rows).problems)  # the other image has class 0


def test_fractions_in_corners_are_doubted(load: Load) -> None:
    rows = "".join(f"0 {x / 10} 0.3 {x / 10 + 0.2} 0.6\n" for x in range(1, 8))
    (doubt,) = load(rows, other="").problems
    assert doubt.doubt
    assert doubt.what == "all 7 boxes look like corners, x1 y1 x2 y2; YOLO writes centre and size, x y w h"
    large = "".join(f"0 0.5 0.5 0.9{x} 0.8\n" for x in range(1, 8))
    assert not load(large, other="").problems


@pytest.mark.parametrize(
    ("name", "label"),
    [("a.JPG", "a.TXT"), (unicodedata.normalize("NFD", "Größe.jpg"), unicodedata.normalize("NFC", "Größe.txt"))],
)
def test_a_label_is_found_under_another_spelling(
    tmp_path: Path, draw: Draw, write: Write, name: str, label: str
) -> None:
    draw(tmp_path / "images/val" / name)
    write(tmp_path / "labels/val" / label, "0 0.5 0.5 0.2 0.2")
    data = load_dataset("yolo", tmp_path, "val")
    assert len(data.samples[0].truth) == 1
    assert not data.problems


def test_labels_behind_label_studios_prefix_are_found(tmp_path: Path, draw: Draw, write: Write) -> None:
    for name in "ab":
        draw(tmp_path / f"images/{name}.jpg")
        write(tmp_path / f"labels/0f1e2d3c-{name}.txt", "0 0.5 0.5 0.2 0.2")
    write(tmp_path / "labels/ffffffff-b.txt", "0 0.5 0.5 0.2 0.2")
    write(tmp_path / "classes.txt", "lamp\n")
    data = load_dataset("yolo", tmp_path, None)
    assert [len(sample.truth) for sample in data.samples] == [1, 0]  # two labels may be b's
    assert any(note.startswith("Label Studio's prefix of 1 label file is passed over") for note in data.notes)
    assert [Path(problem.where).name for problem in data.problems] == ["0f1e2d3c-b.txt", "ffffffff-b.txt"]


def test_a_label_behind_a_prefix_is_not_taken_from_the_image_of_its_name(
    tmp_path: Path, draw: Draw, write: Write
) -> None:
    for name in ("a", "0f1e2d3c-a"):
        draw(tmp_path / f"images/{name}.jpg")
    write(tmp_path / "labels/0f1e2d3c-a.txt", "0 0.5 0.5 0.2 0.2")
    data = load_dataset("yolo", tmp_path, None)
    assert {sample.key: len(sample.truth) for sample in data.samples} == {"0f1e2d3c-a": 1, "a": 0}


def test_label_files_without_an_image_are_named(tmp_path: Path, draw: Draw, write: Write) -> None:
    draw(tmp_path / "images/val/street/a.jpg")
    for name in ("street/a", "b", "street/c"):
        write(tmp_path / f"labels/val/{name}.txt", "0 0.5 0.5 0.2 0.2\n")
    for name in ("classes.txt", "README.txt", ".hidden/d.txt", "._a.txt"):
        write(tmp_path / "labels/val" / name, "lamp\n")
    problems = load_dataset("yolo", tmp_path, "val").problems
    assert [Path(problem.where).name for problem in problems] == ["b.txt", "c.txt"]
    assert all("is a label file without an image" in problem.what for problem in problems)
    for index in range(5):
        write(tmp_path / f"labels/val/{index}.txt", "")
    (problem,) = load_dataset("yolo", tmp_path, "val").problems
    assert problem.where == "7 times"


def test_labels_with_other_names_are_told(tmp_path: Path, draw: Draw, write: Write) -> None:
    draw(tmp_path / "images/val/a.jpg")
    write(tmp_path / "labels/val/frame_a.txt", "0 0.5 0.5 0.2 0.2\n")
    with pytest.raises(
        UserError, match=r"expected .*labels/val/a\.txt.*; 1 label file there have other names, .*frame_a"
    ):
        load_dataset("yolo", tmp_path, "val")
