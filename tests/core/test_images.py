"""Images that may be anything: what is read, what is refused, and in which words."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import exif_orientation, image_size, read_image, to_tensor, to_uint8, write_image
from sgz_bench.enhancer import create_enhancer

COLOURS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def test_png_is_read_as_it_is(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), COLOURS)
    assert image_size(tmp_path / "a.png") == (30, 20)


def test_exif_rotation_is_not_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for suffix in ("jpg", "png", "tiff"):
        path = tmp_path / f"turned.{suffix}"
        Image.fromarray(COLOURS).save(path, exif=exif)
        assert read_image(path).shape == (20, 30, 3)
        assert image_size(path) == (30, 20)


def test_grey_palette_and_alpha_become_rgb(tmp_path: Path) -> None:
    picture = Image.fromarray(COLOURS)
    grey = np.array(picture.convert("L"))
    picture.convert("L").save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png"), np.stack([grey] * 3, axis=2))
    picture.putalpha(7)
    picture.save(tmp_path / "alpha.png")
    np.testing.assert_array_equal(read_image(tmp_path / "alpha.png"), COLOURS)
    palette = Image.fromarray(COLOURS).quantize(8)
    palette.save(tmp_path / "palette.png", transparency=0)
    np.testing.assert_array_equal(read_image(tmp_path / "palette.png"), np.array(palette.convert("RGB")))


JPEGS = {
    "as usual": {},
    "progressive": {"progressive": True},
    "all colours": {"subsampling": 0},
    "half the colours": {"subsampling": 1},
    "worst": {"quality": 1},
    "with restarts": {"restart_marker_blocks": 3},
    "in RGB": {"keep_rgb": True},
    "with a profile": {"icc_profile": b"not a profile"},
}


@pytest.mark.parametrize("size", [(1, 1), (1, 77), (77, 1), (30, 20), (201, 133)])
@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_has_the_bits_that_pillow_reads(tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(COLOURS).resize(size).save(path, **JPEGS[kind])
    np.testing.assert_array_equal(read_image(path), np.array(Image.open(path)))


def test_a_grey_jpeg_has_the_bits_that_pillow_reads(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).convert("L").save(tmp_path / "a.jpg")
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.jpg"), np.array(Image.open(tmp_path / "a.jpg").convert("RGB"))
    )


def test_a_jpeg_with_damaged_pixels_is_what_pillow_makes_of_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(COLOURS).resize((300, 200)).save(path, quality=95)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    path.write_bytes(data)
    np.testing.assert_array_equal(read_image(path), np.array(Image.open(path)))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("compress", range(10))
def test_a_png_has_the_same_pixels_however_small_it_is(tmp_path: Path, compress: int) -> None:
    write_image(tmp_path / "a.png", COLOURS, compress=compress)
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "a.png")), COLOURS)


def test_a_higher_level_makes_a_smaller_png(tmp_path: Path) -> None:
    slopes = np.add.outer(np.arange(120), np.arange(160))[..., None].astype(np.uint8) // np.array([2, 3, 5], np.uint8)
    sizes = []
    for compress in (0, 1, 9):
        write_image(tmp_path / "a.png", slopes, compress=compress)
        sizes.append((tmp_path / "a.png").stat().st_size)
    assert sizes[0] > sizes[1] > sizes[2]


@pytest.mark.parametrize("size", [(1, 1), (20000, 10)])
def test_slivers_are_images_too(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size, (1, 2, 3)).save(tmp_path / "sliver.png")
    assert read_image(tmp_path / "sliver.png").shape == (size[1], size[0], 3)


def truncated(path: Path) -> None:
    Image.fromarray(COLOURS).resize((300, 200)).save(path, format="JPEG")
    path.write_bytes(path.read_bytes()[:2000])


def sixteen_bits(path: Path) -> None:
    Image.fromarray(COLOURS[..., 0].astype(np.uint16) * 257).save(path, format="PNG")


def sixteen_bits_rgb(path: Path) -> None:
    import cv2

    encoded = cv2.imencode(".png", COLOURS.astype(np.uint16) * 257)[1]
    path.write_bytes(encoded.tobytes())


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("cut.jpg", truncated, "damaged or cut short"),
        ("empty.jpg", lambda path: path.touch(), r"is empty \(0 bytes\); restore or remove the file$"),
        ("text.jpg", lambda path: path.write_text("hello"), "not an image"),
        ("print.jpg", lambda path: Image.fromarray(COLOURS).convert("CMYK").save(path), "CMYK; convert it to RGB"),
        ("deep.png", sixteen_bits, "16 bits per channel"),
        ("deep_rgb.png", sixteen_bits_rgb, "16 bits per channel"),
        ("none.jpg", lambda _: None, "cannot be read: No such file"),
        ("folder.jpg", lambda path: path.mkdir(), "cannot be read"),
    ],
)
def test_what_is_no_8_bit_image_is_one_line_that_names_it(
    tmp_path: Path, name: str, make: Callable[[Path], object], message: str
) -> None:
    make(tmp_path / name)
    with pytest.raises(UserError, match=message) as caught:
        read_image(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).count(name) == 1


def test_written_pngs_come_back_whole_at_any_compression(tmp_path: Path) -> None:
    for level in (0, 1, 9):
        write_image(tmp_path / "deep" / "a.png", COLOURS, compress=level)
        np.testing.assert_array_equal(read_image(tmp_path / "deep" / "a.png"), COLOURS)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.png"]


def test_a_place_that_cannot_be_written_and_an_unknown_format_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"a\.png cannot be written"):
        write_image(tmp_path / "file" / "a.png", COLOURS)
    with pytest.raises(UserError, match="unknown image format"):
        write_image(tmp_path / "a.xyz", COLOURS)


def test_raw_gives_the_pixels_that_the_way_through_floats_would() -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    raw = create_enhancer("raw")
    assert np.array_equal(raw.enhance_image(levels, "a key", "cpu"), levels)
    assert np.array_equal(to_uint8(raw(to_tensor(levels))), levels)


@pytest.mark.parametrize("suffix", ["avif", "jp2", "j2k", "mpo", "gif", "jfif", "dib", "pgm"])
def test_further_formats_are_read_as_pillow_reads_them(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    picture = Image.fromarray(COLOURS)
    (picture.convert("L") if suffix == "pgm" else picture).save(path)
    np.testing.assert_array_equal(read_image(path), np.array(Image.open(path).convert("RGB")))
    assert image_size(path) == (30, 20)


def test_the_first_picture_of_an_mpo_is_the_photograph(tmp_path: Path) -> None:
    picture = Image.fromarray(COLOURS)
    picture.save(tmp_path / "a.mpo", save_all=True, append_images=[picture.resize((9, 9))])
    assert read_image(tmp_path / "a.mpo").shape == (20, 30, 3)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tiff", "avif"])
def test_of_several_frames_none_is_taken_silently(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    picture = Image.fromarray(COLOURS)
    picture.save(path, save_all=True, append_images=[picture.rotate(180)])
    for read in (read_image, image_size):
        with pytest.raises(UserError, match="has 2 frames; labels fit one picture, save the right frame as PNG"):
            read(path)


def test_a_thumbnail_behind_a_tiff_is_no_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    picture, small = Image.fromarray(COLOURS), Image.fromarray(COLOURS).resize((9, 9))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    picture.save(path, save_all=True, append_images=[small])
    np.testing.assert_array_equal(read_image(path), COLOURS)


@pytest.mark.parametrize(
    ("suffix", "changes"),
    [
        ("jp2", {b"\xff\x4f\xff\x51": {42: 15}}),
        ("avif", {b"av1C": {6: 0x4C}, b"pixi": {9: 10, 10: 10, 11: 10}}),  # libavif compares the two
    ],
)
def test_depth_beyond_8_bits_of_jpeg_2000_and_avif_is_refused(
    tmp_path: Path, suffix: str, changes: dict[bytes, dict[int, int]]
) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(COLOURS).save(path)
    data = bytearray(path.read_bytes())
    for mark, values in changes.items():
        for behind, value in values.items():
            data[data.index(mark) + behind] = value
    path.write_bytes(data)
    with pytest.raises(UserError, match="8-bit RGB"):
        read_image(path)


@pytest.mark.parametrize(
    ("content", "fix"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "run `git lfs pull`"),
        (b"<!DOCTYPE html><html>", "download the image again"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "it is HEIC, whatever its suffix says: convert it"),
        (b"GIF", "restore or remove the file"),
    ],
)
def test_what_is_no_image_is_told_by_its_first_bytes(tmp_path: Path, content: bytes, fix: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(UserError, match=fix):
        read_image(path)


@pytest.mark.parametrize("suffix", ["gif", "avif", "jp2", "mpo"])
def test_outputs_are_written_in_the_former_formats_only(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UserError, match=r"unknown image format .*; use .png or .jpg"):
        write_image(tmp_path / f"a.{suffix}", COLOURS)


def test_a_damaged_tiff_is_one_error_without_warnings(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.tif")
    content = bytearray((tmp_path / "a.tif").read_bytes())
    tags = int.from_bytes(content[4:8], "little") + 2
    for tag in range(tags, tags + 12 * content[tags - 2], 12):
        damaged = content.copy()
        damaged[tag + 6] = 255  # third byte of the count: values beyond the end of the file
        (tmp_path / "b.tif").write_bytes(damaged)
        for read in (image_size, read_image, exif_orientation):
            with contextlib.suppress(UserError):
                read(tmp_path / "b.tif")
    assert not recwarn.list
