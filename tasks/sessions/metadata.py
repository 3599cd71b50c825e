"""Metadata that exporters write into a network's file, above all Ultralytics' and YOLOv5's."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_json, read_text, read_yaml

from ..classes import COCO_CLASSES


@dataclass(frozen=True)
class ExportMetadata:
    """Contents of an export's metadata; None where the file does not tell.

    Attributes:
        names: by class id.
        task: ``detect``, ``segment`` and so on.
        stride: of the network, pixels.
        imgsz: height and width.
        batch: images per call.
        transformer: True for RT-DETR.
        end_to_end: True if the network reports final boxes.
        nms: True if the export did NMS itself, False if it says that it did not.
        dynamic: True for dynamic sizes.
        arguments: of the export.
    """

    names: tuple[str, ...] | None
    task: str | None
    stride: int | None
    imgsz: tuple[int, int] | None
    batch: int | None
    transformer: bool
    end_to_end: bool | None
    nms: bool | None
    dynamic: bool | None
    arguments: Mapping[str, Any]

    @staticmethod
    def of(raw: Mapping[str, Any], path: Path) -> ExportMetadata:
        """Read metadata as it is in a file: numbers as text, names as a list or a map, in Python's or JSON's notation.

        Raises:
            UserError: there are names that are no list by class id.
        """
        values = {key: _value(value) for key, value in raw.items()}
        arguments = values.get("args") if isinstance(values.get("args"), Mapping) else {}
        assert isinstance(arguments, Mapping)
        names = values.get("names")
        if names is None and isinstance(raw.get("labels"), str):  # OpenVINO's model_info
            names = [label.replace("_", " ") for label in raw["labels"].split()]
        about = f"{values.get('description', '')} {values.get('head', '')}".lower().replace("-", "")
        return ExportMetadata(
            names=None if names in (None, "", {}, [], ()) else ordered_names(names, str(path)),
            task=str(values["task"]) if values.get("task") else None,
            stride=_integer(values.get("stride")),
            imgsz=_size(values.get("imgsz")) or _size(values.get("shape")),
            batch=_integer(values.get("batch")) or _first(values.get("shape")),
            transformer="rtdetr" in about,
            end_to_end=_flag(values.get("end2end")),
            nms=_flag(arguments.get("nms", values.get("nms"))),
            dynamic=_flag(arguments.get("dynamic", values.get("dynamic"))),
            arguments=arguments,
        )


def ordered_names(names: object, source: str) -> tuple[str, ...]:
    """Return class names by id from a list, or from a map whose keys are ids, as numbers or as text.

    Raises:
        UserError: the keys are not 0, 1, 2 …, or it is neither a list nor a map.
    """
    if isinstance(names, Mapping):
        try:
            by_id = {int(float(str(key))): str(value) for key, value in names.items()}
        except (ValueError, OverflowError) as error:
            raise UserError(f"{source}: class names have the keys {_some(names)}; keys are ids from 0") from error
        if sorted(by_id) != list(range(len(names))):
            raise UserError(f"{source}: class names have the ids {_some(sorted(by_id))}; ids are 0 to classes - 1")
        return tuple(by_id[index] for index in range(len(by_id)))
    if isinstance(names, str):
        names = [name.strip() for name in re.split(r"[,\n|]", names) if name.strip()]
    if not isinstance(names, Sequence) or not names:
        raise UserError(f"{source}: class names are {names!r}; give a list, or a map from ids to names")
    return tuple(str(name) for name in names)


def named_classes(names: str) -> tuple[tuple[str, ...], list[Path]]:
    """Return the classes that a ``names=`` setting gives, and the file that they are from.

    Args:
        names: ``coco`` for COCO's 80 classes; a ``.txt`` of one name per line; a ``.yaml`` or ``.json`` that is a list
            or a map from ids, or has one under ``names``; or names separated by ``|``.

    Raises:
        UserError: no such file, or no names in it.
    """
    if names == "coco":
        return COCO_CLASSES, []
    path = Path(names)
    if not path.is_file():
        if "|" in names:
            return ordered_names(names.split("|"), "names"), []
        raise UserError(f"no class names at {names}; write names=coco, names=FILE (.txt, .yaml, .json) or names=A|B")
    suffix = path.suffix.lower()
    content: Any
    if suffix in {".yaml", ".yml"}:
        content = read_yaml(path)
    elif suffix == ".json":
        content = read_json(path)
    else:
        content = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    if isinstance(content, Mapping) and "names" in content:
        content = content["names"]
    return ordered_names(content, names), [path]


def _value(value: object) -> Any:
    """Return the value of a text in Python's or JSON's notation; other text unchanged."""
    if not isinstance(value, str):
        return value
    for read in (ast.literal_eval, json.loads):
        try:
            return read(value.strip())
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
    return value


def _integer(value: object) -> int | None:
    try:
        return int(float(str(value)))
    except (ValueError, OverflowError):
        return None


def _flag(value: object) -> bool | None:
    return None if value is None else str(value).lower() in {"true", "1"}


def _size(value: object) -> tuple[int, int] | None:
    """Return height and width of ``imgsz`` (one number, or two) or of a ``shape`` (four numbers)."""
    values = value if isinstance(value, (list, tuple)) else [value]
    sides = [_integer(side) for side in values[-2:]]
    if not sides or None in sides or min(side or 0 for side in sides) <= 0:
        return None
    return (sides[0] or 0, sides[-1] or 0)


def _first(value: object) -> int | None:
    return _integer(value[0]) if isinstance(value, (list, tuple)) and len(value) == 4 else None


def _some(values: object) -> str:
    items = [str(value) for value in (values if isinstance(values, (list, Mapping)) else [])]
    return ", ".join(items[:4]) + (" …" if len(items) > 4 else "")
