"""Image reading and writing, and the 8-bit boundary between an enhancer and a model."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, UnidentifiedImageError
from PIL import Image as Pillow
from torch import Tensor

from .errors import UserError
from .files import write_atomic
from .image_faults import fix_for, unsupported

Image = NDArray[np.uint8]  # (H, W, 3) RGB

# Formats that are written. Read besides: further names of these, and what phones, scanners and exports write.
OUTPUT_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"})
IMAGE_SUFFIXES = OUTPUT_SUFFIXES | {
    *(".jpe", ".jfif", ".mpo", ".dib", ".gif", ".avif"),
    *(".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpf", ".jpx", ".jpc", ".j2c"),
}
_WARNINGS_LOCK = Lock()  # warning filters are global to the process, and several threads decode
logging.getLogger("PIL").addHandler(logging.NullHandler())  # errors of damaged files are raised, too
_INVERSE = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_90,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_270,
}
_QUARTER_TURNS = {_INVERSE[orientation] for orientation in (5, 6, 7, 8)}


def read_image(path: str | Path) -> Image:
    """Decode an 8-bit image as RGB.

    EXIF rotation is not applied (labels fit the stored pixels), alpha is dropped, grey and palette images become RGB.

    Returns:
        RGB ``(H, W, 3)`` uint8, contiguous.

    Raises:
        UserError: the file is missing, empty, truncated, not an image, deeper than 8 bits, CMYK, larger than Pillow's
            limit of pixels, or has several frames. Of an MPO, a JPEG with previews or a gain map behind it, the first
            picture is the photograph.
    """
    with _open(path) as image:
        if image.format == "JPEG" and image.mode in {"RGB", "L"} and (pixels := _decode_jpeg(Path(path))) is not None:
            return pixels
        transpose = _inverse_rotation(image)
        try:
            load_pixels(image)
            if image.mode in {"P", "PA"}:  # through RGBA: keeps the colour of a transparent palette entry
                image = image.convert("RGBA")
            image = image.convert("RGB")
        except MemoryError:
            raise
        except Exception as error:  # each decoder has its own errors for damage
            raise UserError(f"{path} is damaged or cut short ({error}); restore or remove the file") from error
        return np.array(image.transpose(transpose) if transpose is not None else image)


def _decode_jpeg(path: Path) -> Image | None:
    """Decode a JPEG twice as fast as Pillow, to the same bits; None for a faulty file, which Pillow then handles."""
    import simplejpeg

    try:
        return np.asarray(simplejpeg.decode_jpeg(path.read_bytes(), "RGB", fastdct=False, fastupsample=False))
    except (ValueError, OSError):
        return None


def image_size(path: str | Path) -> tuple[int, int]:
    """Read ``(width, height)`` from the header alone, EXIF rotation not applied.

    Raises:
        UserError: as :func:`read_image`, except for damage behind the header.
    """
    return read_header(path).size


class Header(NamedTuple):
    """Facts of an image that are known without decoding it.

    Attributes:
        size: width and height in pixels, EXIF rotation not applied.
        alpha: True if there is a channel besides grey or RGB, which :func:`read_image` drops.
    """

    size: tuple[int, int]
    alpha: bool


def read_header(path: str | Path) -> Header:
    """Read the header of an image.

    Raises:
        UserError: as :func:`image_size`.
    """
    with _open(path) as image:
        width, height = image.size
        turned = _inverse_rotation(image) in _QUARTER_TURNS
        return Header((height, width) if turned else (width, height), image.mode in {"LA", "RGBA"})


def exif_orientation(path: str | Path) -> int:
    """Read the EXIF orientation in the header, 1 (viewers do not rotate) to 8; 1 if there is none.

    Raises:
        UserError: as :func:`image_size`.
    """
    with _open(path) as image:
        if image.format == "PNG" and "exif" not in image.info:
            return 1  # Pillow would decode the whole image to look for EXIF behind the pixels
        try:
            with without_warnings():
                orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        except Exception:  # damaged EXIF, which viewers ignore too
            return 1
        return orientation if orientation in _INVERSE else 1


@contextmanager
def without_warnings() -> Iterator[None]:
    """Silence Pillow's warnings: a large image is allowed, and a damaged one raises an error."""
    with _WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def load_pixels(image: Pillow.Image) -> None:
    """Decode an opened image in place, without warnings about the tags of a TIFF.

    Raises:
        Exception: the file is damaged; each decoder has its own errors.
    """
    if image.format == "TIFF":
        with without_warnings():
            image.getexif()  # parsed once, and needed behind the pixels
    image.load()


def _open(path: str | Path) -> Pillow.Image:
    """Open an image for decoding; raise a UserError for anything but an 8-bit RGB, grey or palette image."""
    path = Path(path)
    try:
        if path.stat().st_size == 0:
            raise UserError(f"{path} is empty (0 bytes); restore or remove the file")
        with without_warnings():
            image = Pillow.open(path)
    except UserError:
        raise
    except UnidentifiedImageError as error:
        raise UserError(f"{path} is not an image that can be read; {fix_for(path)}") from error
    except Pillow.DecompressionBombError as error:
        raise UserError(f"{path} has too many pixels ({error}); scale it down") from error
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror or error}; check the path and its permissions"
        ) from error
    except Exception as error:  # a damaged header; each decoder has its own errors
        raise UserError(f"{path} is damaged ({error}); restore or remove the file") from error
    with without_warnings():
        fault = unsupported(path, image)
    if fault:
        image.close()
        raise UserError(f"{path} {fault}")
    return image


def _inverse_rotation(image: Pillow.Image) -> Pillow.Transpose | None:
    """Return the inverse of the EXIF rotation that Pillow applies while loading a TIFF; None for other formats."""
    if image.format != "TIFF":
        return None
    with without_warnings():
        return _INVERSE.get(image.getexif().get(ExifTags.Base.Orientation, 1))


def write_image(path: str | Path, image: Image, *, quality: int = 95, compress: int = 1) -> None:
    """Encode RGB ``(H, W, 3)`` uint8 in the format of the path's suffix and write it atomically.

    Args:
        path: target; missing folders are created.
        image: pixels.
        quality: JPEG and WebP quality in [1, 100].
        compress: PNG compression level in [0, 9]; it changes size and time, never the pixels. Level 1 uses OpenCV's
            default filter and strategy, about eight times as fast as Pillow's default level, files a quarter larger.

    Raises:
        UserError: the file cannot be written, or the suffix is not that of a known format.
    """
    path = Path(path)
    if path.suffix.lower() not in OUTPUT_SUFFIXES:
        raise UserError(f"{path}: unknown image format {path.suffix!r}; use .png or .jpg")
    image_format = Pillow.registered_extensions()[path.suffix.lower()]
    try:
        content = _encode_png(image, compress) if image_format == "PNG" else _encode(image, image_format, quality)
    except (OSError, ValueError) as error:  # for example larger than the format allows
        raise UserError(f"{path} cannot be written: {error}") from error
    write_atomic(path, content)


def _encode(image: Image, image_format: str, quality: int) -> memoryview:
    options = {"quality": quality} if image_format in {"JPEG", "WEBP"} else {}
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, format=image_format, **options)
    return buffer.getbuffer()


def _encode_png(image: Image, compress: int) -> memoryview:
    import cv2

    level = [] if compress == 1 else [cv2.IMWRITE_PNG_COMPRESSION, compress]
    success, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), level)
    if not success:
        raise ValueError("OpenCV cannot encode it")
    return data.data


def to_tensor(image: Image, device: str = "cpu") -> Tensor:
    """Convert ``(H, W, 3)`` uint8 to ``(1, 3, H, W)`` float32 in [0, 1] on ``device``."""
    return torch.from_numpy(image).to(device).permute(2, 0, 1)[None].float().div(255)


def to_uint8(image: Tensor) -> Image:
    """Convert ``(1, 3, H, W)`` float32 in [0, 1] to ``(H, W, 3)`` uint8, rounded as a saved PNG would be."""
    levels = image[0].clamp(0, 1).mul(255).round().to(torch.uint8)
    return np.asarray(levels.permute(1, 2, 0).contiguous().cpu().numpy(), dtype=np.uint8)
