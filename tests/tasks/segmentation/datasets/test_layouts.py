"""Every other loader on small trees in its official layout, and what all of them do with pairs that do not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.segmentation.datasets import DATASETS, fingerprint, load_dataset, read_labels
from sgz_bench.tasks.segmentation.types import VOID

NIGHT = "0a18ef8e-00000000"
DAY = "0b1c2d3e-11111111"


def image(path: Path, size: tuple[int, int] = (8, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (3, 2, 1)).save(path)
    return path


def mask(path: Path, value: int = 0, size: tuple[int, int] = (8, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).save(path)
    return path


def values(name: str, root: Path, split: str | None = None) -> list[int]:
    """The class id in a corner of every map."""
    data = load_dataset(name, root, split)
    return [int(read_labels(data, sample)[0, 0]) for sample in data.samples]


@pytest.mark.parametrize("top", ["", "Dark_Zurich_val_anon/"])
def test_dark_zurich_has_daylight_references_and_masks(tmp_path: Path, top: str) -> None:
    stem = "GOPR0356_frame_000321"
    image(tmp_path / f"{top}rgb_anon/val/night/GOPR0356/{stem}_rgb_anon.png")
    image(tmp_path / f"{top}rgb_anon/val_ref/day/GOPR0356_ref/{stem}_ref_rgb_anon.png")
    mask(tmp_path / f"{top}gt/val/night/GOPR0356/{stem}_gt_labelTrainIds.png", 18)
    mask(tmp_path / f"{top}gt/val/night/GOPR0356/{stem}_gt_invGray.png", 255)
    (sample,) = load_dataset("dark-zurich", tmp_path, None).samples
    assert sample.key == f"val/night/GOPR0356/{stem}"
    assert sample.attributes == {"condition": "night", "sequence": "GOPR0356"}
    assert sample.bright is not None
    assert sample.bright.name == f"{stem}_ref_rgb_anon.png"
    assert sample.invalid is not None
    assert values("dark-zurich", tmp_path) == [18]


def test_dark_zurichs_test_reference_carries_its_own_frame_number(tmp_path: Path) -> None:
    top = "Dark_Zurich_test_anon_withoutGt"
    image(tmp_path / top / "rgb_anon/test/night/GOPR0364/GOPR0364_frame_000001_rgb_anon.png")
    image(tmp_path / top / "rgb_anon/test_ref/day/GOPR0364_ref/GOPR0364_frame_000001_GOPR0355_frame_000017_anon.png")
    (sample,) = load_dataset("dark-zurich", tmp_path, "test").samples
    assert sample.labels is None
    assert sample.bright is not None
    with pytest.raises(UserError, match="has no folder rgb_anon/val/night/"):
        load_dataset("dark-zurich", tmp_path, "val")


@pytest.mark.parametrize("top", ["", "NighttimeDrivingTest/"])
def test_nighttime_driving_is_read_by_its_train_ids(tmp_path: Path, top: str) -> None:
    image(tmp_path / f"{top}leftImg8bit/test/night/0_frame_0001_leftImg8bit.png")
    maps = tmp_path / f"{top}gtCoarse_daytime_trainvaltest/test/night"
    mask(maps / "0_frame_0001_gtCoarse_labelTrainIds.png", 10)
    mask(maps / "0_frame_0001_gtCoarse_labelIds.png", 23)
    (sample,) = load_dataset("nighttime-driving", tmp_path, None).samples
    assert sample.key == "night/0_frame_0001"
    assert sample.attributes == {"condition": "night"}
    assert values("nighttime-driving", tmp_path) == [10]
    (maps / "0_frame_0001_gtCoarse_labelTrainIds.png").unlink()
    assert values("nighttime-driving", tmp_path) == [10]


def cityscapes(root: Path) -> Path:
    for city, label in (("lindau", 26), ("frankfurt", 3)):
        image(root / f"leftImg8bit/val/{city}/{city}_000000_000019_leftImg8bit.png")
        mask(root / f"gtFine/val/{city}/{city}_000000_000019_gtFine_labelIds.png", label)
    return root


def test_cityscapes_label_ids_become_train_ids(tmp_path: Path) -> None:
    data = load_dataset("cityscapes", cityscapes(tmp_path), None)
    assert [sample.key for sample in data.samples] == [
        "frankfurt/frankfurt_000000_000019",
        "lindau/lindau_000000_000019",
    ]
    assert [sample.attributes for sample in data.samples] == [{"city": "frankfurt"}, {"city": "lindau"}]
    assert values("cityscapes", tmp_path) == [VOID, 13]


def test_cityscapes_maps_of_train_ids_do_where_there_are_no_others(tmp_path: Path) -> None:
    image(tmp_path / "leftImg8bit/train/bochum/bochum_000000_000313_leftImg8bit.png")
    mask(tmp_path / "gtFine/train/bochum/bochum_000000_000313_gtFine_labelTrainIds.png", 13)
    assert values("cityscapes", tmp_path, "train") == [13]


def test_cityscapes_test_labels_are_withheld(tmp_path: Path) -> None:
    image(tmp_path / "leftImg8bit/test/berlin/berlin_000000_000019_leftImg8bit.png")
    mask(tmp_path / "gtFine/test/berlin/berlin_000000_000019_gtFine_labelIds.png")  # a dummy in the zip
    assert [sample.labels for sample in load_dataset("cityscapes", tmp_path, "test").samples] == [None]


def test_one_split_is_never_read_with_two_kinds_of_ids(tmp_path: Path) -> None:
    folder = cityscapes(tmp_path) / "gtFine/val/lindau"
    (folder / "lindau_000000_000019_gtFine_labelIds.png").rename(
        folder / "lindau_000000_000019_gtFine_labelTrainIds.png"
    )
    data = load_dataset("cityscapes", tmp_path, "val")
    assert [sample.attributes["city"] for sample in data.samples] == ["frankfurt"]
    assert [problem.where for problem in data.problems] == ["lindau/lindau_000000_000019"]


@pytest.fixture
def bdd(tmp_path: Path) -> Path:
    """Two images each in train and val, the first of each at night."""
    for split, stems in (("train", (NIGHT, DAY)), ("val", ("a5fa7888-00000000", "b0000000-00000000"))):
        for index, stem in enumerate(stems):
            image(tmp_path / f"bdd100k/images/10k/{split}/{stem}.jpg")
            mask(tmp_path / f"bdd100k/labels/sem_seg/masks/{split}/{stem}.png", index)
    return tmp_path


def test_bdd100k_night_goes_by_a_list_of_names(bdd: Path) -> None:
    listed = bdd / "night.txt"
    listed.write_text(f"seg/images/train/{NIGHT}.jpg\na5fa7888-00000000.jpg\n")
    data = load_dataset("bdd100k-night", bdd, str(listed))
    assert [sample.key for sample in data.samples] == [f"train/{NIGHT}", "val/a5fa7888-00000000"]
    assert [sample.attributes for sample in data.samples] == [{"split": "train"}, {"split": "val"}]
    assert data.split.startswith("night-")
    listed.write_text(f"{NIGHT}.jpg\nffffffff.jpg\n")
    again = load_dataset("bdd100k-night", bdd, str(listed))
    assert again.split != data.split
    assert [problem.where for problem in again.problems] == ["ffffffff"]


def test_bdd100k_night_goes_by_the_detection_labels(bdd: Path) -> None:
    frames = [
        {"name": f"{NIGHT}.jpg", "attributes": {"timeofday": "night"}, "labels": []},
        {"name": f"{DAY}.jpg", "attributes": {"timeofday": "daytime"}, "labels": None},
        {"name": "elsewhere.jpg", "attributes": {"timeofday": "night"}},
    ]
    path = bdd / "bdd100k/labels/det_20/det_train.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(frames))
    data = load_dataset("bdd100k-night", bdd, "train")
    assert [sample.key for sample in data.samples] == [f"train/{NIGHT}"]
    assert not data.problems


def test_bdd100k_does_not_guess_which_images_are_night(bdd: Path) -> None:
    with pytest.raises(UserError, match=r"has no list of night images; give --split FILE\.txt"):
        load_dataset("bdd100k-night", bdd, "val")
    path = bdd / "labels/det_20/det_val.json"
    path.parent.mkdir(parents=True)
    path.write_text("[1, 2]")
    with pytest.raises(UserError, match=r"det_val\.json is not a list of named frames"):
        load_dataset("bdd100k-night", bdd, "val")


def test_bdd100ks_older_layout_is_read_too(tmp_path: Path) -> None:
    image(tmp_path / f"seg/images/train/{NIGHT}.jpg")
    mask(tmp_path / f"seg/labels/train/{NIGHT}_train_id.png", 5)
    (tmp_path / "night.txt").write_text(f"{NIGHT}.jpg\n")
    assert values("bdd100k-night", tmp_path, str(tmp_path / "night.txt")) == [5]


def test_camvid_takes_any_folder_with_annotations_beside_it(tmp_path: Path) -> None:
    for split, stem, label in (("test", "Seq05VD_f00000", 11), ("dusk", "0001TP_006690", 10)):
        image(tmp_path / f"CamVid/{split}/{stem}.png")
        mask(tmp_path / f"CamVid/{split}annot/{stem}.png", label)
    (sample,) = load_dataset("camvid", tmp_path, "dusk").samples
    assert (sample.key, sample.attributes) == ("0001TP_006690", {"sequence": "0001TP"})
    assert values("camvid", tmp_path, "dusk") == [10]
    assert values("camvid", tmp_path) == [VOID]
    with pytest.raises(UserError, match=r"no split 'dsk' with its dskannot/; did you mean 'dusk'"):
        load_dataset("camvid", tmp_path, "dsk")


@pytest.mark.assets
def test_real_camvid_has_the_counts_of_its_list(assets: Path) -> None:
    root = assets / "data/camvid"
    counts = {split: len(load_dataset("camvid", root, split).samples) for split in ("train", "test", "dusk")}
    assert counts == {"train": 152, "test": 42, "dusk": 62}
    dusk = load_dataset("camvid", root, "dusk")
    whole = np.bincount(np.concatenate([read_labels(dusk, sample).ravel() for sample in dusk.samples]), minlength=256)
    files = [np.array(Image.open(path)).ravel() for path in sorted((root / "duskannot").glob("*.png"))]
    assert whole[:11].tolist() == np.bincount(np.concatenate(files))[:11].tolist()
    assert whole[VOID] == np.bincount(np.concatenate(files))[11]


# A folder of one's own


@pytest.fixture
def own(tmp_path: Path) -> Callable[[str], str]:
    """``own(yaml)`` writes two images with masks of 7 and 200, and the YAML; returns its path."""
    for stem, value in (("a/one", 7), ("a/two", 200)):
        image(tmp_path / f"set/images/val/{stem}.jpg")
        mask(tmp_path / f"set/masks/val/{stem}.png", value)

    def write(text: str) -> str:
        (tmp_path / "set/streets.yaml").write_text(text)
        return str(tmp_path / "set/streets.yaml")

    return write


FOLDERS = "names: [road, sky]\nimages: images/{split}\nmasks: masks/{split}\n"


def test_a_yaml_names_classes_folders_and_ids(own: Callable[[str], str], tmp_path: Path) -> None:
    name = own(FOLDERS + "ids: {7: sky}\nignore: 200\n")
    data = load_dataset(name, None, None)
    assert (data.name, data.split, data.class_names) == ("streets", "val", ("road", "sky"))
    assert [sample.key for sample in data.samples] == ["a/one", "a/two"]
    assert [int(read_labels(data, sample)[0, 0]) for sample in data.samples] == [1, VOID]
    assert load_dataset(name, tmp_path / "set", "val").samples == data.samples
    (tmp_path / "set/streets.yaml").rename(tmp_path / "set/data.yaml")
    assert load_dataset("folder", tmp_path / "set", "val").name == "set"


def test_without_ids_the_values_are_class_ids(own: Callable[[str], str]) -> None:
    assert load_dataset(own(FOLDERS + "ignore: [7, 200]\n"), None, None).ids == {0: 0, 1: 1, 7: 255, 200: 255, 255: 255}


def test_a_mask_may_give_255_to_a_class(own: Callable[[str], str]) -> None:
    assert load_dataset(own(FOLDERS + "ids: {0: road, 255: 1}\n"), None, None).ids == {0: 0, 255: 1}


def test_without_split_in_its_folders_there_is_one(own: Callable[[str], str]) -> None:
    data = load_dataset(own("names: [road]\nimages: images\nmasks: masks\n"), None, None)
    assert (data.split, [sample.key for sample in data.samples]) == ("all", ["val/a/one", "val/a/two"])


def test_split_may_be_a_part_of_a_folders_name(tmp_path: Path) -> None:
    image(tmp_path / "x_train_img/a.png")
    mask(tmp_path / "trainannot/a.png")
    (tmp_path / "data.yaml").write_text("names: [road]\nimages: 'x_{split}_img'\nmasks: '{split}annot'\n")
    assert [sample.key for sample in load_dataset("folder", tmp_path, "train").samples] == ["a"]
    with pytest.raises(UserError, match=r"--split is required \(train\)"):
        load_dataset("folder", tmp_path, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [road]\nimages: images/{split}\n", "needs `names`, `images` and `masks`"),
        (FOLDERS + "ignored: 3\n", "no parameter 'ignored'; did you mean 'ignore'"),
        (FOLDERS + "ids: [7, 8]\n", "`ids` must be lines of the form `7: road`"),
        (FOLDERS + "ids: {7: skyy}\n", "`ids` maps 7 to no class, 'skyy'; did you mean 'sky'"),
        (FOLDERS + "ids: {7: 2}\n", "`ids` maps 7 to no class, 2"),
        (FOLDERS + "ids: {300: sky}\n", "300 is not a mask value"),
        (FOLDERS + "ignore: void\n", "'void' is not a mask value"),
        (FOLDERS.replace("masks/", "labels/"), "labels/val does not exist"),
        (FOLDERS.replace("[road, sky]", "[sky, sky]"), "two classes called 'sky'"),
        (FOLDERS.replace("[road, sky]", "{1: sky}"), "without gaps"),
        ("names: [road", "is not YAML"),
    ],
)
def test_a_yaml_that_is_wrong_says_where(own: Callable[[str], str], text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_dataset(own(text), None, None)


@pytest.mark.parametrize(("split", "message"), [("tset", "has no split 'tset'"), ("train", "has no split 'train'")])
def test_a_split_that_is_not_there_is_named(own: Callable[[str], str], split: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_dataset(own(FOLDERS), None, split)


# All of them


def test_every_broken_pair_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    for stem in ("a", "b", "c", "d", "e", "f"):
        image(tmp_path / f"val/{stem}.png")
        mask(tmp_path / f"valannot/{stem}.png")
    (tmp_path / "valannot/a.png").unlink()
    mask(tmp_path / "valannot/b.png", size=(6, 8))
    Image.fromarray(np.zeros((6, 8), np.uint16)).save(tmp_path / "valannot/c.png")
    image(tmp_path / "valannot/d.png")
    (tmp_path / "val/e.png").write_bytes(b"")
    image(tmp_path / "val/f.jpg")
    data = load_dataset("camvid", tmp_path, "val")
    assert [(sample.id, sample.path.name) for sample in data.samples] == [(1, "f.jpg")]
    assert all(problem.lost for problem in data.problems)
    said = {Path(problem.where).name: problem.what for problem in data.problems}
    assert said.keys() == {"a", "b", "c", "d", "e", "f.png"}
    for name, what in (
        ("a", "has no label map"),
        ("b", "is 6×8, its image 8×6"),
        ("c", "has 16 bits or more per pixel"),
        ("d", "not an 8-bit grey or palette image"),
        ("e", "is empty"),
        ("f.png", "f.jpg has the same name 'f'"),
    ):
        assert what in said[name]


def test_official_layouts_name_what_they_pass_over(tmp_path: Path) -> None:
    for stem in ("aachen/a_0", "aachen/a_1"):
        image(tmp_path / f"leftImg8bit/val/{stem}_leftImg8bit.png")
        mask(tmp_path / f"gtFine/val/{stem}_gtFine_labelIds.png", 7)
    image(tmp_path / "leftImg8bit/val/aachen/a_2_leftImg8bit.PNG")
    mask(tmp_path / "gtFine/val/aachen/a_2_gtFine_labelIds.png", 7)
    image(tmp_path / "leftImg8bit/val/aachen/a_3.png")
    image(tmp_path / "leftImg8bit/val/a_4_leftImg8bit.png")
    mask(tmp_path / "gtFine/val/bonn/b_0_gtFine_labelIds.png", 7)
    image(tmp_path / "leftImg8bit/val/aachen/._a_0_leftImg8bit.png")
    image(tmp_path / "leftImg8bit/val/.ipynb_checkpoints/a_0_leftImg8bit.png")
    data = load_dataset("cityscapes", tmp_path, None)
    assert [sample.key for sample in data.samples] == ["aachen/a_0", "aachen/a_1", "aachen/a_2"]
    assert {Path(problem.where).name for problem in data.problems} == {
        "a_3.png",
        "a_4_leftImg8bit.png",
        "b_0_gtFine_labelIds.png",
    }
    assert any("2 hidden" in note for note in data.notes)


def test_camvid_without_maps_is_one_line(tmp_path: Path) -> None:
    for stem in ("a", "b", "c"):
        image(tmp_path / f"test/{stem}.png")
        mask(tmp_path / f"testannot/{stem}_L.png")
    with pytest.raises(UserError, match=r"3 of 3 images have no label map: expected .*found a_L.png, .*; restore"):
        load_dataset("camvid", tmp_path, None)


def test_limit_takes_evenly_spaced_images(tmp_path: Path) -> None:
    for index in range(10):
        image(tmp_path / f"test/{index}.png")
        mask(tmp_path / f"testannot/{index}.png")
    data = load_dataset("camvid", tmp_path, None, limit=4)
    assert data.partial
    assert [(sample.id, sample.key) for sample in data.samples] == [(1, "0"), (2, "2"), (3, "5"), (4, "7")]
    assert not load_dataset("camvid", tmp_path, None, limit=10).partial
    with pytest.raises(UserError, match="--limit 0"):
        load_dataset("camvid", tmp_path, None, limit=0)


def test_the_fingerprint_follows_every_byte_that_counts(tmp_path: Path) -> None:
    name, prints = "acdc", set()
    stem = "GOPR1/GOPR1_a"
    picture = image(tmp_path / f"rgb_anon/night/val/{stem}_rgb_anon.png")
    label = mask(tmp_path / f"gt/night/val/{stem}_gt_labelTrainIds.png")
    for change in (
        lambda: None,
        lambda: picture.write_bytes(picture.read_bytes() + b"\0"),
        lambda: mask(label, 1),
        lambda: mask(label.with_name("GOPR1_a_gt_invIds.png"), 1),
        lambda: image(tmp_path / f"rgb_anon/night/val_ref/{stem}_rgb_ref_anon.png"),
    ):
        change()
        first, second = (fingerprint(load_dataset(name, tmp_path, None)) for _ in range(2))
        assert first == second
        prints.add(first)
    assert len(prints) == 4  # the reference is never shown, so it does not count


@pytest.mark.parametrize("name", [name for name in DATASETS if name != "nightscene"])
def test_an_empty_folder_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        load_dataset(name, tmp_path, None)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="needs --root"):
        load_dataset(name, None, None)
    with pytest.raises(UserError, match="is not a folder"):
        load_dataset(name, tmp_path / "nowhere", None)
