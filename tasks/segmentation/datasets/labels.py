"""Label maps and masks: 8-bit grey or palette images whose pixel values are ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from sgz_bench.core.errors import UserError

from ..types import VOID, LabelledImage, Labels, SegmentationDataset

_LOSSY = {"JPEG", "WEBP", "MPO"}


def read_labels(dataset: SegmentationDataset, sample: LabelledImage) -> Labels:
    """Read an image's label map in class ids: ``(H, W)`` uint8 at the image's size, VOID for none.

    Raises:
        UserError: labels are withheld, the file is no map of ids, its size differs, or it contains an unknown id.
    """
    if sample.labels is None:
        raise UserError(f"{dataset.name} has no labels for {sample.key}; those of {dataset.split} are withheld")
    values = _values(sample.labels, sample)
    table = np.full(256, VOID, dtype=np.uint8)
    table[list(dataset.ids)] = list(dataset.ids.values())
    unknown = sorted(set(np.flatnonzero(np.bincount(values.ravel(), minlength=256)).tolist()) - set(dataset.ids))
    if unknown:
        raise UserError(
            f"{sample.labels} contains the ids {_ranges(unknown)}, which {dataset.name} does not have "
            f"(known: {_ranges(sorted(dataset.ids))}); fix the map, or list them under `ids` or `ignore` of a YAML"
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
    values = _values(sample.invalid, sample)
    unknown = np.setdiff1d(values, [0, 1, 255])
    if unknown.size:
        raise UserError(f"{sample.invalid} contains {unknown[0]}; a mask of invalid pixels contains 0, and 1 or 255")
    return np.asarray(values != 0, dtype=np.bool_)


def refuse_other_size(path: Path, width: int, height: int) -> None:
    """Check by its header that a file is a map of ids with its image's size.

    Raises:
        UserError: it is not.
    """
    with _open(path) as image:
        if image.size != (width, height):
            across, down = image.size
            raise UserError(f"{path} is {across}×{down}, its image {width}×{height}; give a map with the image's size")


def _values(path: Path, sample: LabelledImage) -> Labels:
    """Read ``(H, W)`` uint8 values as stored; the indices of a palette image."""
    refuse_other_size(path, sample.width, sample.height)
    with _open(path) as image:
        try:
            return np.array(image, dtype=np.uint8)
        except (OSError, SyntaxError, ValueError) as error:
            raise UserError(f"{path} is damaged or cut short ({error}); restore the file") from error


def _open(path: Path) -> Image.Image:
    try:
        image = Image.open(path)
    except UnidentifiedImageError as error:
        raise UserError(f"{path} is not a readable label map; restore or remove the file") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}; restore the file") from error
    except (SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} is damaged or too large ({' '.join(str(error).split())}); restore the file") from error
    fault = ""
    if image.mode.startswith("I"):
        fault = "has 16 bits or more per pixel; save it as an 8-bit grey PNG of ids"
    elif image.mode not in {"1", "L", "P"}:
        fault = f"is not an 8-bit grey or palette image of ids (mode {image.mode}); give the map of ids, not of colours"
    elif image.format in _LOSSY:
        fault = f"is a {image.format}, whose compression changes ids; give a PNG"
    if fault:
        image.close()
        raise UserError(f"{path} {fault}")
    return image


def _ranges(ids: Sequence[int]) -> str:
    """Format ascending ids: ``0–18, 255``."""
    runs: list[list[int]] = []
    for each in ids:
        if runs and each == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], each]
        else:
            runs.append([each])
    return ", ".join("–".join(map(str, run)) for run in runs)
