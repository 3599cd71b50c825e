"""YOLO layout: one text file of ``class x y w h`` (centre and size as fractions of the image) beside each image."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from sgz_bench.enhancer.errors import UserError
from sgz_bench.enhancer.images import IMAGE_SUFFIXES
from sgz_bench.enhancer.registry import suggest

from ...types import DetectionDataset
from ..classes import COCO_CLASSES
from .base import Box, Entry, build, images_in, label_lines

_SLACK = 1e-3  # fractions are often written with few digits, so a box may stick out by a rounding error


def load_yolo(root: Path, split: str | None, limit: int | None = None) -> DetectionDataset:
    """YOLO: a data.yaml, or images/SPLIT and labels/SPLIT (also SPLIT/images, or images and labels alone).

    Without a YAML the class names are those of ``classes.txt``, else COCO's 80. A missing label file means an image
    without objects, as in Ultralytics.

    Raises:
        UserError: neither layout is there, or the split is not.
    """
    for name in ("data.yaml", "dataset.yaml", "data.yml"):
        if (root / name).is_file():
            return load_yolo_yaml(root / name, None, split, limit)
    images = _image_folder(root, split)
    classes = _classes_txt(root) or COCO_CLASSES
    return build("yolo", split or images.name, classes, _entries([images], classes), (), limit)


def load_yolo_yaml(path: Path, root: Path | None, split: str | None, limit: int | None = None) -> DetectionDataset:
    """An Ultralytics ``data.yaml``: ``path``, ``names``, and splits that are a folder, a .txt list, or a list of them.

    Args:
        path: the YAML.
        root: overrides its ``path``.
        split: None takes ``val``.
        limit: so many images.

    Raises:
        UserError: not such a YAML, no such split, or folders that are not there.
    """
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"cannot read {path}: {' '.join(str(error).split())}") from error
    if not isinstance(config, dict) or "names" not in config:
        raise UserError(f"{path} is no data.yaml: it needs `names` and at least one of train, val, test")
    classes = _names(config["names"], path)
    splits = [name for name in ("train", "val", "test") if config.get(name)]
    split = split or "val"
    if split not in splits:
        raise UserError(f"{path} has no split {split!r}{suggest(split, splits)}")
    base = root or (path.parent / str(config.get("path") or "."))
    places = config[split] if isinstance(config[split], list) else [config[split]]
    sources = [base / str(place) for place in places]
    for source in sources:
        if not source.exists():
            raise UserError(f"{path}: {source} does not exist; mend `path` and `{split}`, or give --root")
    return build(
        path.stem if path.stem != "data" else path.absolute().parent.name,
        split,
        classes,
        _entries(sources, classes),
        (),
        limit,
    )


def _image_folder(root: Path, split: str | None) -> Path:
    if split is None:
        tries = [root / "images" / "val", root / "images" / "test", root / "images"]
    else:
        tries = [root / "images" / split, root / split / "images"]
    for folder in tries:
        if folder.is_dir():
            return folder
    holders = [root / "images", root]
    known = sorted({p.name for h in holders if h.is_dir() for p in h.iterdir() if p.is_dir()} - {"images", "labels"})
    if not (root / "images").is_dir() and not any((root / name / "images").is_dir() for name in known):
        raise UserError(f"{root} holds neither data.yaml nor images/ nor SPLIT/images/; give the folder above them")
    raise UserError(f"{root} has no split {split!r}{suggest(str(split), known)}")


def _entries(sources: Sequence[Path], classes: Sequence[str]) -> list[Entry]:
    entries = []
    for source in sources:
        if source.is_file():
            lines = source.read_text(encoding="utf-8").splitlines()
            paths = [
                Path(line) if Path(line).is_absolute() else source.parent / line
                for line in map(str.strip, lines)
                if line
            ]
            listed = [(path.with_suffix("").name, path) for path in paths]
        else:
            listed = images_in(source)
        for key, path in listed:
            if path.suffix.lower() in IMAGE_SUFFIXES:
                entries.append(Entry(key, path, _reader(_label_file(path), classes)))
    return entries


def _label_file(image: Path) -> Path:
    """The last folder called ``images`` becomes ``labels``, the suffix .txt; without one, beside the image."""
    parts = list(image.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _reader(path: Path, classes: Sequence[str]) -> Callable[[int, int, Callable[[str, str], None]], list[Box]]:
    def read(width: int, height: int, report: Callable[[str, str], None]) -> list[Box]:
        if not path.exists():
            return []
        boxes = []
        for number, words in label_lines(path, report):
            try:
                boxes.append(_parse(words, width, height, classes))
            except ValueError as error:
                report(f"{path}, line {number}", f"{error}; the box is passed over")
        return boxes

    return read


def _parse(words: list[str], width: int, height: int, classes: Sequence[str]) -> Box:
    if len(words) != 5:
        raise ValueError(f"has {len(words)} fields, a box has 5 (class x y w h)")
    values = [float(word) for word in words]
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"holds {' '.join(words)}, which is not finite")
    class_id, x, y, w, h = values
    if class_id != int(class_id) or not 0 <= class_id < len(classes):
        raise ValueError(f"class {words[0]} is not one of 0…{len(classes) - 1}")
    if w <= 0 or h <= 0:
        raise ValueError(f"size {words[3]} × {words[4]} is not positive")
    sides = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    if min(sides) < -_SLACK or max(sides) > 1 + _SLACK:
        raise ValueError(f"box {' '.join(words[1:])} leaves the image; x y w h are fractions")
    left, top, right, bottom = sides
    return Box(int(class_id), (left * width, top * height, right * width, bottom * height))


def _classes_txt(root: Path) -> tuple[str, ...] | None:
    path = root / "classes.txt"
    if not path.is_file():
        return None
    return tuple(line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip())


def _names(names: Any, path: Path) -> tuple[str, ...]:
    if isinstance(names, dict):
        if sorted(names) != list(range(len(names))):
            raise UserError(f"{path}: `names` must number the classes 0…{len(names) - 1} without gaps")
        return tuple(str(names[index]) for index in range(len(names)))
    if isinstance(names, list) and names:
        return tuple(str(name) for name in names)
    raise UserError(f"{path}: `names` must be a list of class names, or a mapping from 0…")
