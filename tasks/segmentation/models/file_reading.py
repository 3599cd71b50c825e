"""Reading of an exported segmenter's file: the output that is a segmentation, and class names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError
from sgz_bench.core.registry import suggest

from ...classes import read_class_list
from ...sessions import Session
from ..types import VOID

_USUAL_NAMES = {19: "cityscapes", 11: "camvid", 21: "voc"}


class Answer(NamedTuple):
    """Output of a segmenter: its index, ``nchw``, ``nhwc`` or ``map``, channels (0 for a map), probabilities or not."""

    output: int
    form: str
    channels: int
    probabilities: bool


def read_answer(path: Path, session: Session, wanted: str | None, size: tuple[int, int], *, several: bool) -> Answer:
    """Find the output that is a segmentation of a grey image.

    Args:
        path: for messages.
        session: of the file.
        wanted: name of the output, if chosen.
        size: height and width of the image.
        several: True if there are known not to be two classes: one channel of floats is then a label map.

    Raises:
        UserError: there is none, or none of the wanted name.
    """
    arrays = session.probe(*size, scale=255 if session.integer else 1)
    names = [port.name for port in session.outputs]
    if wanted is not None and wanted not in names:
        raise UserError(f"{path} has no output {wanted!r}{suggest(wanted, names)}")
    chosen = [index for index, name in enumerate(names) if wanted in {None, name}]
    rest = [index for index in chosen if "aux" not in names[index].lower()]
    for index in rest or chosen:
        array = arrays[index]
        if array.ndim == 4 and array.dtype.kind == "f" and len(array) == 1 and not _is_map(array, several):
            form = _form(array.shape, size, session.channels_last)
            if form:
                axis = 1 if form == "nchw" else 3
                count = array.shape[axis]
                inside = array.min() >= -1e-4 and array.max() <= 1 + 1e-4
                shares = bool(inside and (count == 1 or np.abs(array.sum(axis=axis) - 1).max() < 1e-2))
                return Answer(index, form, count, shares)
        if (array.dtype.kind in "iu" and map_size(array.shape) is not None) or _is_map(array, several):
            return Answer(index, "map", 0, False)
    has = ", ".join(f"{name} {array.shape}" for name, array in zip(names, arrays, strict=True))
    raise UserError(
        f"{path} has the outputs {has} for an image of {size[1]}×{size[0]}; a segmenter returns logits "
        "(1, classes, h, w) or (1, h, w, classes), or a label map (1, h, w)"
    )


def _form(shape: Sequence[int], size: tuple[int, int], channels_last: bool) -> str:
    """Return the layout in which two sides have the aspect ratio of the input; empty for neither."""
    fits = {
        "nchw": _similar(shape[2:], size) and shape[1] <= VOID,
        "nhwc": _similar(shape[1:3], size) and shape[3] <= VOID,
    }
    order = ("nhwc", "nchw") if channels_last else ("nchw", "nhwc")
    return next((form for form in order if fits[form]), "")


def _similar(sides: Sequence[int], size: tuple[int, int]) -> bool:
    return min(sides) > 1 and abs(sides[0] * size[1] - sides[1] * size[0]) <= 2 * max(size)


def _is_map(array: NDArray[Any], several: bool) -> bool:
    """Return True for floats that are whole class ids of a map without channels."""
    if array.dtype.kind != "f" or (array.ndim == 4 and 1 not in (array.shape[1], array.shape[3])):
        return False
    whole = bool((array == np.rint(array)).all() and array.min() >= 0)
    return map_size(array.shape) is not None and whole and (array.ndim < 4 or several or array.max() > 1)


def map_size(shape: Sequence[int]) -> tuple[int, int] | None:
    """Return height and width of ``(h, w)``, ``(1, h, w)``, ``(1, 1, h, w)`` or ``(1, h, w, 1)``; None for others."""
    sides = tuple(side for side in shape if side != 1)
    return (sides[0], sides[1]) if len(sides) == 2 else None


def read_names(
    path: Path, answer: Answer, names: str | None, inside: tuple[str, ...] | None
) -> tuple[tuple[str, ...], str]:
    """Return the class names and their label.

    Raises:
        UserError: they are not known, or their number does not fit.
    """
    channels = 2 if answer.channels == 1 else answer.channels
    if names is None and inside is None and channels not in _USUAL_NAMES:
        has = f"has {answer.channels} channels" if channels else "returns a label map"
        raise UserError(f"{path} {has} and no names; give names=cityscapes, camvid, voc or a file of one name per line")
    label = names or ("metadata" if inside else _USUAL_NAMES[channels])
    listed = inside if names is None and inside else read_class_list(label)
    if label == "voc" and channels != len(listed):
        listed = ("background", *listed)
    if channels and len(listed) != channels:
        raise UserError(
            f"{path} has {channels} classes, names={Path(label).name} lists {len(listed)}; give the list it was "
            "trained with"
        )
    return tuple(listed), Path(label).name
