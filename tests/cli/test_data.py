"""``sgz-bench data check`` and ``data convert`` as a user types them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from sgz_bench.commands.data import app
from sgz_bench.enhancer.errors import UserError


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
    assert "2 images, 3 boxes, 1 images without a box" in result.output
    rows = [line.split() for line in result.output.splitlines()]
    assert ["car", "2", "1"] in rows
    assert ["cat", "1", "1"] in rows
    assert any(len(row) == 2 and row[0] == "fingerprint" and len(row[1]) == 64 for row in rows)


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

    assert run("check", "--dataset", "yolo", "--root", root, "--split", "val").exit_code == 0
    result = run("check", "--dataset", "yolo", "--root", root, "--split", "val", "--decode")
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
