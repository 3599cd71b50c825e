"""Reasons for which an image file is not read, with the fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image as Pillow
from PIL import features

_EIGHT_BIT_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"}
_FEATURES = {".avif": "avif", **dict.fromkeys((".jp2", ".j2k", ".jpf", ".jpx", ".jpc", ".j2c"), "jpg_2000")}
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def fix_for(path: Path) -> str:
    """Return the fix for a file that Pillow does not identify: another Pillow, a download, or another file."""
    feature = _FEATURES.get(path.suffix.lower())
    if feature is not None and not features.check(feature):
        return f"this Pillow reads no {path.suffix}: install pillow 11.3 or newer from its wheel, or convert the file"
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS: run `git lfs pull`"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "it is a web page, as a failed download leaves it: download the image again"
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        return "it is HEIC, whatever its suffix says: convert it to PNG or JPEG"
    return "restore or remove the file"


def unsupported(path: Path, image: Pillow.Image) -> str:
    """Explain why an opened image is not supported, with the fix; empty for 8-bit RGB, grey and palette images."""
    if image.mode == "CMYK":
        return "is CMYK; convert it to RGB with its colour profile first"
    # Pillow reduces 16-bit RGB to 8 bits silently; only the raw mode of its tiles shows the depth.
    tiles: list[Any] = getattr(image, "tile", [])
    raw_modes = {str(tile[3] if isinstance(tile[3], str) else (tile[3] or ("",))[0]) for tile in tiles}
    if image.mode.startswith("I") or any(";16" in mode for mode in raw_modes):
        return "has 16 bits per channel; convert it to 8-bit RGB first"
    if image.mode not in _EIGHT_BIT_MODES:
        return f"is not an 8-bit RGB or grey image (mode {image.mode}); convert it to 8-bit RGB first"
    if _is_deep(path, image):
        return "has more than 8 bits per channel; convert it to 8-bit RGB first"
    frames = _frames(image)
    if frames > 1:
        return f"has {frames} frames; labels fit one picture, save the right frame as PNG"
    return ""


def _is_deep(path: Path, image: Pillow.Image) -> bool:
    """Return True for JPEG 2000 and AVIF deeper than 8 bits, which Pillow reduces to 8 bits silently."""
    if image.format not in {"JPEG2000", "AVIF"}:
        return False
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if image.format == "AVIF":
        box = head.find(b"av1C")  # AV1 codec configuration: the flag high_bitdepth in its third byte
        return 0 <= box < len(head) - 6 and bool(head[box + 6] & 0x40)
    size = head.find(b"\xff\x4f\xff\x51")  # image and tile size: depth - 1 in the lower bits of byte 40 behind it
    return 0 <= size < len(head) - 42 and (head[size + 42] & 0x7F) > 7


def _frames(image: Pillow.Image) -> int:
    """Return the number of pictures in a file, without reduced copies and masks of a TIFF."""
    if image.format in {"JPEG", "MPO"}:
        return 1
    try:
        count = int(getattr(image, "n_frames", 1))
        if image.format != "TIFF" or count == 1:
            return count
        pages = 0
        for index in range(count):
            image.seek(index)
            pages += not int(image.tag_v2.get(254, 0)) & 0b101  # type: ignore[attr-defined]  # NewSubfileType
        image.seek(0)
    except Exception:  # damage behind the first picture
        return 1
    return max(pages, 1)
