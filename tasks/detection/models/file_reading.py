"""Reading of an exported detector's file: input size, further inputs, output layout, class names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError
from sgz_bench.core.registry import suggest

from ...classes import COCO_CLASSES, read_class_list
from ...models import require_file
from ...sessions import ExportMetadata, Session, named_classes, open_session
from .layouts import LAYOUTS, Layout, Output, Reading, guess

_CHOICES = {
    "boxes": ("xyxy", "yxyx", "xywh", "cxcywh"),
    "unit": ("pixels", "fractions"),
    "activation": ("none", "sigmoid", "softmax"),
    "background": ("none", "first", "last"),
}
NO_CLASS = frozenset({"background", "__background__", "n/a"})
_USUAL_NAMES = {80: "coco", 91: "coco91", 20: "voc"}
_MOST_OTHERS = 4  # inputs beside the image
_USUAL_SIZE = 640  # of networks for any size


def input_size(family: str, path: Path, session: Session, size: int | str | None) -> tuple[int, int]:
    """Return height and width of the input.

    Raises:
        UserError: the setting is no size, or contradicts the file.
    """
    height, width = session.input_size
    if size is None:
        return height or _USUAL_SIZE, width or _USUAL_SIZE
    try:
        sides = [int(part) for part in str(size).lower().replace("×", "x").split("x")]
    except ValueError:
        sides = []
    if len(sides) not in {1, 2} or not all(32 <= side <= 8192 for side in sides):
        raise UserError(f"{family}: size must be a side from 32 to 8192 pixels or HEIGHTxWIDTH, got {size!r}")
    wanted = (sides[0], sides[-1])
    if (height or wanted[0], width or wanted[1]) != wanted:
        raise UserError(f"{path} takes images of {width}×{height} only; leave size out or export it again")
    return wanted


def other_inputs(session: Session, size: tuple[int, int]) -> dict[str, NDArray[Any]]:
    """Return arrays for the inputs beside the image: sizes (RT-DETR, PaddleDetection) and masks (DETR).

    Raises:
        UserError: an input of unknown meaning.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for port in session.others:
        name = port.name.lower()
        if "target_size" in name or "orig_size" in name:
            value = np.array([size[::-1]])  # width and height; boxes return in pixels of the input
        elif name == "im_shape":
            value = np.array([size])
        elif name == "scale_factor":
            value = np.ones((1, 2))
        elif "mask" in name and len(port.shape) == 3:
            value = np.ones((1, port.shape[1] or size[0], port.shape[2] or size[1]))
        else:
            takes = ", ".join(each.name for each in session.others)
            raise UserError(
                f"{session.path} takes more than an image ({takes}); export the network without these inputs"
            )
        arrays[port.name] = value.astype(port.dtype)
    return arrays


def probe(session: Session, size: tuple[int, int], others: Mapping[str, NDArray[Any]]) -> list[Output]:
    """Run a grey image and return the outputs."""
    grey = np.full((1, 3, *size), 114 if session.integer else 114 / 255, dtype=np.float32)
    answers = session(grey, dict(others))
    names = [port.name.lower().rpartition("/")[2].partition(":")[0] for port in session.outputs]
    return [Output(name, array) for name, array in zip(names, answers, strict=True)]


def read_outputs(
    path: Path, outputs: Sequence[Output], size: tuple[int, int], layout: str | None
) -> tuple[Layout, Reading]:
    """Return the layout of the outputs, and their reading.

    Raises:
        UserError: no layout fits, or the named one does not.
    """
    has = ", ".join(f"{each.name} {each.array.shape}" for each in outputs)
    if layout is None:
        guessed = guess(outputs, size)
        if guessed is None:
            known = "; ".join(f"{each.name}: {each.summary}" for each in LAYOUTS.values())
            raise UserError(f"{path} has the outputs {has}, which fit no known layout ({known}); give layout=NAME")
        return guessed
    if layout not in LAYOUTS:
        raise UserError(f"unknown layout {layout!r}{suggest(layout, list(LAYOUTS))}")
    reading = LAYOUTS[layout].read(outputs, size, strict=False)
    if reading is None:
        raise UserError(f"{path} has the outputs {has}; layout={layout} is {LAYOUTS[layout].summary}")
    return LAYOUTS[layout], reading


def choice(family: str, key: str, value: str) -> str:
    if value not in _CHOICES[key]:
        known = list(_CHOICES[key])
        raise UserError(f"{family}: {key}={value} is not one of {', '.join(known)}{suggest(value, known)}")
    return value


def read_names(
    path: Path, reading: Reading, names: str | None, metadata: Mapping[str, Any]
) -> tuple[tuple[str, ...], str, Reading]:
    """Return the class names, their label for the settings, and the reading with its background column.

    Raises:
        UserError: the names are not known, or do not fit the number of class columns.
    """
    columns = reading.classes
    inside = ExportMetadata.of(metadata, path).names
    if names is not None:
        listed, label = _given_names(str(names)), Path(str(names)).name
    elif inside:
        listed, label = inside, "metadata"
    else:
        extra = [0, 1] if reading.background == "either" else [1] if reading.background in {"first", "last"} else [0]
        usual = [_USUAL_NAMES[columns - each] for each in extra if columns and columns - each in _USUAL_NAMES]
        if not usual:
            count = f"has {columns} class columns" if columns else "returns class ids"
            raise UserError(
                f"{path} {count} and no names; give names=coco, coco91 (ids of 91 categories, as TensorFlow's and "
                "torchvision's), voc, or a file with one name per line"
            )
        listed, label = read_class_list(usual[0]), usual[0]
    if columns is None:
        return listed, label, reading
    missing = columns - len(listed)
    if reading.background == "either" and missing in {0, 1}:
        last = "first" if not missing or reading.activation != "sigmoid" or "logits" not in reading.outputs else "last"
        reading = replace(reading, background="none" if not missing else last)
        if missing and last == "last":
            reading = replace(reading, activation="softmax")
    expected = len(listed) + (reading.background in {"first", "last"})
    if columns != expected:
        raise UserError(
            f"{path} has {columns} class columns, names={label} lists {len(listed)}"
            f"{' beside the background' * (expected > len(listed))}; give the list it was trained with"
        )
    return listed, label, reading


def _given_names(names: str) -> tuple[str, ...]:
    """Return a known class list, or one of a file or text."""
    if names in {"coco91", "voc", "exdark", "coco"}:
        return read_class_list(names)
    return named_classes(names)[0]


def family_of_export(source: str, device: str) -> str:
    """Return the family of a detector's file: Ultralytics by its metadata, YOLOX by its outputs, else the format's.

    Raises:
        UserError: no such file, or it cannot be opened.
    """
    path = require_file(source, "model file")
    family = {".onnx": "onnx", ".xml": "openvino"}.get(path.suffix.lower(), "tflite")
    session, _ = open_session(family, path, device, others=_MOST_OTHERS)
    meta = ExportMetadata.of(session.metadata, path)
    if meta.names and (meta.stride or meta.task):
        return "ultralytics"
    if family != "tflite" and not session.others and None not in session.input_size:
        size = input_size(family, path, session, None)
        guessed = guess(probe(session, size, {}), size)
        if guessed is not None and guessed[0].name == "yolox" and guessed[1].classes == len(COCO_CLASSES):
            return "yolox"
    return family


def class_columns(reading: Reading, names: Sequence[str]) -> NDArray[np.int64]:
    """Return the score columns that are classes: neither background nor gaps of a list of category ids."""
    shift = 1 if reading.background == "first" else 0
    used = [index + shift for index, name in enumerate(names) if name.casefold() not in NO_CLASS]
    return np.array(used, dtype=np.int64)
