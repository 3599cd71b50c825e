"""Folders as people copy them: what is an image, what is passed over, and what is named."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sgz_bench.tasks.image_files import ImageLookup, images_in, scan_images

PICTURE = Image.fromarray(np.zeros((8, 8, 3), np.uint8))


def put(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "name",
    [
        ".ipynb_checkpoints/a-checkpoint.jpg",
        "street/.hidden/deep/a.jpg",
        "._a.jpg",
        "__MACOSX/a.jpg",
        "@eaDir/a.jpg",
        "Thumbs.db",
        ".DS_Store",
    ],
)
def test_hidden_and_system_files_are_passed_over_and_counted(tmp_path: Path, name: str) -> None:
    put(tmp_path / "val/a.jpg")
    put(tmp_path / "val" / name)
    files = scan_images(tmp_path / "val")
    assert [key for key, _ in files.images] == ["a"]
    assert files.notes == [f"passed over: 1 hidden or system file in val/, {name} first"]
    assert not files.problems


@pytest.mark.parametrize("suffix", [".HEIC", ".svg", ".dng", ".CR2", ".jxl", ".exr", ".hdr", ".mp4"])
def test_a_format_that_is_not_read_is_a_problem(tmp_path: Path, suffix: str) -> None:
    path = put(tmp_path / f"a{suffix}")
    (problem,) = scan_images(tmp_path).problems
    assert str(problem) == f"{path}: is {suffix.lower()}, a format that is not read; convert it to PNG or JPEG"
    assert problem.lost


@pytest.mark.parametrize("name", ["a.jpg_original", "a", "a.jpgg"])
def test_a_picture_by_its_first_bytes_is_named(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        PICTURE.save(file, "JPEG")
    (problem,) = scan_images(tmp_path).problems
    assert "is a picture, but has" in problem.what


def test_a_name_that_no_run_could_write_is_named(tmp_path: Path) -> None:
    put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9.jpg")))
    files = scan_images(tmp_path)
    assert not files.images
    assert str(files.problems[0]).endswith("\\udce9.jpg: has a name that is not UTF-8; rename it")


def test_companions_are_no_problem(tmp_path: Path) -> None:
    for name in ("a.txt", "a.json", "classes.txt", "val.cache", "README", "notes.odt"):
        put(tmp_path / name)
    assert scan_images(tmp_path) == ([], [], [])


def test_a_link_to_nowhere_is_named_and_a_linked_folder_is_entered_once(tmp_path: Path) -> None:
    put(tmp_path / "other/b.PNG")
    put(tmp_path / "val/a.JPG")
    (tmp_path / "val/linked").symlink_to(tmp_path / "other")
    (tmp_path / "val/again").symlink_to(tmp_path / "val")
    (tmp_path / "val/gone.jpg").symlink_to(tmp_path / "gone.jpg")
    files = scan_images(tmp_path / "val")
    assert [key for key, _ in files.images] == ["a", "linked/b"]
    assert [problem.what for problem in files.problems] == ["is a link to a missing file; restore or remove it"]
    assert images_in(tmp_path / "val") == files.images


@pytest.mark.parametrize(("there", "named"), [("a.JPG", "a.jpg"), ("a.png", "a.JPG"), ("a.PNG", "a.jpg")])
def test_a_file_is_found_under_another_suffix(tmp_path: Path, there: str, named: str) -> None:
    assert ImageLookup().find(tmp_path / named) is None
    path = put(tmp_path / there)
    assert ImageLookup().find(tmp_path / named) == path


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_name_is_found_in_its_other_unicode_form(tmp_path: Path, forms: tuple[str, str]) -> None:
    there, named = (unicodedata.normalize(form, "Größe.v2") for form in forms)
    path = put(tmp_path / f"{there}.png")
    assert ImageLookup().find(tmp_path / f"{named}.jpg") == path


def test_a_name_that_no_file_can_have_is_not_found(tmp_path: Path) -> None:
    assert ImageLookup().find(tmp_path / ("a" * 5000 + ".jpg")) is None
    assert ImageLookup().find(tmp_path / "a\0.jpg") is None
    assert os.listdir(tmp_path) == []  # noqa: PTH208
