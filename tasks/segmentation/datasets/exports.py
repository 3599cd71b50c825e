"""Folders that annotation tools write and that need no YAML: CVAT's and VOC's SegmentationClass, Roboflow's masks."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_text

from ...classes import VOC_CLASSES

_BORDER = (224, 224, 192)  # colour of VOC's void border, which is no class
_CSV = "_classes.csv"

Color = tuple[int, int, int]


def implied_config(root: Path) -> tuple[dict[str, Any], Path] | None:
    """Return the YAML content that a known export stands for, and its folder; None for other folders.

    Raises:
        UserError: a file of the export cannot be read.
    """
    for base in (root, *sorted(path for path in root.iterdir() if path.is_dir())):
        if (base / "SegmentationClass").is_dir():
            return _segmentation_class(base), base
    tables = sorted(root.glob(f"*/{_CSV}"))
    if tables:
        return _roboflow(tables[0]), root
    return None


def _segmentation_class(base: Path) -> dict[str, Any]:
    """Return the content for CVAT (labelmap.txt names classes and colours) or Pascal VOC (21 ids in palette maps)."""
    images = next((name for name in ("JPEGImages", "images") if (base / name).is_dir()), None)
    if images is None:
        raise UserError(
            f"{base} has SegmentationClass/ but no JPEGImages/; CVAT leaves images out unless `Save images` is chosen, "
            "put them there"
        )
    content: dict[str, Any] = {"images": images, "masks": "SegmentationClass", "lists": "ImageSets/Segmentation"}
    if (base / "labelmap.txt").is_file():
        colors = read_labelmap(base / "labelmap.txt")
        return content | {"names": list(colors), "colors": colors, "ignore": [list(_BORDER)]}
    return content | {"names": ["background", *VOC_CLASSES], "ignore": [255]}


def _roboflow(table: Path) -> dict[str, Any]:
    """Return the content for Roboflow's semantic masks: a CSV of pixel values, ``a_mask.png`` beside ``a.jpg``."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(read_text(table).splitlines()) if row]
    if not rows or [cell.casefold() for cell in rows[0]] != ["pixel value", "class"]:
        raise UserError(
            f"{table} is not Roboflow's table of semantic masks (Pixel Value, Class); export semantic masks"
        )
    try:
        ids = {int(value): name for value, name in rows[1:]}
    except ValueError as error:
        raise UserError(f"{table} has a row that is not VALUE, CLASS ({error}); restore the file") from error
    return {"images": "{split}", "masks": "{split}/{stem}_mask.png", "names": list(ids.values()), "ids": ids}


def read_labelmap(path: Path) -> dict[str, list[int]]:
    """Read CVAT's labelmap.txt: lines ``name:r,g,b:parts:actions``.

    Raises:
        UserError: a line is none of these.
    """
    colors: dict[str, list[int]] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        words = rest.partition(":")[0].split(",")
        try:
            colors[name.strip()] = [int(word) for word in words]
        except ValueError as error:
            raise UserError(f"{path}, line {number}: {line.strip()!r:.80} is not name:r,g,b::") from error
    return colors


def parse_colors(given: Any, ignored: Any, classes: tuple[str, ...], path: Path, void: int) -> dict[Color, int]:
    """Return class id by colour from ``colors: {class: [r, g, b]}`` and ``ignore``, a colour or a list of colours.

    A class may have a list of colours. A colour is three numbers or ``"#rrggbb"``.

    Raises:
        UserError: a class or colour is none, or a colour stands for two classes.
    """
    if not isinstance(given, Mapping):
        raise UserError(f"{path}: `colors` must be lines of the form `road: [128, 64, 128]`, or a labelmap.txt of CVAT")
    colors: dict[Color, int] = {}
    for name, value in given.items():
        if str(name) not in classes:
            raise UserError(f"{path}: `colors` names {name!r}, which is not among `names`")
        for color in _colors(value, path):
            if colors.setdefault(color, classes.index(str(name))) != classes.index(str(name)):
                raise UserError(f"{path}: the colour {list(color)} stands for two classes; give each its own")
    absent = [name for name in classes if classes.index(name) not in colors.values()]
    if absent:
        raise UserError(f"{path}: `colors` has no colour of {absent[0]!r}; add it, or remove the class from `names`")
    return dict.fromkeys(_colors(ignored, path), void) | colors


def _colors(value: Any, path: Path) -> list[Color]:
    if value is None:
        return []
    several = isinstance(value, list) and (not value or isinstance(value[0], list | str))
    return [_color(each, path) for each in (value if several else [value])]


def _color(value: Any, path: Path) -> Color:
    if isinstance(value, str) and len(value) == 7 and value.startswith("#"):
        try:
            return int(value[1:3], 16), int(value[3:5], 16), int(value[5:], 16)
        except ValueError:
            pass
    whole = isinstance(value, list) and len(value) == 3 and all(type(each) is int for each in value)
    if not whole or not all(0 <= each <= 255 for each in value):
        raise UserError(f"{path}: {value!r} is no colour; write three numbers from 0 to 255, such as [128, 64, 128]")
    return value[0], value[1], value[2]
