"""``sgz-bench enhance`` from the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from sgz_bench.__main__ import app
from sgz_bench.core.errors import UserError
from sgz_bench.core.images import read_image


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg", "deep/c.png", "deep/.hidden.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 99, (24, 32, 3), dtype=np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("not an image")
    return folder


def enhance(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["enhance", *map(str, arguments)], catch_exceptions=False)


def written(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("[!.]*") if path.is_file())


def test_a_folder_keeps_its_relative_paths_and_becomes_png(photos: Path, tmp_path: Path) -> None:
    result = enhance(photos, "--enhancer", "gamma", "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert written(tmp_path / "out") == ["a.png", "b.png", "deep/c.png"]
    assert "3 enhanced, 0 skipped, 0 failed" in result.output
    expected = np.round((read_image(photos / "a.png") / 255) ** 0.45 * 255)
    assert np.abs(read_image(tmp_path / "out" / "a.png") - expected).max() <= 1


def test_compare_adds_sheets_of_both_side_by_side(photos: Path, tmp_path: Path) -> None:
    assert enhance(photos / "a.png", "--enhancer", "he", "--out", tmp_path / "out", "--compare").exit_code == 0
    assert written(tmp_path / "out") == ["a.png", "compare/a.png"]
    assert read_image(tmp_path / "out/compare/a.png").shape[1] >= 2 * 32


def test_existing_outputs_are_skipped_unless_forced(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    enhance(photos, "--enhancer", "he", "--out", out)
    Image.new("RGB", (2, 2)).save(out / "a.png")
    again = enhance(photos, "--enhancer", "he", "--out", out)
    assert "0 enhanced, 3 skipped" in again.output
    assert read_image(out / "a.png").shape == (2, 2, 3)
    enhance(photos, "--enhancer", "he", "--out", out, "--force")
    assert read_image(out / "a.png").shape == (24, 32, 3)


def test_one_bad_image_of_many_is_named_and_the_rest_is_written(photos: Path, tmp_path: Path) -> None:
    (photos / "bad.jpg").write_text("no image")
    result = enhance(photos, "--enhancer", "clahe", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert written(tmp_path / "out") == ["a.png", "b.png", "deep/c.png"]
    assert "bad.jpg is not an image" in result.output


def test_globs_and_files_may_be_mixed(photos: Path, tmp_path: Path) -> None:
    result = enhance(photos / "*.jpg", photos / "a.png", "--enhancer", "raw", "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert written(tmp_path / "out") == ["a.png", "b.png"]


def test_images_that_differ_in_their_suffix_alone_are_both_written_and_said(photos: Path, tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(photos / "a.jpg")
    result = enhance(photos, "--enhancer", "raw", "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert written(tmp_path / "out") == ["a.jpg.png", "a.png.png", "b.png", "deep/c.png"]
    assert "note: 2 images that differ" in result.output
    assert "a.jpg and a.png become a.jpg.png and a.png.png" in result.output
    assert read_image(tmp_path / "out" / "a.jpg.png").shape == (4, 4, 3)


def test_files_of_the_right_names_are_not_taken_for_own_ones(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    Image.new("RGB", (2, 2)).save(out / "a.png")
    with pytest.raises(
        UserError, match=r"holds 1 file of these names that this command did not write.*a\.png.*--force"
    ):
        enhance(photos, "--enhancer", "raw", "--out", out)
    assert [path.name for path in out.iterdir()] == ["a.png"]
    enhance(photos / "b.jpg", "--enhancer", "raw", "--out", out)  # a record, but not of a.png
    with pytest.raises(UserError, match="did not write"):
        enhance(photos, "--enhancer", "raw", "--out", out)
    assert enhance(photos, "--enhancer", "raw", "--out", out, "--force").exit_code == 0
    assert read_image(out / "a.png").shape == (24, 32, 3)


def test_a_forced_part_of_a_folder_leaves_no_images_of_the_other_method(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    enhance(photos, "--enhancer", "raw", "--out", out, "--compare")
    with pytest.raises(UserError, match=r"would leave 4 images of them beside the new ones, such as .*b\.png"):
        enhance(photos / "a.png", "--enhancer", "he", "--out", out, "--force")
    assert enhance(photos, "--enhancer", "he", "--out", out, "--force", "--format", "jpg").exit_code == 0
    assert written(out) == ["a.jpg", "b.jpg", "deep/c.jpg"]


def test_a_folder_of_an_earlier_version_resumes(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    enhance(photos, "--enhancer", "raw", "--out", out)
    record = json.loads((out / ".sgz-bench-enhance.json").read_text())
    del record["images"]
    (out / ".sgz-bench-enhance.json").write_text(json.dumps(record))
    (out / "b.png").unlink()
    assert "1 enhanced, 2 skipped" in enhance(photos, "--enhancer", "raw", "--out", out).output


def test_a_photograph_in_the_output_folder_is_an_input(photos: Path) -> None:
    out = photos / "out"
    out.mkdir()
    Image.new("RGB", (4, 4)).save(out / "mine.png")
    for _ in range(2):
        result = enhance(photos, "--enhancer", "raw", "--out", out)
        assert written(out) == ["a.png", "b.png", "deep/c.png", "mine.png", "out/mine.png"]
    assert "note: left out 4 images" in result.output


def test_another_enhancer_into_the_same_folder_is_refused(photos: Path, tmp_path: Path) -> None:
    enhance(photos, "--enhancer", "raw", "--out", tmp_path / "out")
    with pytest.raises(UserError, match=r"holds .* images made with raw"):
        enhance(photos, "--enhancer", "he", "--out", tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no such file or folder"),
        (["nothing*.png"], "no file matches"),
        (["{photos}/notes.txt"], None),
        (["{photos}", "--enhancer", "clahee"], "did you mean 'clahe'"),
        (["{photos}", "--device", "tpu"], "use auto, cpu or cuda:N"),
    ],
)
def test_a_user_mistake_is_said_plainly(
    photos: Path, tmp_path: Path, arguments: list[str], message: str | None
) -> None:
    given = [argument.format(photos=photos) for argument in arguments]
    given += [] if "--enhancer" in given else ["--enhancer", "raw"]
    if message is None:
        assert enhance(*given, "--out", tmp_path / "out").exit_code == 1
    else:
        with pytest.raises(UserError, match=message):
            enhance(*given, "--out", tmp_path / "out")


def test_an_output_place_that_cannot_be_written_is_one_error(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        enhance(photos, "--enhancer", "raw", "--out", tmp_path / "file" / "out")


def test_the_output_folder_inside_the_input_is_not_enhanced_again(photos: Path) -> None:
    for _ in range(2):
        assert enhance(photos, "--enhancer", "raw", "--out", photos / "out", "--force").exit_code == 0
    assert written(photos / "out") == ["a.png", "b.png", "deep/c.png"]


def test_a_folder_of_another_quality_says_which(photos: Path, tmp_path: Path) -> None:
    enhance(photos, "--enhancer", "gamma", "--out", tmp_path / "out", "--format", "jpg", "--quality", 90)
    said = r"holds \.jpg images at quality 90 made with gamma.* for \.jpg images at quality 50 made with gamma"
    with pytest.raises(UserError, match=said):
        enhance(photos, "--enhancer", "gamma", "--out", tmp_path / "out", "--format", "jpg", "--quality", 50)


def test_engine_precision_and_compression_are_chosen_by_options(photos: Path, tmp_path: Path) -> None:
    for place, words in enumerate((["--compress", 9], ["--engine", "torch", "--precision", "bf16", "--compress", 0])):
        assert enhance(photos, "--enhancer", "sgz", "--out", tmp_path / str(place), *words).exit_code == 0
    small, large = (read_image(tmp_path / place / "a.png").astype(int) for place in "01")
    assert 0 < np.abs(small - large).max() <= 1
    assert (tmp_path / "0" / "a.png").stat().st_size < (tmp_path / "1" / "a.png").stat().st_size
    with pytest.raises(UserError, match="--engine auto computes in fp32, not bf16; bf16 needs --engine torch, compile"):
        enhance(photos, "--enhancer", "sgz", "--out", tmp_path / "2", "--precision", "bf16")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_named(photos: Path, tmp_path: Path) -> None:
    (photos / "deep").chmod(0)
    try:
        with pytest.raises(UserError, match="deep cannot be read: Permission denied"):
            enhance(photos, "--enhancer", "gamma", "--out", tmp_path / "out")
    finally:
        (photos / "deep").chmod(0o755)
