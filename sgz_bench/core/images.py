"""Reading and writing images, and the 8-bit boundary between an enhancer and a model."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, UnidentifiedImageError
from PIL import Image as Pillow
from torch import Tensor

from .errors import UserError
from .files import write_atomic

Image = NDArray[np.uint8]  # (H, W, 3) RGB

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"})
_EIGHT_BIT_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"}
_HEADER_LOCK = Lock()  # warning filters belong to the process, and folders are decoded by several threads
_UNTURN = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_90,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_270,
}
_QUARTER_TURNS = {_UNTURN[orientation] for orientation in (5, 6, 7, 8)}


def read_image(path: str | Path) -> Image:
    """Decode an 8-bit image as RGB.

    EXIF rotation is not applied (labels fit the stored pixels), alpha is dropped, grey and palette images become
    RGB. Returns ``(H, W, 3)`` uint8, contiguous.

    Raises:
        UserError: missing, empty, truncated, not an image, more than 8 bits, CMYK, or too large to be meant.
    """
    with _open(path) as image:
        if image.format == "JPEG" and image.mode in {"RGB", "L"} and (pixels := _decode_jpeg(Path(path))) is not None:
            return pixels
        turned = _turned(image)
        try:
            image.load()
            if image.mode in {"P", "PA"}:  # by way of RGBA: a transparent palette entry is a colour like any other
                image = image.convert("RGBA")
            image = image.convert("RGB")
        except MemoryError:
            raise
        except Exception as error:  # every decoder has its own way to fail on damage
            raise UserError(f"{path} is damaged or cut short ({error}); restore or remove the file") from error
        return np.array(image.transpose(turned) if turned is not None else image)


def _decode_jpeg(path: Path) -> Image | None:
    """A JPEG twice as fast as Pillow, with its bits; None for one with any fault, on which Pillow is to judge."""
    import simplejpeg

    try:
        return np.asarray(simplejpeg.decode_jpeg(path.read_bytes(), "RGB", fastdct=False, fastupsample=False))
    except (ValueError, OSError):
        return None


def image_size(path: str | Path) -> tuple[int, int]:
    """``(width, height)`` from the header alone, EXIF rotation not applied.

    Raises:
        UserError: as :func:`read_image`, but damage behind the header is not seen.
    """
    with _open(path) as image:
        width, height = image.size
        return (height, width) if _turned(image) in _QUARTER_TURNS else (width, height)


def exif_orientation(path: str | Path) -> int:
    """How viewers turn the stored pixels, 1 (not at all) to 8, as the EXIF in the header has it; 1 without any.

    Raises:
        UserError: as :func:`image_size`.
    """
    with _open(path) as image:
        if image.format == "PNG" and "exif" not in image.info:
            return 1  # Pillow would decode the whole image in search of EXIF behind the pixels
        try:
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        except Exception:  # damaged EXIF, which viewers pass over too
            return 1
        return orientation if orientation in _UNTURN else 1


def _open(path: str | Path) -> Pillow.Image:
    path = Path(path)
    try:
        if path.stat().st_size == 0:
            raise UserError(f"{path} is empty (0 bytes); restore or remove the file")
        with _HEADER_LOCK, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a large image is no fault, and a damaged one gets its own error
            image = Pillow.open(path)
    except UserError:
        raise
    except UnidentifiedImageError as error:
        raise UserError(f"{path} is not an image that can be read; restore or remove the file") from error
    except Pillow.DecompressionBombError as error:
        raise UserError(f"{path} has more pixels than an image here may have ({error}); scale it down") from error
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror or error}; check the path and its permissions"
        ) from error
    except Exception as error:  # a damaged header, in any decoder's own words
        raise UserError(f"{path} is damaged ({error}); restore or remove the file") from error
    fault = _unsuited(image)
    if fault:
        image.close()
        raise UserError(f"{path} {fault}")
    return image


def _unsuited(image: Pillow.Image) -> str:
    """Why an opened image is not 8-bit RGB in some form, with the fix; empty if it is."""
    if image.mode == "CMYK":
        return "is CMYK; convert it to RGB with its colour profile first"
    # Pillow would cut 16-bit RGB to 8 bits without a word; only the raw mode of its tiles tells.
    tiles: list[Any] = getattr(image, "tile", [])
    raw_modes = {str(tile[3] if isinstance(tile[3], str) else (tile[3] or ("",))[0]) for tile in tiles}
    if image.mode.startswith("I") or any(";16" in mode for mode in raw_modes):
        return "has 16 bits a channel; convert it to 8-bit RGB first"
    if image.mode not in _EIGHT_BIT_MODES:
        return f"is not an 8-bit RGB or grey image (mode {image.mode}); convert it to 8-bit RGB first"
    return ""


def _turned(image: Pillow.Image) -> Pillow.Transpose | None:
    """What undoes the rotation that Pillow applies to a TIFF (to no other format) while it loads."""
    return _UNTURN.get(image.getexif().get(ExifTags.Base.Orientation, 1)) if image.format == "TIFF" else None


def write_image(path: str | Path, image: Image, *, quality: int = 95, compress: int = 1) -> None:
    """Encode RGB ``(H, W, 3)`` uint8 by the suffix of ``path``; the file appears whole or not at all.

    Args:
        path: target; its folder is made.
        image: pixels.
        quality: JPEG and WebP quality in [1, 100].
        compress: PNG compression in [0, 9]; changes the size and the time, never the pixels. 1, OpenCV's own choice
            of filter and strategy, is about eight times as fast as Pillow's usual level and a quarter larger.

    Raises:
        UserError: the place cannot be written, or the suffix names no known format.
    """
    path = Path(path)
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise UserError(f"{path}: unknown image format {path.suffix!r}; use .png or .jpg")
    kind = Pillow.registered_extensions()[path.suffix.lower()]
    try:
        content = _encode_png(image, compress) if kind == "PNG" else _encode(image, kind, quality)
    except (OSError, ValueError) as error:  # larger than the format allows
        raise UserError(f"{path} cannot be written: {error}") from error
    write_atomic(path, content)


def _encode(image: Image, kind: str, quality: int) -> memoryview:
    options = {"quality": quality} if kind in {"JPEG", "WEBP"} else {}
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, format=kind, **options)
    return buffer.getbuffer()


def _encode_png(image: Image, compress: int) -> memoryview:
    import cv2

    level = [] if compress == 1 else [cv2.IMWRITE_PNG_COMPRESSION, compress]
    done, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), level)
    if not done:
        raise ValueError("OpenCV cannot encode it")
    return data.data


def to_tensor(image: Image, device: str = "cpu") -> Tensor:
    """``(H, W, 3)`` uint8 to ``(1, 3, H, W)`` float32 in [0, 1] on ``device``."""
    return torch.from_numpy(image).to(device).permute(2, 0, 1)[None].float().div(255)


def to_uint8(image: Tensor) -> Image:
    """``(1, 3, H, W)`` float32 in [0, 1] to ``(H, W, 3)`` uint8, rounded as a saved PNG is."""
    levels = image[0].clamp(0, 1).mul(255).round().to(torch.uint8)
    return np.asarray(levels.permute(1, 2, 0).contiguous().cpu().numpy(), dtype=np.uint8)
