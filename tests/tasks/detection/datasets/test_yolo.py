"""YOLO layout: folders, data.yaml, lists, and labels that are not what they should be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.classes import COCO_CLASSES
from sgz_bench.tasks.detection.datasets import load_dataset

Draw = Callable[..., Path]
Write = Callable[[Path, str], Path]


@pytest.fixture
def root(tmp_path: Path, draw: Draw, write: Write) -> Path:
    """Two images of 100×50 pixels in ``images/val``; ``a`` has one box."""
    draw(tmp_path / "images/val/a.jpg")
    draw(tmp_path / "images/val/b.png")
    write(tmp_path / "labels/val/a.txt", "2 0.5 0.4 0.2 0.4\n")
    write(tmp_path / "labels/val/b.txt", "")
    return tmp_path


def keys(root: Path, split: str | None = None, name: str = "yolo") -> list[str]:
    return [sample.key for sample in load_dataset(name, root, split).samples]


def test_fractions_become_corners_in_pixels(root: Path) -> None:
    data = load_dataset("yolo", root, "val")

    assert [(sample.id, sample.key, sample.width, sample.height) for sample in data.samples] == [
        (1, "a", 100, 50),
        (2, "b", 100, 50),
    ]
    truth = data.samples[0].truth
    np.testing.assert_allclose(truth.boxes, [[40, 10, 60, 30]])
    np.testing.assert_allclose(truth.areas, [400])
    assert truth.class_ids.tolist() == [2]
    assert truth.crowd.tolist() == [False]
    assert not data.problems
    assert not data.partial


def test_without_names_the_classes_are_cocos(root: Path) -> None:
    assert load_dataset("yolo", root, "val").class_names == COCO_CLASSES


def test_classes_txt_names_the_classes(root: Path, write: Write) -> None:
    write(root / "classes.txt", "\ufefflamp\r\nfog light\r\nmoon\r\n")
    assert load_dataset("yolo", root, "val").class_names == ("lamp", "fog light", "moon")


def test_a_missing_label_file_means_background(root: Path) -> None:
    (root / "labels/val/a.txt").unlink()
    data = load_dataset("yolo", root, "val")

    assert [len(sample.truth) for sample in data.samples] == [0, 0]
    assert not data.problems


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("80 0.5 0.5 0.2 0.2", "class 80 is not one of 0…79"),
        ("-1 0.5 0.5 0.2 0.2", "class -1 is not one of"),
        ("1.5 0.5 0.5 0.2 0.2", "class 1.5 is not one of"),
        ("0 nan 0.5 0.2 0.2", "not finite"),
        ("0 0.5 0.5 inf 0.2", "not finite"),
        ("0 0.5 0.5 0 0.2", "no positive size"),
        ("0 0.5 0.5 0.2 -0.2", "no positive size"),
        ("0 320 240 64 64", "is outside [0, 1]"),
        ("0 -0.5 0.5 0.2 0.2", "is outside [0, 1]"),
        ("0 0.5 0.5 0.2", "has 4 fields"),
        ("0 0.5 0.5 0.2 0.2 0.9", "has 6 fields"),
        ("car 0.5 0.5 0.2 0.2", "'car'"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_kept(root: Path, write: Write, line: str, reason: str) -> None:
    write(root / "labels/val/a.txt", f"1 0.5 0.5 0.2 0.2\n{line}\n3 0.5 0.5 0.1 0.1\n")
    data = load_dataset("yolo", root, "val")

    assert data.samples[0].truth.class_ids.tolist() == [1, 3]
    (problem,) = data.problems
    assert problem.where.endswith("a.txt, line 2")
    assert reason in problem.what


def test_byte_order_mark_and_crlf_are_read_over(root: Path, write: Write) -> None:
    write(root / "labels/val/a.txt", "\ufeff2 0.5 0.4 0.2 0.4\r\n\r\n7 0.5 0.5 0.1 0.1\r\n")
    data = load_dataset("yolo", root, "val")

    assert data.samples[0].truth.class_ids.tolist() == [2, 7]
    assert not data.problems


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x81", b"0 0.5\x00\x00"])
def test_an_image_whose_label_file_is_binary_is_left_out_not_scored_as_background(root: Path, content: bytes) -> None:
    (root / "labels/val/a.txt").write_bytes(content)
    data = load_dataset("yolo", root, "val")

    assert [(sample.id, sample.key) for sample in data.samples] == [(1, "b")]
    assert "a.txt is not a" in data.problems[0].what


def test_a_polygon_stands_for_its_bounding_box(root: Path, write: Write) -> None:
    write(root / "labels/val/a.txt", "5 0.1 0.2 0.5 0.2 0.3 0.8\n")
    np.testing.assert_allclose(load_dataset("yolo", root, "val").samples[0].truth.boxes, [[10, 10, 50, 40]])


def test_a_box_across_the_border_is_kept_as_it_is(root: Path, write: Write) -> None:
    write(root / "labels/val/a.txt", "5 0.05 0.5 0.3 0.2\n")
    data = load_dataset("yolo", root, "val")

    np.testing.assert_allclose(data.samples[0].truth.boxes, [[-10, 20, 20, 30]], atol=1e-12)
    assert not data.problems


@pytest.mark.parametrize(
    ("name", "content"),
    [("zero.jpg", b""), ("text.jpg", b"no image at all"), ("cut.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIH")],
)
def test_a_broken_image_is_named_and_the_others_are_kept(root: Path, name: str, content: bytes) -> None:
    (root / "images/val" / name).write_bytes(content)
    data = load_dataset("yolo", root, "val")

    assert [(sample.id, sample.key) for sample in data.samples] == [(1, "a"), (2, "b")]
    (problem,) = data.problems
    assert name in problem.what


def test_of_two_images_with_one_name_the_first_is_used(root: Path, draw: Draw) -> None:
    draw(root / "images/val/a.png", width=30)
    data = load_dataset("yolo", root, "val")

    assert [sample.path.name for sample in data.samples] == ["a.jpg", "b.png"]
    assert data.problems[0].where.endswith("a.png")
    assert "a.jpg has the same name 'a'" in data.problems[0].what


@pytest.mark.parametrize("layout", ["images/{}", "{}/images"])
def test_split_may_be_below_images_or_above(tmp_path: Path, draw: Draw, write: Write, layout: str) -> None:
    draw(tmp_path / layout.format("night") / "street/a.v2.jpg")
    write(tmp_path / layout.format("night").replace("images", "labels") / "street/a.v2.txt", "0 0.5 0.5 0.2 0.2")

    (sample,) = load_dataset("yolo", tmp_path, "night").samples
    assert sample.key == "street/a.v2"
    assert len(sample.truth) == 1


def test_flat_folders_need_no_split(tmp_path: Path, draw: Draw, write: Write) -> None:
    draw(tmp_path / "images/a.jpg")
    write(tmp_path / "labels/a.txt", "0 0.5 0.5 0.2 0.2")
    data = load_dataset("yolo", tmp_path, None)

    assert len(data.samples[0].truth) == 1
    with pytest.raises(UserError, match=r"no split 'val'.*leave --split out"):
        load_dataset("yolo", tmp_path, "val")


def test_splits_are_never_mixed_for_want_of_a_name(tmp_path: Path, draw: Draw) -> None:
    for split in ("train2017", "val2017"):
        draw(tmp_path / "images" / split / "a.jpg")
    with pytest.raises(UserError, match=r"--split is required \(train2017, val2017\)"):
        load_dataset("yolo", tmp_path, None)


def test_an_unknown_split_is_answered_with_the_nearest(root: Path) -> None:
    with pytest.raises(UserError, match=r"no split 'vall'; did you mean 'val'"):
        load_dataset("yolo", root, "vall")


def test_a_wrong_root_says_what_was_found_there(tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    with pytest.raises(UserError, match=r"has no data.yaml, images/ or SPLIT/images/ \(found: holiday\)"):
        load_dataset("yolo", tmp_path, "val")
    with pytest.raises(UserError, match=r"nowhere is not a folder"):
        load_dataset("yolo", tmp_path / "nowhere", "val")


def test_an_empty_folder_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "images/val").mkdir(parents=True)
    with pytest.raises(UserError, match="has no readable image"):
        load_dataset("yolo", tmp_path, "val")


def test_images_without_labels_are_background_and_said_so_but_not_all_of_them(
    tmp_path: Path, draw: Draw, write: Write
) -> None:
    for name in "abc":
        draw(tmp_path / f"images/val/{name}.png", 8, 8)
    with pytest.raises(UserError, match=r"no image of val has a label file; expected .*labels/val/a\.txt"):
        load_dataset("yolo", tmp_path, "val")
    write(tmp_path / "labels/val_labels/a.txt", "")
    with pytest.raises(UserError, match=r"labels/val_labels/a\.txt has the first image's name: rename its folder"):
        load_dataset("yolo", tmp_path, "val")
    write(tmp_path / "labels/val/b.txt", "")
    assert "no label file, so background: 2 images, a first" in load_dataset("yolo", tmp_path, "val").notes


def test_limit_takes_images_evenly_and_says_so(tmp_path: Path, draw: Draw, write: Write) -> None:
    for index in range(10):
        draw(tmp_path / f"images/val/{index}.png", 8, 8)
        write(tmp_path / f"labels/val/{index}.txt", "")
    data = load_dataset("yolo", tmp_path, "val", limit=4)

    assert [(sample.id, sample.key) for sample in data.samples] == [(1, "0"), (2, "2"), (3, "5"), (4, "7")]
    assert data.partial
    assert not load_dataset("yolo", tmp_path, "val", limit=10).partial
    with pytest.raises(UserError, match="--limit 0"):
        load_dataset("yolo", tmp_path, "val", limit=0)


@pytest.mark.parametrize("names", ["[lamp, moon, star]", "{0: lamp, 1: moon, 2: star}"])
def test_data_yaml_names_classes_and_folders(root: Path, write: Write, names: str) -> None:
    config = write(root / "sky.yaml", f"path: .\nval: images/val\nnames: {names}\n")
    data = load_dataset(str(config), None, None)

    assert (data.name, data.split, data.class_names) == ("sky", "val", ("lamp", "moon", "star"))
    assert [len(sample.truth) for sample in data.samples] == [1, 0]


def test_a_data_yaml_in_the_root_is_used(root: Path, write: Write) -> None:
    write(root / "data.yaml", "test: images/val\nnames: [a, b, c]\n")
    assert load_dataset("yolo", root, "test").name == root.name
    with pytest.raises(UserError, match=r"no split 'train'; known: test"):
        load_dataset("yolo", root, "train")


def test_folders_that_are_given_from_one_level_up_are_found(root: Path, write: Write) -> None:
    write(root / "data.yaml", "val: ../images/val\nnames: [a, b, c]\n")
    assert keys(root) == ["a", "b"]


def test_of_several_folders_the_keys_say_which(root: Path, draw: Draw, write: Write) -> None:
    draw(root / "images/dusk/a.jpg")
    write(root / "data.yaml", "val: [images/val, images/dusk]\nnames: [a, b, c]\n")
    assert keys(root) == ["dusk/a", "val/a", "val/b"]


def test_a_list_of_images_keeps_folders_apart(root: Path, draw: Draw, write: Write) -> None:
    draw(root / "images/dusk/a.jpg")
    write(root / "val.txt", "./images/val/a.jpg\r\nimages/dusk/a.jpg\r\nimages/val/b.jpg\r\nimages/val/gone.jpg\r\n")
    write(root / "data.yaml", "val: val.txt\nnames: [a, b, c]\n")
    data = load_dataset("yolo", root, None)

    assert [(sample.key, len(sample.truth)) for sample in data.samples] == [("dusk/a", 0), ("val/a", 1), ("val/b", 0)]
    assert "gone.jpg cannot be read" in data.problems[0].what


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a\n", "is not a data.yaml"),
        ("val: images/val\nnames: {0: a, 2: b}\n", "without gaps"),
        ("val: images/val\nnames: 3\n", "must be a list of class names"),
        ("val: images/nowhere\nnames: [a]\n", "images/nowhere does not exist"),
        ("val: [\n", "is not YAML"),
    ],
)
def test_a_bad_data_yaml_is_one_clear_line(root: Path, write: Write, text: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        load_dataset(str(write(root / "data.yaml", text)), None, "val")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_data_set_is_answered_with_the_nearest(root: Path) -> None:
    with pytest.raises(UserError, match="unknown data set 'yolov8'; did you mean 'yolo'"):
        load_dataset("yolov8", root, "val")
    with pytest.raises(UserError, match="coco needs --root"):
        load_dataset("coco", None, "val")


@pytest.mark.assets
def test_128_real_photographs_load_without_a_problem(assets: Path) -> None:
    data = load_dataset("yolo", assets / "data/coco128", "val2017")

    lines = [path.read_text().split("\n") for path in (assets / "data/coco128/labels/val2017").glob("*.txt")]
    assert len(data.samples) == 128
    assert sum(len(sample.truth) for sample in data.samples) == sum(bool(line) for each in lines for line in each)
    assert not data.problems


def test_a_split_of_a_yaml_may_go_by_its_folders_name(root: Path, write: Write) -> None:
    config = write(root / "sky.yaml", "path: .\ntest: images/val\nnames: [lamp, moon, star]\n")
    by_folder, by_key = load_dataset(str(config), None, "val"), load_dataset(str(config), None, "test")
    assert by_folder.split == "val"
    assert [sample.path for sample in by_folder.samples] == [sample.path for sample in by_key.samples]
