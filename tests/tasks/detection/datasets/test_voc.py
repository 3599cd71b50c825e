"""The loader of VOC's layout and its relatives, on small trees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.classes import COCO_CLASSES, VOC_CLASSES, map_classes
from sgz_bench.tasks.detection.datasets import load_dataset

from .conftest import Draw

Write = Callable[[Path, str], Path]


def xml(*objects: str, name: str = "a.jpg", size: tuple[int, int] = (100, 50), head: str = "") -> str:
    width, height = size
    parts = f"<filename>{name}</filename><size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"{head}<annotation>{parts}{''.join(objects)}</annotation>"


def thing(name: str = "person", box: str = "11 6 30 40", extra: str = "") -> str:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), box.split(), strict=True)
    return f"<object><name>{name}</name>{extra}<bndbox>{''.join(f'<{t}>{v}</{t}>' for t, v in sides)}</bndbox></object>"


@pytest.fixture
def voc(tmp_path: Path, draw: Draw, write: Write) -> Path:
    base = tmp_path / "VOCdevkit" / "VOC2007"
    for stem in ("a", "b"):
        draw(base / "JPEGImages" / f"{stem}.jpg")
        write(base / "Annotations" / f"{stem}.xml", xml(thing(), name=f"{stem}.jpg"))
    write(base / "ImageSets/Main/test.txt", "a\n")
    write(base / "ImageSets/Main/val.txt", "b\n")
    write(base / "ImageSets/Main/person_test.txt", "a 1\n")
    return tmp_path


def boxes(root: Path, split: str | None = None, name: str = "voc") -> list[list[float]]:
    return [box for sample in load_dataset(name, root, split).samples for box in sample.truth.boxes.tolist()]


def test_pixels_are_counted_from_1_with_the_last_one_included(voc: Path) -> None:
    assert boxes(voc, "test") == [[10, 5, 30, 40]]  # 20 × 35 pixels, the 11th to the 30th across
    data = load_dataset("voc", voc / "VOCdevkit", None)
    assert (data.split, data.official) == ("val", 2510)
    assert data.class_names == VOC_CLASSES
    assert "counted from 1" in data.notes[0]


@pytest.mark.parametrize("other", ["0 6 30 40", "11.5 6 30.25 40"])
def test_a_zero_or_a_fraction_anywhere_shows_plain_coordinates(voc: Path, write: Write, other: str) -> None:
    write(voc / "VOCdevkit/VOC2007/Annotations/b.xml", xml(thing(box=other), name="b.jpg"))
    assert boxes(voc, "test") == [[11, 6, 30, 40]]
    assert boxes(voc, "val") == [[float(side) for side in other.split()]]


def test_difficult_objects_are_ignored_as_in_voc(voc: Path, write: Write) -> None:
    objects = (thing(extra="<difficult>1</difficult>"), thing(box="50 6 70 40", extra="<difficult>0</difficult>"))
    write(voc / "VOCdevkit/VOC2007/Annotations/a.xml", xml(*objects))
    data = load_dataset("voc", voc, "test")
    assert data.samples[0].truth.crowd.tolist() == [True, False]
    assert any("1 difficult object" in note for note in data.notes)


def test_parts_namespaces_and_the_order_of_elements_do_not_matter(voc: Path, write: Write) -> None:
    inner = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"
    box = "<bndbox><ymax>40</ymax><xmax>30.0</xmax><ymin> 6 </ymin><xmin>11</xmin></bndbox>"
    text = f'<annotation xmlns="urn:x"><object>{inner}{box}<name> person\n</name></object></annotation>'
    write(voc / "VOCdevkit/VOC2007/Annotations/a.xml", text)
    data = load_dataset("voc", voc, "test")
    assert not data.problems
    assert data.samples[0].truth.boxes.tolist() == [[10, 5, 30, 40]]


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [("", "utf-8-sig"), ("", "utf-16"), ("GB2312", "gb2312"), ("utf-16", "utf-8"), ("windows-1251", "cp1251")],
)
def test_declared_encodings_and_byte_order_marks_are_read(voc: Path, declared: str, encoding: str) -> None:
    name = "кот" if encoding == "cp1251" else "猫"
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    path = voc / "VOCdevkit/VOC2007/Annotations/a.xml"
    path.write_bytes(xml(thing(name), head=head).encode(encoding))
    data = load_dataset("voc", voc, "test")
    assert not data.problems
    assert data.class_names == ("person", name)
    assert "2 names in the XML files" in data.notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<!DOCTYPE a [<!ENTITY b "x">]><annotation>&b;</annotation>', "document type"),
        ("<annotation><object></annotation>", "is not XML"),
        ("", "is not XML"),
        ("<page></page>", "root is <page>"),
        ("<html></html>", "is a web page"),
        (xml(thing(), size=(60, 60)), "100×50 but .* says 60×60; its boxes do not fit"),
        ('<?xml version="1.0" encoding="zip"?><annotation/>', "encoding zip"),
    ],
)
def test_a_file_that_cannot_be_used_leaves_its_image_out(voc: Path, write: Write, text: str, message: str) -> None:
    path = write(voc / "VOCdevkit/VOC2007/Annotations/a.xml", text)
    write(voc / "VOCdevkit/VOC2007/ImageSets/Main/both.txt", "a\nb\n")
    data = load_dataset("voc", voc, "both")
    assert [sample.key for sample in data.samples] == ["b"]
    (problem,) = data.problems
    assert problem.lost
    assert str(path) in str(problem)
    with pytest.raises(UserError, match=message):
        load_dataset("voc", voc, "test")


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (thing(box="11 6 x 40"), "has the xmax 'x', which is no number"),
        (thing(box="31 6 30 40"), "has no positive size"),
        ("<object><name>person</name></object>", "has no <bndbox>"),
        ("<object><name>person</name><robndbox><cx>3</cx></robndbox></object>", "a rotated <robndbox>"),
        ("<object><bndbox/></object>", "has no <name>"),
    ],
)
def test_an_object_without_a_box_is_reported_and_skipped(voc: Path, write: Write, item: str, message: str) -> None:
    write(voc / "VOCdevkit/VOC2007/Annotations/a.xml", xml(thing(), item))
    data = load_dataset("voc", voc, "test")
    assert len(data.samples[0].truth) == 1
    (problem,) = data.problems
    assert message in str(problem)
    assert "object 2" in str(problem)


def test_a_swapped_size_is_reported_and_the_boxes_that_fit_are_used(voc: Path, write: Write) -> None:
    write(voc / "VOCdevkit/VOC2007/Annotations/a.xml", xml(thing(), size=(50, 100)))
    data = load_dataset("voc", voc, "test")
    assert len(data.samples[0].truth) == 1
    assert "the boxes fit and are used" in str(data.problems[0])
    write(voc / "VOCdevkit/VOC2007/Annotations/a.xml", xml(thing(), size=(0, 0)))
    assert not load_dataset("voc", voc, "test").problems


def test_lists_and_file_names_find_images_and_paths_outside_are_refused(voc: Path, draw: Draw, write: Write) -> None:
    base = voc / "VOCdevkit/VOC2007"
    draw(base / "JPEGImages/photo.JPG")
    write(base / "Annotations/0001.xml", xml(thing(), name="photo"))
    write(base / "Annotations/0002.xml", xml(thing(), name="../../x.jpg"))
    write(base / "ImageSets/Main/mine.txt", '0001\r\n"b"\r\nJPEGImages\\a.jpg\r\n../x\r\n0002\r\n')
    data = load_dataset("voc", voc, "mine")
    assert [sample.key for sample in data.samples] == ["a", "b", "photo"]
    assert [problem.where for problem in data.problems] == ["../x", "0002"]
    assert all(problem.lost for problem in data.problems)
    write(base / "ImageSets/Main/flags.txt", "a -1\n")
    with pytest.raises(UserError, match="one class with a flag per image"):
        load_dataset("voc", voc, "flags")
    with pytest.raises(UserError, match="did you mean 'val'"):
        load_dataset("voc", voc, "vall")
    mine = load_dataset("voc", voc, str(base / "ImageSets/Main/test.txt"))
    assert [sample.key for sample in mine.samples] == ["a"]
    assert mine.split.startswith("test-")


def test_llvip_has_two_modalities_and_one_folder_of_annotations(tmp_path: Path, draw: Draw, write: Write) -> None:
    for part, stem in (("train", "010001"), ("test", "190001")):
        write(tmp_path / f"LLVIP/Annotations/{stem}.xml", xml(thing(), name=f"{stem}.jpg"))
        for modality in ("visible", "infrared"):
            draw(tmp_path / f"LLVIP/{modality}/{part}/{stem}.jpg")
    data = load_dataset("voc", tmp_path, None)
    assert (data.split, data.official, len(data.samples)) == ("test", 3463, 1)
    assert data.samples[0].key == "190001"
    assert not data.problems
    infrared = load_dataset("voc(modality=infrared)", tmp_path / "LLVIP", "train")
    assert infrared.samples[0].path.parent.parent.name == "infrared"
    assert infrared.name == "voc(modality=infrared)"


def test_exports_put_xml_beside_images_or_have_no_lists(tmp_path: Path, draw: Draw, write: Write) -> None:
    for split in ("train", "test"):
        draw(tmp_path / f"roboflow/{split}/s_png.rf.0a.jpg")
        write(tmp_path / f"roboflow/{split}/s_png.rf.0a.xml", xml(thing("light bulb")))
    assert load_dataset("voc", tmp_path / "roboflow", None).split == "test"
    draw(tmp_path / "studio/images/0a-photo.png")
    draw(tmp_path / "studio/images/0b-photo.png")
    write(tmp_path / "studio/Annotations/0a-photo.xml", xml(thing("light bulb")))
    write(tmp_path / "studio/Annotations/0c-photo.xml", xml(thing("light bulb")))
    write(tmp_path / "studio/Annotations/.ipynb_checkpoints/0a-photo.xml", "")
    data = load_dataset("voc", tmp_path / "studio", None)
    assert [sample.key for sample in data.samples] == ["0a-photo"]
    assert data.class_names == ("light bulb",)
    first, second = map(str, data.problems)
    assert first.startswith("0b-photo: has no XML file")
    assert "0c-photo.xml: has no image" in second
    draw(tmp_path / "cvat/JPEGImages/sub/frame 1.jpg")
    write(tmp_path / "cvat/Annotations/sub/frame 1.xml", xml(thing("car")))
    write(tmp_path / "cvat/ImageSets/Main/default.txt", "sub/frame 1\n")
    assert load_dataset("voc", tmp_path / "cvat", None).samples[0].key == "sub/frame 1"


def test_a_class_file_replaces_the_names_found(voc: Path, write: Write) -> None:
    path = write(voc / "classes.txt", "car\nperson\n")
    assert load_dataset(f"voc(classes={path})", voc, "test").class_names == ("car", "person")
    write(path, "car\n")
    data = load_dataset(f"voc(classes={path})", voc, "test")
    assert "class 'person' is not in the class list" in str(data.problems[0])


def test_a_folder_without_annotations_names_what_is_there(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "JPEGImages/a.jpg")
    with pytest.raises(UserError, match=r"no XML annotations.*found: JPEGImages"):
        load_dataset("voc", tmp_path, None)


def test_a_coco_model_has_all_of_vocs_classes_by_name() -> None:
    mapping = map_classes(COCO_CLASSES, VOC_CLASSES)
    assert sorted(mapping[mapping >= 0].tolist()) == list(range(20))
    assert mapping[COCO_CLASSES.index("tv")] == 19


def test_cvats_own_xml_is_named(tmp_path: Path, draw: Draw, write: Write) -> None:
    draw(tmp_path / "images/a.jpg")
    write(tmp_path / "annotations.xml", "<annotations><image/></annotations>")
    with pytest.raises(UserError, match="CVAT's own format: export as PASCAL VOC"):
        load_dataset("voc", tmp_path, None)


def test_annotations_without_images_name_the_folder_that_was_searched(voc: Path) -> None:
    for path in (voc / "VOCdevkit/VOC2007/JPEGImages").iterdir():
        path.unlink()
    (voc / "VOCdevkit/VOC2007/ImageSets/Main/test.txt").unlink()
    with pytest.raises(UserError, match=r"JPEGImages has no such image"):
        load_dataset("voc", voc, "val")
    for path in (voc / "VOCdevkit/VOC2007/ImageSets/Main").iterdir():
        path.unlink()
    with pytest.raises(UserError, match=r"has no image of its name in .*JPEGImages; its boxes"):
        load_dataset("voc", voc, None)


def test_a_file_name_in_two_folders_does_not_take_the_label_of_another(
    tmp_path: Path, draw: Draw, write: Write
) -> None:
    for split in ("train", "val"):
        draw(tmp_path / "images" / split / "1.jpg")
    write(tmp_path / "Annotations/train/1.xml", xml(thing(), name="1.jpg"))
    assert len(load_dataset("voc", tmp_path, "train").samples) == 1
    with pytest.raises(UserError, match="1: has no XML file in"):
        load_dataset("voc", tmp_path, "val")


def test_an_xml_file_without_an_image_is_no_image_that_was_left_out(voc: Path, draw: Draw, write: Write) -> None:
    draw(voc / "flat/a.jpg")
    write(voc / "flat/a.xml", xml(thing()))
    write(voc / "flat/c.xml", xml(thing()))
    (problem,) = load_dataset("voc", voc / "flat", None).problems
    assert "has no image of its name" in problem.what
    assert not problem.lost


def test_rotations_beside_the_boxes_are_told(voc: Path, write: Write) -> None:
    turned = "<attributes><attribute><name>rotation</name><value>{}</value></attribute></attributes>"
    objects = [thing(extra=turned.format(angle)) for angle in ("0.0", "45.0")]
    write(voc / "VOCdevkit/VOC2007/Annotations/a.xml", xml(objects[0], objects[1].replace("11", "12")))
    (problem,) = load_dataset("voc", voc, "test").problems
    assert problem.doubt
    assert "1 box has a `rotation`" in problem.what
