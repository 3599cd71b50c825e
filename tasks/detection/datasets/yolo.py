"""YOLO layout: one text file of ``class x y w h`` (centre and size as fractions of the image) beside each image."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_text, read_yaml
from sgz_bench.core.registry import suggest
from sgz_bench.core.text import pluralize

from ...classes import COCO_CLASSES
from ...datasets import named_classes
from ...image_files import ImageFiles, ImageLookup, scan_images
from ..types import DetectionDataset
from .base import Box, Entry, Report, box_at, build, read_boxes

_DEFAULTS = ("val", "valid", "test")  # splits to try if none is given
_SLACK = 0.01  # as in Ultralytics: fractions may exceed [0, 1] by this much


def load_yolo(root: Path, split: str | None, limit: int | None = None) -> DetectionDataset:
    """YOLO: a data.yaml, or images/SPLIT and labels/SPLIT (also SPLIT/images, or images and labels alone).

    Without a YAML the class names come from ``classes.txt``, else they are COCO's 80. A missing label file means no
    objects, as in Ultralytics. A polygon (``class x1 y1 x2 y2 x3 y3 …``) is read as its bounding box.

    Raises:
        UserError: neither layout exists, or no such split.
    """
    for name in ("data.yaml", "dataset.yaml", "data.yml"):
        if (root / name).is_file():
            return load_yolo_yaml(root / name, None, split, limit)
    images = _image_folder(root, split)
    names = root / "classes.txt"
    classes: Sequence[str] = COCO_CLASSES
    notes = ["no data.yaml and no classes.txt, so COCO's 80 classes are assumed"]
    if names.is_file():
        classes, notes = [line.strip() for line in read_text(names).splitlines() if line.strip()], []
    folder_name = images.name if images.name != "images" else images.parent.name
    return _load("yolo", split or folder_name, classes, [images], limit, notes)


def load_yolo_yaml(path: Path, root: Path | None, split: str | None, limit: int | None = None) -> DetectionDataset:
    """Load an Ultralytics ``data.yaml``: ``path``, ``names``, and splits: a folder, a .txt list, or a list of these.

    Args:
        path: the YAML.
        root: overrides its ``path``.
        split: None takes ``val``.
        limit: number of images.

    Raises:
        UserError: the file is no such YAML, has no such split, or names missing folders.
    """
    config = read_yaml(path)
    if not isinstance(config, dict) or "names" not in config:
        raise UserError(f"{path} is not a data.yaml; it needs `names` and at least one of train, val, test")
    classes = named_classes(config["names"], path)
    splits = [name for name in ("train", "val", "test") if config.get(name)]
    split = split or "val"
    folders = {Path(config[name]).name: name for name in splits if isinstance(config[name], str)}
    key = split if split in splits else folders.get(split)  # a split may also be named by its folder
    if key is None:
        raise UserError(f"{path} has no split {split!r}{suggest(split, splits)}")
    base = root or path.parent / str(config.get("path") or ".")
    folders_or_lists = config[key] if isinstance(config[key], list) else [config[key]]
    sources = [_source(base, str(each), path, split) for each in folders_or_lists]
    name = path.absolute().parent.name if path.stem in {"data", "dataset"} else path.stem
    return _load(name, split, classes, sources, limit)


def _load(
    name: str,
    split: str,
    classes: Sequence[str],
    sources: Sequence[Path],
    limit: int | None,
    notes: Sequence[str] = (),
) -> DetectionDataset:
    """Build the data set, with a note on images without a label file, which count as background, as in Ultralytics.

    Raises:
        UserError: no image has a label file.
    """
    files = _files(sources)
    dataset = build(name, split, classes, _entries(files, classes), files.problems, limit, [*notes, *files.notes])
    missing = [sample for sample in dataset.samples if not label_file(sample.path).exists()]
    if len(missing) == len(dataset.samples):
        first = label_file(missing[0].path)
        raise UserError(f"no image of {dataset.split} has a label file; expected {first} and so on")
    if not missing:
        return dataset
    note = f"no label file, so background: {pluralize(len(missing), 'image')}, {missing[0].key} first"
    return replace(dataset, notes=(*dataset.notes, note))


def label_file(image: Path) -> Path:
    """Return the label file: the last folder ``images`` becomes ``labels``, the suffix .txt; else beside the image."""
    parts = list(image.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _source(base: Path, name: str, path: Path, split: str) -> Path:
    # Exports of annotation sites write ../train/images for a folder beside the YAML.
    for source in (base / name, base / name.removeprefix("../")):
        if source.exists():
            return source
    raise UserError(f"{path}: {base / name} does not exist; fix `path` and `{split}`, or give --root")


def _image_folder(root: Path, split: str | None) -> Path:
    for name in _DEFAULTS if split is None else (split,):
        for folder in (root / "images" / name, root / name / "images"):
            if folder.is_dir():
                return folder
    flat = root / "images"
    known = sorted(
        {path.name for path in flat.glob("*") if path.is_dir()}
        | {path.parent.name for path in root.glob("*/images") if path.is_dir()}
    )
    if not flat.is_dir() and not known:
        names = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
        raise UserError(f"{root} has no data.yaml, images/ or SPLIT/images/ (found: {names}); give their folder")
    if not known and split is None:
        return flat
    if split is None:
        raise UserError(f"{root}: --split is required ({', '.join(known)}); or give one of these folders as --root")
    fix = suggest(split, known) if known else "; leave --split out, images/ has no subfolders"
    raise UserError(f"{root} has no split {split!r}{fix}")


def _entries(files: ImageFiles, classes: Sequence[str]) -> Iterator[Entry]:
    for key, path in files.images:
        yield Entry(key, path, _reader(label_file(path), classes))


def _files(sources: Sequence[Path]) -> ImageFiles:
    """Find the images; keys are relative to the folder, or to the common folder of several folders or listed files."""
    sources = [Path(os.path.normpath(source.absolute())) for source in sources]
    files = [_images(source) for source in sources]
    paths = [path for each in files for _, path in each.images]
    if len(sources) == 1 and sources[0].is_dir():
        base = sources[0]
    else:
        folders = [source for source in sources if source.is_dir()]
        listed = [path.parent for path in paths if not any(path.is_relative_to(folder) for folder in folders)]
        base = Path(os.path.commonpath([*folders, *listed])) if paths else Path()
    return ImageFiles(
        [(path.relative_to(base).with_suffix("").as_posix(), path) for path in paths],
        [note for each in files for note in each.notes],
        [problem for each in files for problem in each.problems],
    )


def _images(source: Path) -> ImageFiles:
    """Return the images below a folder, or those of a list with one path per line, relative to the list."""
    if source.is_dir():
        return scan_images(source)
    lookup = ImageLookup()
    named = [source.parent / line.strip() for line in read_text(source).splitlines() if line.strip()]
    paths = [Path(os.path.normpath(lookup.find(path) or path)) for path in named]
    return ImageFiles([(path.stem, path) for path in paths], [], [])


def _reader(path: Path, classes: Sequence[str]) -> Callable[[int, int, Report], list[Box]]:
    def read(width: int, height: int, report: Report) -> list[Box]:
        if not path.exists():
            return []
        return read_boxes(path, lambda words: _parse(words, width, height, len(classes)), report)

    return read


def _parse(words: list[str], width: int, height: int, classes: int) -> Box:
    if len(words) != 5 and (len(words) < 7 or len(words) % 2 == 0):
        raise ValueError(f"has {len(words)} fields, a box has 5 (class x y w h), a polygon 7 or more")
    class_id, *values = (float(word) for word in words)
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{' '.join(words[1:5])} is not finite")
    if class_id not in range(classes):
        raise ValueError(f"class {words[0]} is not one of 0…{classes - 1}")
    if min(values[:2] if len(words) == 5 else values) < -_SLACK or max(values) > 1 + _SLACK:
        raise ValueError(f"{' '.join(words[1:5])} is outside [0, 1]; coordinates are fractions of the image")
    if len(words) == 5:
        x, y, w, h = values
        return box_at(int(class_id), (x - w / 2) * width, (y - h / 2) * height, w * width, h * height)
    left, right, top, bottom = min(values[::2]), max(values[::2]), min(values[1::2]), max(values[1::2])
    return box_at(int(class_id), left * width, top * height, (right - left) * width, (bottom - top) * height)
