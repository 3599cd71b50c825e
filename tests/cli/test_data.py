"""``sgz-bench data check`` and ``data convert`` as a user types them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from sgz_bench.cli.commands.data import app
from sgz_bench.core.errors import UserError


def run(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two 64×48 photographs of noise in YOLO layout: two cars and one cat, and background."""
    for folder in ("images/val", "labels/val"):
        (tmp_path / "set" / folder).mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    for name in ("a", "b"):
        Image.fromarray(noise).save(tmp_path / f"set/images/val/{name}.jpg")
    (tmp_path / "set/labels/val/a.txt").write_text("2 .5 .5 .2 .2\n2 .3 .3 .2 .2\n15 .5 .5 .1 .1\n")
    return tmp_path / "set"


def test_a_sound_set_is_counted_and_ends_with_0(root: Path) -> None:
    result = run("check", "--dataset", "yolo", "--root", root, "--split", "val", "--decode")

    assert result.exit_code == 0
    assert "2 images, 3 boxes, 1 image without a box" in result.output
    rows = [line.split() for line in result.output.splitlines()]
    assert ["car", "2", "1"] in rows
    assert ["cat", "1", "1"] in rows
    assert any(len(row) == 2 and row[0] == "fingerprint" and len(row[1]) == 64 for row in rows)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_labelled_images_that_viewers_turn_are_noted(root: Path, suffix: str) -> None:
    for name, orientation in (("a", 6), ("b", 8), ("c", 1)):  # b has no label
        exif = Image.Exif()
        exif[0x0112] = orientation
        (root / f"images/val/{name}.jpg").unlink(missing_ok=True)
        Image.new("RGB", (64, 48)).save(root / f"images/val/{name}.{suffix}", exif=exif)
    (root / "labels/val/c.txt").write_text("2 .5 .5 .2 .2\n")
    command = ("check", "--dataset", "yolo", "--root", root, "--split", "val")
    said = run(*command)
    assert said.exit_code == 0
    assert "note: EXIF rotation: 1 image, a first; pixels are used as stored, and labels must fit these" in said.output
    Image.new("RGB", (64, 48)).save(root / f"images/val/a.{suffix}")
    assert "EXIF" not in run(*command).output


def test_broken_labels_and_images_are_named_and_end_with_1(root: Path) -> None:
    (root / "images/val/zero.jpg").touch()
    (root / "labels/val/b.txt").write_text("99 .5 .5 .2 .2\n")
    result = run("check", "--dataset", "yolo", "--root", root, "--split", "val")

    assert result.exit_code == 1
    assert "zero.jpg is empty" in result.output
    assert "b.txt, line 1: class 99" in result.output
    assert "2 images, 3 boxes" in result.output


def test_only_decoding_finds_an_image_that_is_cut_short(root: Path) -> None:
    path = root / "images/val/b.jpg"
    path.write_bytes(path.read_bytes()[:-800])

    assert run("check", "--dataset", "yolo", "--root", root, "--split", "val", "--no-decode").exit_code == 0
    result = run("check", "--dataset", "yolo", "--root", root, "--split", "val")
    assert result.exit_code == 1
    assert "b.jpg is damaged or cut short" in result.output


def test_exdark_is_shown_beside_its_published_counts(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "exdark"
    (root / "classes.txt").write_text("Cat\nDog\nCar\n")
    (root / "labels/val/a.txt").write_text("2 .5 .5 .2 .2\n")
    assert (
        run("convert", "--dataset", "yolo", "--root", root, "--split", "val", "--to", "exdark", "--out", out).exit_code
        == 0
    )
    rows = (out / "imageclasslist.txt").read_text().replace(" 0 0 2", " 2 1 3")
    (out / "imageclasslist.txt").write_text(rows)

    test = run("check", "--dataset", "exdark", "--root", out).output
    assert "exdark, split test: 2 images (official: 2563)" in test
    assert ["Ambient", "2", "925"] in [line.split() for line in test.splitlines()]
    whole = run("check", "--dataset", "exdark", "--root", out, "--split", "all").output
    assert ["train", "0", "3000"] in [line.split() for line in whole.splitlines()]


def test_converting_names_what_was_left_out(root: Path, tmp_path: Path) -> None:
    (root / "images/val/text.jpg").write_text("no image")
    result = run(
        "convert", "--dataset", "yolo", "--root", root, "--split", "val", "--to", "coco", "--out", tmp_path / "c"
    )

    assert result.exit_code == 1
    assert "left out: text:" in result.output
    assert (tmp_path / "c/annotations/instances_val.json").is_file()
    assert sorted(path.name for path in (tmp_path / "c/val").iterdir()) == ["a.jpg", "b.jpg"]


def test_a_wrong_root_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    result = run("check", "--dataset", "yolo", "--root", tmp_path / "nowhere")
    assert isinstance(result.exception, UserError)


@pytest.fixture
def masked(tmp_path: Path) -> Path:
    """Two 4×2 images in CamVid's layout: half road, half void, and all sky."""
    for folder in ("test", "testannot"):
        (tmp_path / "camvid" / folder).mkdir(parents=True)
    for stem, row in (("0001TP_1", [3, 3, 11, 11]), ("0001TP_2", [0, 0, 0, 0])):
        Image.fromarray(np.array([row] * 2, np.uint8)).save(tmp_path / f"camvid/testannot/{stem}.png")
        Image.new("RGB", (4, 2)).save(tmp_path / f"camvid/test/{stem}.png")
    return tmp_path / "camvid"


def test_label_maps_are_counted_in_shares_of_their_pixels(masked: Path) -> None:
    result = run("check", "--dataset", "camvid", "--root", masked, "--decode")

    assert result.exit_code == 0
    assert "camvid, split test: 2 images (official: 233), 4×2, 25.00 % of the pixels void" in result.output
    rows = [line.split() for line in result.output.splitlines()]
    assert ["Road", "33.33", "1"] in rows
    assert ["Sky", "66.67", "1"] in rows
    assert ["Car", "0", "0"] in rows
    assert ["0001TP", "2"] in rows
    assert any(len(row) == 2 and row[0] == "fingerprint" and len(row[1]) == 64 for row in rows)


def test_broken_label_maps_are_named_and_end_with_1(masked: Path) -> None:
    Image.new("L", (4, 2), 40).save(masked / "testannot/0001TP_2.png")
    (masked / "testannot/0001TP_1.png").unlink()
    result = run("check", "--dataset", "camvid", "--root", masked)

    assert result.exit_code == 1
    assert "broken: 0001TP_1: has no label map" in result.output
    assert "0001TP_2.png contains the ids 40" in result.output
    assert "2 problems" in result.output


def test_acdc_is_shown_beside_its_published_conditions(tmp_path: Path) -> None:
    for condition in ("fog", "night"):
        path = tmp_path / f"rgb_anon/{condition}/test/GOPR1/GOPR1_a_rgb_anon.png"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (4, 2)).save(path)
    whole = run("check", "--dataset", "acdc", "--root", tmp_path, "--split", "test").output
    assert "acdc, split test: 2 images (official: 2000), 4×2, labels of 2 withheld" in whole
    rows = [line.split() for line in whole.splitlines()]
    assert ["night", "1", "500"] in rows
    assert ["snow", "0", "500"] in rows
    night = run("check", "--dataset", "acdc(condition=night)", "--root", tmp_path, "--split", "test").output
    assert "acdc(condition=night), split test: 1 image (official: 500)" in night


def test_the_task_is_asked_for_only_where_a_name_is_in_both(
    root: Path, masked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SGZ_BENCH_CACHE", str(tmp_path / "cache"))
    scene = ("check", "--dataset", "nightscene(frames=3,seed=3)")
    assert "boxes" in run(*scene).output
    assert "of the pixels void" in run(*scene, "--task", "segmentation").output
    (masked / "own.yaml").write_text(
        "names: [Sky, Road]\nimages: '{split}'\nmasks: '{split}annot'\nids: {3: Road, 0: Sky}\nignore: 11"
    )
    assert "own, split test: 2 images, 4×2" in run("check", "--dataset", masked / "own.yaml").output
    (root / "own.yaml").write_text("names: [a, b, car]\nval: images/val")
    assert "own, split val: 2 images, 2 boxes" in run("check", "--dataset", root / "own.yaml").output


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--dataset", "cityscape"), "unknown data set 'cityscape'; did you mean 'cityscapes'"),
        (("--dataset", "exdark", "--task", "segment"), "unknown task 'segment'; did you mean 'segmentation'"),
        (("--dataset", "exdark", "--task", "segmentation"), "unknown data set 'exdark'"),
    ],
)
def test_a_wrong_name_or_task_says_what_there_is(args: tuple[str, ...], message: str) -> None:
    result = run("check", *args)
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)


def test_a_data_set_of_the_other_task_is_told() -> None:
    result = run("check", "--dataset", "yolo", "--task", "segmentation")
    assert isinstance(result.exception, UserError)
    assert "unknown data set 'yolo' of segmentation: it is one of detection; leave --task out" in str(result.exception)
