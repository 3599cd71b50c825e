"""Settings of an exported detector's input, and the presentation of an image by them."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError
from sgz_bench.core.parameters import integer, number, switch
from sgz_bench.core.registry import suggest
from sgz_bench.core.specs import Value, format_value

from ...images import Letterbox, letterbox
from ...normalisation import triple
from ...types import Image
from .layouts import Preprocessing

RESIZES = ("letterbox", "corner", "stretch", "none")


def chosen_input(
    family: str,
    usual: Preprocessing,
    *,
    resize: str | None,
    scale: float | None,
    mean: str | float | None,
    std: str | float | None,
    bgr: bool | None,
    pad: int | None,
) -> Preprocessing:
    """Return a layout's preprocessing with the user's settings; ``mean`` and ``std`` above 2 imply ``scale=1``.

    Raises:
        UserError: a setting has the wrong type or is out of range.
    """
    if resize is not None and resize not in RESIZES:
        raise UserError(f"{family}: resize={resize} is not one of {', '.join(RESIZES)}{suggest(resize, list(RESIZES))}")
    means = usual.mean if mean is None else triple(family, "mean", mean)
    stds = usual.std if std is None else triple(family, "std", std)
    if min(stds) <= 0:
        raise UserError(f"{family}: std must be above 0, got {std}")
    levels = max(means) > 2 or max(stds) > 2  # on 0–255
    divisor = 1.0 if scale is None and levels else usual.scale
    if scale is not None:
        divisor = number(family, "scale", scale, 0.001, 65535)
    elif mean is not None and not levels:
        divisor = 255.0  # the mean is one of fractions
    return replace(
        usual,
        resize=usual.resize if resize is None else resize,
        scale=divisor,
        mean=means,
        std=stds,
        bgr=usual.bgr if bgr is None else switch(family, "bgr", bgr),
        pad=usual.pad if pad is None else integer(family, "pad", pad, 0, 255),
    )


def input_settings(taken: Preprocessing, integer_input: bool) -> dict[str, Value | None]:
    """Return the settings of a preprocessing; networks with 8-bit input have no normalisation."""
    settings: dict[str, Value | None] = {"resize": taken.resize, "bgr": taken.bgr}
    if taken.resize in {"letterbox", "corner"}:
        settings["pad"] = taken.pad
    if not integer_input:
        settings["scale"] = taken.scale
        if any(taken.mean) or any(each != 1 for each in taken.std):
            settings |= {"mean": _text(taken.mean), "std": _text(taken.std)}
    return settings


def _text(numbers: tuple[float, ...]) -> str:
    return "/".join(format_value(float(each)) for each in numbers)


def described(taken: Preprocessing, size: tuple[int, int], integer_input: bool) -> str:
    """Return a preprocessing in words: ``RGB / 255, letterbox to 640×640``."""
    values = "BGR" if taken.bgr else "RGB"
    if integer_input or (taken.scale == 1 and not any(taken.mean)):
        values += " 0–255"
    elif taken.scale != 1:
        values += f" / {taken.scale:g}"
    if any(taken.mean) and not integer_input:
        values += f" with mean {_text(taken.mean)} and std {_text(taken.std)}"
    fit = "at its own size" if taken.resize == "none" else f"{taken.resize} to {size[1]}×{size[0]}"
    return f"{values}, {fit}"


def fit(image: Image, size: tuple[int, int], taken: Preprocessing) -> Letterbox:
    """Bring an image to the size of the input (height, width), with the mapping back."""
    if taken.resize == "none":
        return Letterbox(image, (1.0, 1.0), 0, 0)
    if taken.resize == "stretch":
        height, width = image.shape[:2]
        resized = np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
        return Letterbox(resized, (size[1] / width, size[0] / height), 0, 0)
    return letterbox(image, size, corner=taken.resize == "corner", fill=taken.pad)


def planes(image: Image, taken: Preprocessing, integer_input: bool) -> NDArray[np.float32]:
    """Return ``(1, 3, h, w)`` values as the network expects them."""
    values = image.astype(np.float32)
    if taken.bgr:
        values = values[..., ::-1]
    if not integer_input:
        values = values / np.float32(taken.scale)
        if any(taken.mean) or any(each != 1 for each in taken.std):
            mean, std = np.asarray(taken.mean, dtype=np.float32), np.asarray(taken.std, dtype=np.float32)
            values = np.asarray((values - mean) / std, dtype=np.float32)
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None], dtype=np.float32)
