"""Files that were cut short, lie about themselves, or meet a full disk."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray
from PIL import Image

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import image_size, read_image, to_uint8, write_image
from sgz_bench.enhancer.checkpoint import load_weights
from sgz_bench.enhancer.sgz.network import FactorNetwork


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (30, 44, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "bmp", "ppm"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.9])
def test_an_image_cut_anywhere_is_one_line(tmp_path: Path, pixels: NDArray[np.uint8], suffix: str, part: float) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(UserError) as caught:
        read_image(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_read_as_stored_whatever_its_rotation_tag(
    tmp_path: Path, pixels: NDArray[np.uint8], orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.tif", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), pixels)
    assert image_size(tmp_path / "a.tif") == (44, 30)


def test_a_header_that_claims_a_billion_pixels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ppm").write_bytes(b"P6 40000 40000 255\n" + bytes(100))
    with pytest.raises(UserError, match=r"has too many pixels .* exceeds limit of \d+ pixels"):
        read_image(tmp_path / "a.ppm")


def test_reading_in_threads_leaves_the_warning_filters_as_they_were(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    write_image(tmp_path / "a.png", pixels)
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        assert all(np.array_equal(image, pixels) for image in pool.map(read_image, [tmp_path / "a.png"] * 64))
    assert list(warnings.filters) == before


@pytest.mark.parametrize("name", ["a.png", "a.bmp"])
def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, pixels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_image(tmp_path / name, pixels)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)  # the temporary file has content by then
    with pytest.raises(UserError, match="No space left on device"):
        write_image(tmp_path / name, pixels // 2)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    np.testing.assert_array_equal(read_image(tmp_path / name), pixels)


@pytest.mark.parametrize(
    ("value", "level"), [(-0.3, 0), (0.4 / 255, 0), (0.6 / 255, 1), (254.4 / 255, 254), (1.7, 255)]
)
def test_the_8_bit_boundary_rounds_and_clips(value: float, level: int) -> None:
    assert to_uint8(torch.full((1, 3, 1, 1), value)).tolist() == [[[level, level, level]]]


def save_zip(state: Any, path: Path) -> None:
    torch.save(state, path)


def save_old(state: Any, path: Path) -> None:
    torch.save(state, path, _use_new_zipfile_serialization=False)


def save_safe(state: Any, path: Path) -> None:
    safetensors.torch.save_file(state, path)


@pytest.mark.parametrize(
    ("name", "save"),
    [("a.pth", save_zip), ("b.pt", save_old), ("c.safetensors", save_safe)],
    ids=["zip", "old", "safe"],
)
@pytest.mark.parametrize("part", [0.01, 0.5, 0.99])
def test_weights_cut_anywhere_are_one_line_and_load_nothing(
    tmp_path: Path, name: str, save: Callable[[Any, Path], None], part: float
) -> None:
    path, network = tmp_path / name, FactorNetwork()
    save(FactorNetwork().state_dict(), path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    with pytest.raises(UserError, match="is damaged or no file of plain weights") as caught:
        load_weights(network, path)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, torch.zeros(3)], ids=["list", "numbers", "tensor"])
def test_a_checkpoint_without_a_state_dict_says_what_to_save(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"holds no state dict .*save model\.state_dict\(\)"):
        load_weights(FactorNetwork(), tmp_path / "a.pth")
