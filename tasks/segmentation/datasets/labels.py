"""Label maps and masks: 8-bit grey or palette images whose pixel values are ids, or images of class colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import load_pixels, without_warnings

from ..types import VOID, LabelledImage, Labels, SegmentationDataset

_LOSSY = {"JPEG", "WEBP", "MPO", "JPEG2000", "AVIF"}
_GREY = {"1", "L", "P"}
_COLOUR = _GREY | {"LA", "PA", "RGB", "RGBA", "RGBX"}
Colors = Mapping[tuple[int, int, int], int]


def read_labels(dataset: SegmentationDataset, sample: LabelledImage) -> Labels:
    """Read an image's label map in class ids: ``(H, W)`` uint8 at the image's size, VOID for none.

    Raises:
        UserError: labels are withheld, the file is no map of ids, its size differs, or it contains an unknown id.
    """
    if sample.labels is None:
        raise UserError(f"{dataset.name} has no labels for {sample.key}; those of {dataset.split} are withheld")
    if dataset.colors:
        return _by_color(sample.labels, sample, dataset)
    values = read_values(sample.labels, sample)
    table = np.full(256, VOID, dtype=np.uint8)
    table[list(dataset.ids)] = list(dataset.ids.values())
    unknown = sorted(set(np.flatnonzero(np.bincount(values.ravel(), minlength=256)).tolist()) - set(dataset.ids))
    if unknown:
        raise UserError(
            f"{sample.labels} contains the ids {format_ids(unknown)}, which {dataset.name} does not have "
            f"(known: {format_ids(sorted(dataset.ids))}); fix the map, or list them under `ids` or `ignore` of a YAML"
        )
    return table[values]


def read_invalid(sample: LabelledImage) -> NDArray[np.bool_]:
    """Read the mask of pixels that are indiscernible without the daylight reference: ``(H, W)`` bool.

    ACDC and Dark Zurich write 0 for valid, 1 (``_gt_invIds.png``) or 255 (``_gt_invGray.png``) for invalid pixels.
    Without a mask all pixels are valid.

    Raises:
        UserError: the file is no such mask, or its size differs.
    """
    if sample.invalid is None:
        return np.zeros((sample.height, sample.width), dtype=np.bool_)
    values = read_values(sample.invalid, sample)
    unknown = np.setdiff1d(values, [0, 1, 255])
    if unknown.size:
        raise UserError(f"{sample.invalid} contains {unknown[0]}; a mask of invalid pixels contains 0, and 1 or 255")
    return np.asarray(values != 0, dtype=np.bool_)


def refuse_other_size(path: Path, width: int, height: int, *, colors: bool = False) -> bytes:
    """Check by its header that a file is a map of ids, or of colours, with its image's size.

    Returns:
        The palette of a palette map; empty for other maps.

    Raises:
        UserError: it is not.
    """
    with _open(path, colors=colors) as image:
        if image.size != (width, height):
            across, down = image.size
            raise UserError(f"{path} is {across}×{down}, its image {width}×{height}; give a map with the image's size")
        return bytes(image.palette.palette) if image.mode == "P" and image.palette is not None else b""


def read_values(path: Path, sample: LabelledImage) -> Labels:
    """Read ``(H, W)`` uint8 values as stored; the indices of a palette image.

    Raises:
        UserError: the file is no map of ids, or its size differs.
    """
    refuse_other_size(path, sample.width, sample.height)
    with _open(path) as image:
        return np.array(_loaded(image, path), dtype=np.uint8)


def read_palette(path: Path) -> dict[int, tuple[int, int, int]]:
    """Read the values that a palette map contains, with their colours.

    Raises:
        UserError: the file is no map of ids, or is damaged.
    """
    with _open(path) as image:
        values = np.unique(np.array(_loaded(image, path), dtype=np.uint8)).tolist()
        palette = image.getpalette("RGB") or []
    padded = [*palette, *[0] * (768 - len(palette))]
    return {value: (padded[3 * value], padded[3 * value + 1], padded[3 * value + 2]) for value in values}


def _by_color(path: Path, sample: LabelledImage, dataset: SegmentationDataset) -> Labels:
    refuse_other_size(path, sample.width, sample.height, colors=True)
    with _open(path, colors=True) as image:
        pixels = np.array(_loaded(image, path).convert("RGB"), dtype=np.int32)
    codes = pixels @ np.array([1 << 16, 1 << 8, 1], dtype=np.int32)
    known = sorted((red << 16 | green << 8 | blue, index) for (red, green, blue), index in dataset.colors.items())
    keys = np.array([code for code, _ in known], dtype=np.int32)
    position = np.searchsorted(keys, codes).clip(max=len(keys) - 1)
    other = keys[position] != codes
    if other.any():
        first, count = int(codes[other][0]), len(np.unique(codes[other]))
        color = (first >> 16, first >> 8 & 255, first & 255)
        more = f" and {count - 1} more" if count > 1 else ""
        raise UserError(
            f"{path} contains the colour {color}{more}, which {dataset.name} does not have; add it to `colors` or "
            "`ignore`, or restore the file if it was resized or compressed"
        )
    indices = np.array([index for _, index in known], dtype=np.uint8)
    return np.asarray(indices[position], dtype=np.uint8)


def _loaded(image: Image.Image, path: Path) -> Image.Image:
    try:
        load_pixels(image)
    except MemoryError:
        raise
    except Exception as error:  # each decoder has its own errors for damage
        raise UserError(f"{path} is damaged or cut short ({error}); restore the file") from error
    return image


def _open(path: Path, *, colors: bool = False) -> Image.Image:
    try:
        with without_warnings():
            image = Image.open(path)
    except UnidentifiedImageError as error:
        raise UserError(f"{path} is not a readable label map; restore or remove the file") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}; restore the file") from error
    except Exception as error:  # a damaged header, or a decompression bomb
        raise UserError(f"{path} is damaged or too large ({' '.join(str(error).split())}); restore the file") from error
    fault = ""
    if image.mode.startswith(("I", "F")):
        fault = f"has 16 bits or more per pixel; save it as an 8-bit grey PNG of ids{_instances(path)}"
    elif image.mode not in (_COLOUR if colors else _GREY):
        fault = f"is not an 8-bit grey or palette image of ids (mode {image.mode}); {_fix_colours(image, path)}"
    elif image.format in _LOSSY:
        fault = f"is a {image.format}, whose compression changes ids; give a PNG"
    if fault:
        image.close()
        raise UserError(f"{path} {fault}")
    return image


def _instances(path: Path) -> str:
    """Return a hint on maps of instances, whose ids are class · 1000 + instance in Cityscapes."""
    return "; a map of instances is no map of classes: use labelIds" if "instance" in path.name.casefold() else ""


def _fix_colours(image: Image.Image, path: Path) -> str:
    """Return the fix for a map with several channels: colours, or ids that were saved as grey RGB."""
    fix = "give the map of ids, not of colours"
    name = path.name
    if "labelcolor" in name.casefold() or name.casefold().endswith("_color.png"):
        return f"{fix}, which lies beside it as …labelIds.png or …labelTrainIds.png"
    try:
        channels = np.array(_loaded(image, path).convert("RGB"))
    except (UserError, ValueError, OSError):
        return fix
    if (channels == channels[..., :1]).all():
        return f"{fix}; its channels are equal, so save one of them as an 8-bit grey PNG"
    seen = [tuple(color) for color in np.unique(channels.reshape(-1, 3), axis=0)[:3].tolist()]
    return f"{fix}; or name its colours in a YAML: `colors: {{CLASS: {list(seen[-1])}, …}}`"


def format_ids(ids: Sequence[int]) -> str:
    """Return ascending ids as text: ``0–18, 255``."""
    runs: list[list[int]] = []
    for each in ids:
        if runs and each == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], each]
        else:
            runs.append([each])
    return ", ".join("–".join(map(str, run)) for run in runs)
