"""Folders, lists and YAMLs as Roboflow, CVAT, Label Studio, LabelImg and Darknet write them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.detection.datasets import load_dataset

Draw = Callable[..., Path]
Write = Callable[[Path, str], Path]
Pair = Callable[[str, str], None]


@pytest.fixture
def pair(tmp_path: Path, draw: Draw, write: Write) -> Pair:
    """``pair("images/a.jpg", "labels/a.txt")`` writes an image and its label."""

    def make(image: str, label: str) -> None:
        draw(tmp_path / image)
        write(tmp_path / label, "0 0.5 0.5 0.2 0.2\n")

    return make


def boxes(root: Path, split: str | None = None, name: str = "yolo") -> dict[str, int]:
    return {sample.key: len(sample.truth) for sample in load_dataset(name, root, split).samples}


@pytest.mark.parametrize("names", ["{'0': lamp, '1': moon}", "{0.0: lamp, 1.0: moon}", "{1: moon, 0: lamp}"])
def test_class_keys_are_read_as_people_write_them(tmp_path: Path, pair: Pair, write: Write, names: str) -> None:
    pair("images/val/a.jpg", "labels/val/a.txt")
    write(tmp_path / "data.yaml", f"val: images/val\nnc: 2\nnames: {names}\n")
    assert load_dataset("yolo", tmp_path, None).class_names == ("lamp", "moon")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nc: 3\nnames: [a, b]", "nc is 3, but names has 2 classes; fix one"),
        ("nc: .nan\nnames: [a, b]", "nc is nan"),
        ("names: {1: a, 2: b}", "must number the classes 0…1 without gaps"),
        ("names: {'0': a, 0: b}", "must number the classes 0…1 without gaps"),
        ("names: [yes, no]", "`names` has true for class 0; YAML reads yes, no, on and off so, write them in quotes"),
        ("names: [a, null]", "has no name for class 1"),
        ("names: [a, {x: y}]", "has no name for class 1"),
        ("names: [a, '']", "has no name for class 1"),
        ("names: [a]\nkpt_shape: 17", "kpt_shape 17 is not [K, D]"),
        ("names: [a]\nkpt_shape: [17, -3]", "kpt_shape [17, -3] is not [K, D]"),
        ("names: [a]\nkpt_shape: [.nan, 3]", "kpt_shape [nan, 3] is not [K, D]"),
    ],
)
def test_a_yaml_that_contradicts_itself_is_refused(
    tmp_path: Path, pair: Pair, write: Write, text: str, words: str
) -> None:
    pair("images/val/a.jpg", "labels/val/a.txt")
    write(tmp_path / "data.yaml", f"val: images/val\n{text}\n")
    with pytest.raises(UserError) as caught:
        load_dataset("yolo", tmp_path, None)
    assert words in str(caught.value)


@pytest.mark.parametrize("nc", ["2", "'2'", "2.0", "null"])
def test_nc_that_agrees_or_is_absent_is_fine(tmp_path: Path, pair: Pair, write: Write, nc: str) -> None:
    pair("images/val/a.jpg", "labels/val/a.txt")
    write(tmp_path / "data.yaml", f"val: images/val\nnc: {nc}\nnames: [a, b]\n")
    assert boxes(tmp_path) == {"a": 1}


@pytest.mark.parametrize(
    ("paths", "note"),
    [
        ("path: .\nval: images/val", False),
        ("path: {root}\nval: images/val", False),
        ("val: images\\val", False),
        ("val: .\\images\\val\\", False),
        ("path: /content/datasets/sky\nval: images/val", True),
        ("path: C:\\Users\\me\\sky\nval: images\\val", True),
        ("path: ../datasets/sky\nval: images/val", True),
        ("val: /content/sky/images/val", True),
        ("val: D:\\sky\\images\\val", True),
    ],
)
def test_paths_of_other_machines_are_looked_for_beside_the_yaml(
    tmp_path: Path, pair: Pair, write: Write, paths: str, note: bool
) -> None:
    pair("images/val/a.jpg", "labels/val/a.txt")
    config = write(tmp_path / "sky.yaml", f"{paths.replace('{root}', str(tmp_path))}\nnames: [a]\n")
    data = load_dataset(str(config), None, None)
    assert [len(sample.truth) for sample in data.samples] == [1]
    assert any("does not exist" in each for each in data.notes) == note


@pytest.mark.parametrize(
    "line",
    [
        "images/val/a.jpg",
        "./images/val/a.jpg",
        "images\\val\\a.jpg",
        ".\\images\\val\\a.jpg",
        '"images/val/a.jpg"',
        "images/val/a",
        "images/val/a.JPEG",
        "data/images/val/a.jpg",
        "/content/sky/images/val/a.jpg",
        "C:\\sky\\images\\val\\a.jpg",
    ],
)
@pytest.mark.parametrize("where", ["", "lists/"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lists_are_read_as_people_write_them(
    tmp_path: Path, pair: Pair, write: Write, line: str, where: str, encoding: str
) -> None:
    pair("images/val/a.jpg", "labels/val/a.txt")
    write(tmp_path / f"{where}val.txt", "").write_text(f"{line}\r\n\r\n", encoding=encoding)
    write(tmp_path / "data.yaml", f"val: {where}val.txt\nnames: [a]\n")
    assert boxes(tmp_path) == {"a": 1}


def test_two_slashes_in_front_of_a_path_are_one(tmp_path: Path, pair: Pair, write: Write) -> None:
    pair("images/val/a.jpg", "labels/val/a.txt")
    write(tmp_path / "val.txt", "images/val/a.jpg\n//nowhere/b.jpg\n")
    write(tmp_path / "data.yaml", "val: val.txt\nnames: [a]\n")
    data = load_dataset("yolo", tmp_path, None)
    assert [len(sample.truth) for sample in data.samples] == [1]
    assert "/nowhere/b.jpg cannot be read" in data.problems[0].what


def test_an_image_that_is_listed_twice_counts_once(tmp_path: Path, pair: Pair, write: Write) -> None:
    pair("images/val/a.jpg", "labels/val/a.txt")
    write(tmp_path / "val.txt", "images/val/a.jpg\n./images/val/a.jpg\n")
    write(tmp_path / "data.yaml", "val: val.txt\nnames: [a]\n")
    data = load_dataset("yolo", tmp_path, None)
    assert len(data.samples) == 1
    assert data.notes == ("images listed more than once: 1, a.jpg first",)
    assert not data.problems


def test_a_system_file_is_no_list_of_images(tmp_path: Path, pair: Pair, write: Write) -> None:
    pair("images/val/a.jpg", "labels/val/a.txt")
    secret = write(tmp_path / "passwd", "root:x:0:0\n")
    write(tmp_path / "data.yaml", f"val: {secret}\nnames: [a]\n")
    with pytest.raises(UserError, match=r"passwd is neither a folder nor a \.txt list of images; fix `val`"):
        load_dataset("yolo", tmp_path, None)


def test_roboflow(tmp_path: Path, pair: Pair, write: Write) -> None:
    pair("valid/images/a_jpg.rf.0123.jpg", "valid/labels/a_jpg.rf.0123.txt")
    write(tmp_path / "README.roboflow.txt", "sky\n")
    write(tmp_path / "README.dataset.txt", "sky\n")
    write(
        tmp_path / "data.yaml",
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 1\nnames: ['a']",
    )
    for split in (None, "val", "valid"):
        data = load_dataset("yolo", tmp_path, split)
        assert [sample.key for sample in data.samples] == ["a_jpg.rf.0123"]
        assert not data.problems
        assert not data.notes


def test_roboflow_for_darknet(tmp_path: Path, pair: Pair, write: Write) -> None:
    pair("valid/a_jpg.rf.0123.jpg", "valid/a_jpg.rf.0123.txt")
    write(tmp_path / "valid/_darknet.labels", "lamp\nmoon\n")
    data = load_dataset("yolo", tmp_path, "valid")
    assert data.class_names == ("lamp", "moon")
    assert [len(sample.truth) for sample in data.samples] == [1]
    assert not data.problems


@pytest.mark.parametrize("prefix", ["data/", ""])
def test_cvat_for_darknet(tmp_path: Path, pair: Pair, write: Write, prefix: str) -> None:
    pair("obj_train_data/a.jpg", "obj_train_data/a.txt")
    pair("obj_train_data/b.PNG", "obj_train_data/b.txt")
    write(tmp_path / "obj.names", "lamp\nmoon\n")
    write(tmp_path / "obj.data", f"classes = 2\ntrain = {prefix}train.txt\nnames = {prefix}obj.names\n")
    write(tmp_path / "train.txt", f"{prefix}obj_train_data/a.jpg\n{prefix}obj_train_data/b.PNG\n")
    data = load_dataset("yolo", tmp_path, "train")
    assert {sample.key: len(sample.truth) for sample in data.samples} == {"a": 1, "b": 1}
    assert data.class_names == ("lamp", "moon")
    assert not data.problems
    with pytest.raises(UserError, match="has no split 'val'; known: train"):
        load_dataset("yolo", tmp_path, None)


def test_cvat_for_ultralytics(tmp_path: Path, pair: Pair, write: Write) -> None:
    pair("images/train/a.jpg", "labels/train/a.txt")
    write(tmp_path / "data.yaml", "names:\n  0: lamp\npath: .\ntrain: train.txt\n")
    write(tmp_path / "train.txt", "data/images/train/a.jpg\n")
    assert boxes(tmp_path, "train") == {"a": 1}


def test_label_studio(tmp_path: Path, pair: Pair, write: Write) -> None:
    pair("images/0f1e2d3c-a.jpg", "labels/0f1e2d3c-a.txt")
    write(tmp_path / "classes.txt", "lamp\nmoon")
    write(tmp_path / "notes.json", "{}")
    data = load_dataset("yolo", tmp_path, None)
    assert [(sample.key, len(sample.truth)) for sample in data.samples] == [("0f1e2d3c-a", 1)]
    assert not data.problems
    assert not data.notes


def test_labelimg_with_labels_beside_the_images(tmp_path: Path, pair: Pair, write: Write) -> None:
    pair("a.jpg", "a.txt")
    write(tmp_path / "classes.txt", "lamp\n")
    assert boxes(tmp_path) == {"a": 1}
    assert load_dataset("yolo", tmp_path, None).class_names == ("lamp",)


def test_class_names_beside_the_labels_are_used_and_said(tmp_path: Path, pair: Pair, write: Write) -> None:
    pair("images/val/a.jpg", "labels/val/a.txt")
    names = write(tmp_path / "labels/val/classes.txt", "lamp\n")
    data = load_dataset("yolo", tmp_path, None)
    assert data.class_names == ("lamp",)
    assert data.notes == (f"class names are those of {names}",)


def test_an_empty_line_between_class_names_is_refused(tmp_path: Path, pair: Pair, write: Write) -> None:
    pair("images/val/a.jpg", "labels/val/a.txt")
    write(tmp_path / "classes.txt", "lamp\n\nmoon\n")
    with pytest.raises(UserError, match=r"classes.txt, line 2, is empty"):
        load_dataset("yolo", tmp_path, None)


def test_a_yaml_of_another_name_is_found_if_it_is_the_only_one(tmp_path: Path, pair: Pair, write: Write) -> None:
    pair("images/val/a.jpg", "labels/val/a.txt")
    write(tmp_path / "notes.yaml", "- a\n")
    write(tmp_path / "sky.yaml", "val: images/val\nnames: [lamp]\n")
    assert load_dataset("yolo", tmp_path, None).class_names == ("lamp",)
    write(tmp_path / "sea.yaml", "val: images/val\nnames: [moon]\n")
    with pytest.raises(UserError, match=r"several others \(sea.yaml, sky.yaml\); give one of them as --dataset"):
        load_dataset("yolo", tmp_path, None)


def test_labels_beside_images_below_a_folder_called_images(tmp_path: Path, pair: Pair) -> None:
    pair("images/sky/obj_train_data/a.jpg", "images/sky/obj_train_data/a.txt")
    assert boxes(tmp_path / "images/sky/", "obj_train_data") == {"a": 1}


def test_linked_folders_and_files(tmp_path: Path, pair: Pair) -> None:
    pair("store/a.jpg", "labels/val/a.txt")
    (tmp_path / "images").mkdir()
    (tmp_path / "images/val").symlink_to(tmp_path / "store")
    assert boxes(tmp_path) == {"a": 1}
    (tmp_path / "store/b.jpg").symlink_to(tmp_path / "store/a.jpg")
    assert boxes(tmp_path) == {"a": 1, "b": 0}


def test_folders_may_be_in_another_letter_case(tmp_path: Path, pair: Pair) -> None:
    pair("Images/Val/a.JPG", "Labels/Val/a.TXT")
    pair("Images/Train/b.jpg", "Labels/Train/b.txt")
    assert boxes(tmp_path) == boxes(tmp_path, "val") == boxes(tmp_path, "Val") == {"a": 1}
    assert not load_dataset("yolo", tmp_path, "train").problems


def test_labels_of_another_layout_are_told(tmp_path: Path, draw: Draw, write: Write) -> None:
    draw(tmp_path / "images/a.jpg")
    write(tmp_path / "images/a.xml", "<annotation/>")
    with pytest.raises(UserError, match=r"beside the image is a\.xml: --dataset voc reads Pascal VOC's XML"):
        load_dataset("yolo", tmp_path, None)


def test_a_label_in_lower_case_goes_before_its_namesake(tmp_path: Path, pair: Pair, write: Write) -> None:
    pair("images/val/a.jpg", "labels/val/a.txt")
    write(tmp_path / "labels/val/a.TXT", "0 0.5 0.5 0.2 0.2\n0 0.4 0.4 0.2 0.2\n")
    assert boxes(tmp_path, "val") == {"a": 1}


def test_a_pipe_in_place_of_a_label_is_named(tmp_path: Path, pair: Pair, draw: Draw) -> None:
    pair("images/val/a.jpg", "labels/val/a.txt")
    draw(tmp_path / "images/val/b.jpg")
    for name in ("labels/val/b.txt", "labels/val/c.txt", "images/val/d.x"):
        os.mkfifo(tmp_path / name)
    data = load_dataset("yolo", tmp_path, "val")
    assert [sample.key for sample in data.samples] == ["a"]
    assert "b.txt cannot be read (it is a pipe or device, not a file)" in str(data.problems[-1])
