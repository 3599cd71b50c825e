"""Custom folders of images and label maps as people and annotation tools write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from PIL import Image

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.segmentation.datasets import fingerprint, load_dataset, read_labels
from sgz_bench.tasks.segmentation.types import VOID

Values = list[list[int]]
FOLDERS = "images: images/{split}\nmasks: masks/{split}\n"


def image(path: Path, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (4, 2)).save(path)
    return path


def mask(path: Path, *values: int) -> Path:
    """Write a 4×2 map that contains the values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.resize(np.array(values, np.uint8), (2, 4))).save(path)
    return path


@pytest.fixture
def streets(tmp_path: Path) -> Callable[..., str]:
    """``streets(yaml, *values of a map)`` writes an image per map, and the YAML; returns its path."""

    def write(text: str, *maps: tuple[int, ...]) -> str:
        for index, values in enumerate(maps):
            image(tmp_path / f"images/val/{index}.jpg")
            mask(tmp_path / f"masks/val/{index}.png", *values)
        (tmp_path / "streets.yaml").write_text(text)
        return str(tmp_path / "streets.yaml")

    return write


def first(name: str, root: Path | None = None, split: str | None = None) -> Values:
    data = load_dataset(name, root, split)
    return read_labels(data, data.samples[0]).tolist()


@pytest.mark.parametrize(
    ("names", "maps", "message"),
    [
        (
            "[bg, house]",
            [(0, 255)],
            r"0 and 255 only.*if 255 is house, write `ids: {0: bg, 255: house}`; .*`ignore: \[25",
        ),
        ("[house]", [(0, 255)], r"if 255 is house, write `ids: {255: house}` and `ignore: \[0\]`"),
        ("[a, b, c]", [(0, 128, 255), (0,)], r"in their order, write `ids: {0: a, 128: b, 255: c}`"),
        ("[a, b, c]", [(1, 2, 3), (0, 1)], r"`ignore: \[3\]`; if ids count from 1, write `ids: {1: a, 2: b, 3: c}`"),
        ("[a, b]", [tuple(range(8)) for _ in range(2)], ""),
        ("[a, b]", [(255,)], "every pixel of the label maps is 255"),
    ],
)
def test_values_that_contradict_the_classes_are_refused_with_the_line_to_write(
    streets: Callable[..., str], names: str, maps: list[tuple[int, ...]], message: str
) -> None:
    name = streets(f"names: {names}\n{FOLDERS}", *maps)
    if message:
        with pytest.raises(UserError, match=message):
            load_dataset(name, None, None)
    else:  # no clear fix: each map is named where it is read
        with pytest.raises(UserError, match="contains the ids 2–7"):
            first(name)


def test_the_lines_of_the_messages_give_the_maps_their_classes(streets: Callable[..., str]) -> None:
    text = f"names: [bg, house]\n{FOLDERS}"
    assert first(streets(text + "ids: {0: bg, 255: house}\n", (0, 255))) == [[0, 1, 0, 1]] * 2
    assert first(streets(text + "ignore: [255]\n", (0, 255))) == [[0, VOID, 0, VOID]] * 2
    assert not load_dataset(streets(text + "ignore: [255]\n", (0, 255)), None, None).notes
    assert first(streets(text + "ids: {'0': bg, 255.0: house}\n", (0, 255))) == [[0, 1, 0, 1]] * 2


def test_a_class_without_a_pixel_is_noted_where_255_is_void_by_default(streets: Callable[..., str]) -> None:
    text = f"names: [road, sky, car]\n{FOLDERS}"
    (note,) = load_dataset(streets(text, (0, 1, 255)), None, None).notes
    assert note.startswith("no pixel of car, and 255 is void by default")
    assert not load_dataset(streets(text, (0, 1, 1)), None, None).notes
    assert not load_dataset(streets(text, (0, 1, 2, 255)), None, None).notes
    assert not load_dataset(streets(text + "ignore: 255\n", (0, 1, 255)), None, None).notes


def test_cityscapes_label_ids_under_train_id_names_are_recognised(streets: Callable[..., str]) -> None:
    names = ", ".join(f"c{index}" for index in range(19))
    with pytest.raises(UserError, match="look like Cityscapes' labelIds"):
        load_dataset(streets(f"names: [{names}]\n{FOLDERS}", (7, 8, 11, 23, 26, 33)), None, None)


def test_palettes_that_differ_are_refused_and_longer_ones_are_not(streets: Callable[..., str], tmp_path: Path) -> None:
    name = streets(f"names: [road, sky]\n{FOLDERS}", (0, 1), (0, 1))
    for index, palette in enumerate(([0, 0, 0, 9, 9, 9], [0, 0, 0, 9, 9, 9, 7, 7, 7])):
        picture = Image.fromarray(np.array([[0, 1, 0, 1]] * 2, np.uint8)).convert("L")
        picture.putpalette(palette)
        picture.save(tmp_path / f"masks/val/{index}.png")
    assert len(load_dataset(name, None, None).samples) == 2
    picture.putpalette([9, 9, 9, 0, 0, 0])
    picture.save(tmp_path / "masks/val/1.png")
    with pytest.raises(UserError, match="each file has its own palette, so its values are no ids"):
        load_dataset(name, None, None)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_maps_of_colours_are_read_by_name(streets: Callable[..., str], tmp_path: Path, mode: str) -> None:
    colors = "colors: {road: [128, 64, 128], sky: ['#4682b4', [1, 2, 3]]}\nignore: [0, 0, 0]\n"
    name = streets(f"names: [road, sky]\n{FOLDERS}{colors}", (0,))
    pixels = np.array([[[128, 64, 128], [70, 130, 180], [1, 2, 3], [0, 0, 0]]] * 2, np.uint8)
    picture = Image.fromarray(pixels)
    (picture.quantize(8) if mode == "P" else picture.convert(mode)).save(tmp_path / "masks/val/0.png")
    assert first(name) == [[0, 1, 1, VOID]] * 2
    assert fingerprint(load_dataset(name, None, None)) != fingerprint(
        load_dataset(streets(f"names: [road, sky]\n{FOLDERS}{colors.replace('[1, 2, 3]', '[3, 2, 1]')}"), None, None)
    )
    with pytest.raises(UserError, match=r"contains the colour \(1, 2, 3\), which streets does not have"):
        first(streets(f"names: [road, sky]\n{FOLDERS}{colors.replace('[1, 2, 3]', '[3, 2, 1]')}"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colors: {road: [1, 2]}", "is no colour"),
        ("colors: {road: [1, 2, 3], sky: [1, 2, 3]}", "stands for two classes"),
        ("colors: {road: [1, 2, 3]}", "has no colour of 'sky'"),
        ("colors: {rod: [1, 2, 3]}", "names 'rod'"),
        ("colors: [1]", "must be lines of the form"),
        ("colors: {road: 1, sky: 2}\nids: {0: road}", "has `ids` and `colors`"),
        ("nc: 3", "`nc` is 3, but `names` has 2"),
    ],
)
def test_wrong_colours_and_counts_are_named(streets: Callable[..., str], text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_dataset(streets(f"names: [road, sky]\n{FOLDERS}{text}\n", (0, 1)), None, None)


@pytest.mark.parametrize(
    ("picture", "label", "fix", "lines"),
    [
        ("{}.jpg", "{}_mask.png", r"`masks: masks/{split}/{stem}_mask.png`", "masks: 'masks/{split}/{stem}_mask.png'"),
        ("{}.png", "{}_L.png", r"`masks: masks/{split}/{stem}_L.png`", "masks: 'masks/{split}/{stem}_L.png'"),
        (
            "{}_leftImg8bit.png",
            "{}_gtFine_labelTrainIds.png",
            r"images/{split}/{stem}_leftImg8bit.png` and `masks: masks/{split}/{stem}_gtFine_labelTrainIds.png`",
            "images: 'images/{split}/{stem}_leftImg8bit.png'\nmasks: 'masks/{split}/{stem}_gtFine_labelTrainIds.png'",
        ),
        ("{}.jpg", "seg_{}.png", r"`masks: masks/{split}/seg_{stem}.png`", "masks: 'masks/{split}/seg_{stem}.png'"),
    ],
)
def test_names_that_differ_get_the_pattern_to_write(
    tmp_path: Path, picture: str, label: str, fix: str, lines: str
) -> None:
    for stem in ("aachen_01", "aachen_02", "bonn_01"):
        image(tmp_path / "images/val" / picture.format(stem))
        mask(tmp_path / "masks/val" / label.format(stem), 0, 1)
    yaml = tmp_path / "streets.yaml"
    yaml.write_text(f"names: [road, sky]\n{FOLDERS}")
    with pytest.raises(UserError) as error:
        load_dataset(str(yaml), None, None)
    assert "3 of 3 images have no label map: expected " in str(error.value)
    assert fix in str(error.value)
    yaml.write_text(
        "names: [road, sky]\nimages: images/{split}\n" + lines if "images" not in lines else "names: [a, b]\n" + lines
    )
    data = load_dataset(str(yaml), None, None)
    assert len(data.samples) == 3
    assert not data.problems


def test_what_is_left_over_is_named(streets: Callable[..., str], tmp_path: Path) -> None:
    name = streets(f"names: [road, sky]\n{FOLDERS}", *[(0, 1)] * 4)
    (tmp_path / "masks/val/3.png").unlink()
    mask(tmp_path / "masks/val/0_color.png", 0)
    mask(tmp_path / "masks/val/lost.png", 0)
    image(tmp_path / "images/val/.ipynb_checkpoints/0-checkpoint.jpg")
    (tmp_path / "images/val/5.heic").write_bytes(b"x")
    data = load_dataset(name, None, None)
    assert len(data.samples) == 3
    said = sorted(f"{Path(problem.where).name}: {problem.what}" for problem in data.problems)
    assert [line.partition(" ")[0] for line in said] == ["3:", "5.heic:", "lost.png:"]
    assert any("0_color.png" in note for note in data.notes)
    assert any("hidden" in note for note in data.notes)


def test_an_empty_folder_of_masks_and_label_studio_are_one_line(streets: Callable[..., str], tmp_path: Path) -> None:
    name = streets(f"names: [road, sky]\n{FOLDERS}", (0, 1))
    (tmp_path / "masks/val/0.png").unlink()
    with pytest.raises(UserError, match="has no image file at all"):
        load_dataset(name, None, None)
    mask(tmp_path / "masks/val/task-1-annotation-2-by-1-tag-road-0.png", 0, 255)
    with pytest.raises(UserError, match="Label Studio exports one mask per label"):
        load_dataset(name, None, None)


def test_unicode_forms_and_letter_case_of_suffixes_do_not_matter(streets: Callable[..., str], tmp_path: Path) -> None:
    name = streets(f"names: [road, sky]\n{FOLDERS}", (0, 1))
    image(tmp_path / "images/val" / normalize("NFC", "straße_ü.JPG"))
    mask(tmp_path / "masks/val" / normalize("NFD", "straße_ü.png")).rename(
        tmp_path / "masks/val" / normalize("NFD", "straße_ü.PNG")
    )
    data = load_dataset(name, None, None)
    assert len(data.samples) == 2
    assert not data.problems


@pytest.fixture
def mfnet(tmp_path: Path) -> Path:
    for stem in ("00001D", "00002N", "00003N"):
        image(tmp_path / f"images/{stem}.png", "RGBA")
        mask(tmp_path / f"labels/{stem}.png", 0, 1, 2, 3)
    (tmp_path / "test_night.txt").write_text("00002N\r\n00003N\r\n")
    (tmp_path / "val.txt").write_text("00001D\n00009D\n")
    (tmp_path / "night.yaml").write_text(
        "names: [car, person, bicycle]\nimages: images\nmasks: labels\n"
        "ids: {1: car, 2: person, 3: bicycle}\nignore: [0, 4, 5, 6, 7, 8]\n"
    )
    return tmp_path


def test_mfnet_has_lists_for_splits_and_a_thermal_channel(mfnet: Path) -> None:
    yaml = str(mfnet / "night.yaml")
    data = load_dataset(yaml, None, "test_night")
    assert (data.split, [sample.key for sample in data.samples]) == ("test_night", ["00002N", "00003N"])
    assert any("fourth channel (alpha, or thermal in MFNet) not used: 2 images" in note for note in data.notes)
    assert first(yaml, None, "test_night") == [[VOID, 0, 1, 2]] * 2
    val = load_dataset(yaml, None, "val")
    assert [problem.where for problem in val.problems] == ["00009D"]
    by_path = load_dataset(yaml, None, str(mfnet / "test_night.txt"))
    assert by_path.split.startswith("test_night-")
    assert len(load_dataset(yaml, None, None).samples) == 3
    with pytest.raises(UserError, match="no split 'night'; known: all, test_night, val"):
        load_dataset(yaml, None, "night")


def test_msrs_has_its_images_in_vi(tmp_path: Path) -> None:
    for split, stem in (("train", "00001D"), ("test", "00002N")):
        for folder in ("vi", "ir"):
            image(tmp_path / f"MSRS/{split}/{folder}/{stem}.png")
        mask(tmp_path / f"MSRS/{split}/Segmentation_labels/{stem}.png", 0, 1, 2)
        image(tmp_path / f"MSRS/{split}/Segmentation_visualize/{stem}.png")
    (tmp_path / "msrs.yaml").write_text(
        "path: MSRS\nnames: [car, person, bicycle]\nimages: '{split}/vi'\nmasks: '{split}/Segmentation_labels'\n"
        "ids: {1: car, 2: person, 3: bicycle}\nignore: [0, 4, 5, 6, 7, 8]\n"
    )
    data = load_dataset(str(tmp_path / "msrs.yaml"), None, None)
    assert (data.split, [sample.key for sample in data.samples], data.problems) == ("test", ["00002N"], ())
    (tmp_path / "some.txt").write_text("00001D.png\n00002N.png\n")
    both = load_dataset(str(tmp_path / "msrs.yaml"), None, str(tmp_path / "some.txt"))
    assert [(sample.key, sample.attributes) for sample in both.samples] == [
        ("test/00002N", {"split": "test"}),
        ("train/00001D", {"split": "train"}),
    ]


def test_roboflows_masks_are_read_without_a_yaml(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        image(tmp_path / f"{split}/a_png.rf.01.jpg")
        mask(tmp_path / f"{split}/a_png.rf.01_mask.png", 0, 2)
        (tmp_path / f"{split}/_classes.csv").write_text("Pixel Value, Class\n0, background\n2, lamp\n")
    data = load_dataset("folder", tmp_path, None)
    assert (data.split, data.class_names, data.problems) == ("valid", ("background", "lamp"), ())
    assert first("folder", tmp_path) == [[0, 1, 0, 1]] * 2
    (tmp_path / "train/_classes.csv").write_text("filename, lamp\na.jpg, 1\n")
    with pytest.raises(UserError, match="not Roboflow's table of semantic masks"):
        load_dataset("folder", tmp_path, None)


def test_cvats_masks_are_read_by_their_colours(tmp_path: Path) -> None:
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\nlamp:250,50,83::\n", encoding="utf-8"
    )
    (tmp_path / "SegmentationClass").mkdir()
    with pytest.raises(UserError, match="CVAT leaves images out unless `Save images`"):
        load_dataset("folder", tmp_path, None)
    image(tmp_path / "JPEGImages/a b.jpg")
    pixels = np.array([[[0, 0, 0], [250, 50, 83], [224, 224, 192], [0, 0, 0]]] * 2, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "SegmentationClass/a b.png")
    (tmp_path / "ImageSets/Segmentation").mkdir(parents=True)
    (tmp_path / "ImageSets/Segmentation/default.txt").write_text("a b\n")
    data = load_dataset("folder", tmp_path, None)
    assert (data.split, data.class_names) == ("default", ("background", "lamp"))
    assert first("folder", tmp_path) == [[0, 1, VOID, 0]] * 2
    assert first("folder", tmp_path, "all") == [[0, 1, VOID, 0]] * 2
    (tmp_path / "labelmap.txt").write_text("lamp:red::\n")
    with pytest.raises(UserError, match="line 1: 'lamp:red::' is not name:r,g,b::"):
        load_dataset("folder", tmp_path, None)


def test_vocs_masks_have_21_ids_and_a_void_border(tmp_path: Path) -> None:
    image(tmp_path / "VOC2012/JPEGImages/a.jpg")
    mask(tmp_path / "VOC2012/SegmentationClass/a.png", 0, 15, 255, 7)
    (tmp_path / "VOC2012/ImageSets/Segmentation").mkdir(parents=True)
    (tmp_path / "VOC2012/ImageSets/Segmentation/val.txt").write_text("a\n")
    assert first("folder", tmp_path) == [[0, 15, VOID, 7]] * 2
