"""YOLO layout: one text file of ``class x y w h`` (centre and size as fractions of the image) beside each image."""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_yaml
from sgz_bench.core.registry import suggest
from sgz_bench.core.text import pluralize

from ...datasets import named_classes
from ...image_files import ImageFiles
from ...problems import of_files
from ..types import DetectionDataset
from .base import Box, Entry, Report, build, read_boxes
from .yolo_labels import LabelFiles, LabelRows
from .yolo_labels import label_file as label_file
from .yolo_layout import class_names_near, darknet_config, find_images, find_path, image_folder, is_list, yaml_in

_SPLITS = ("train", "val", "test")


def load_yolo(root: Path, split: str | None, limit: int | None = None) -> DetectionDataset:
    """YOLO: a data.yaml, or images/SPLIT and labels/SPLIT (also SPLIT/images, or images and labels alone).

    Darknet's obj.data, as CVAT exports it, is read too, and images with their labels beside them. Without a YAML the
    class names come from ``classes.txt`` or ``obj.names``, else they are COCO's 80. A missing label file means no
    objects, as in Ultralytics. A polygon (``class x1 y1 x2 y2 x3 y3 …``) is read as its bounding box.

    Raises:
        UserError: no such layout exists, or no such split.
    """
    path = yaml_in(root)
    if path is not None:
        return load_yolo_yaml(path, None, split, limit)
    darknet = darknet_config(root)
    if darknet is not None:
        return _load_config(darknet[1], darknet[0], [root], split, limit)
    images = image_folder(root, split)
    classes, notes = class_names_near(root, images)
    name = images.name if images.name.casefold() != "images" else images.parent.name
    return _load("yolo", split or name, LabelRows(classes), find_images([images], root), [images], limit, notes)


def load_yolo_yaml(path: Path, root: Path | None, split: str | None, limit: int | None = None) -> DetectionDataset:
    """Load an Ultralytics ``data.yaml``: ``path``, ``names``, and splits: a folder, a .txt list, or a list of these.

    Paths of another machine or folder are looked for beside the YAML. With ``kpt_shape: [K, D]`` a row of 5 + K·D
    fields is a box with keypoints, as in Ultralytics, and its box is read.

    Args:
        path: the YAML.
        root: overrides its ``path``.
        split: None takes ``val``.
        limit: number of images.

    Raises:
        UserError: the file is no such YAML, has no such split, contradicts itself, or names missing folders.
    """
    config = read_yaml(path)
    if not isinstance(config, dict) or "names" not in config:
        raise UserError(f"{path} is not a data.yaml; it needs `names` and at least one of train, val, test")
    stated = str(config.get("path") or ".")
    beside = [path.parent / stated, path.parent / stated.replace("\\", "/"), path.parent]
    return _load_config(config, path, [root] if root else list(dict.fromkeys(beside)), split, limit)


def _load_config(
    config: Mapping[str, Any], path: Path, bases: Sequence[Path], split: str | None, limit: int | None
) -> DetectionDataset:
    classes = named_classes(config["names"], path)
    _refuse_other_count(config.get("nc"), classes, path)
    rows = LabelRows(classes, _keypoints(config.get("kpt_shape"), path))
    split = split or "val"
    wanted = config[_key(config, split, path)]
    sources, notes = [], []
    for each in wanted if isinstance(wanted, list) else [wanted]:
        source, note = _source(str(each), bases, path, split)
        sources.append(source)
        notes += note
    name = path.absolute().parent.name if path.stem in {"data", "dataset", "obj"} else path.stem
    return _load(name, split, rows, find_images(sources, bases[0]), sources, limit, notes)


def _refuse_other_count(count: object, classes: Sequence[str], path: Path) -> None:
    """Refuse ``nc`` that contradicts ``names``, as Ultralytics does."""
    if count is not None and str(count).removesuffix(".0") != str(len(classes)):
        raise UserError(f"{path}: nc is {count}, but names has {pluralize(len(classes), 'class', 'classes')}; fix one")


def _keypoints(shape: object, path: Path) -> tuple[int, int] | None:
    if shape is None:
        return None
    if isinstance(shape, (list, tuple)) and len(shape) == 2 and all(type(n) is int and 0 < n < 10_000 for n in shape):
        return shape[0], shape[1]
    raise UserError(f"{path}: kpt_shape {shape!r} is not [K, D], the number of keypoints and of values per keypoint")


def _key(config: Mapping[str, Any], split: str, path: Path) -> str:
    """Return the YAML's key of a split, which may also be named by its folder."""
    splits = [name for name in _SPLITS if config.get(name)]
    keys = {"valid": "val"} if "val" in splits else {}
    for name in splits:
        if isinstance(config[name], str):
            parts = PurePosixPath(config[name].replace("\\", "/")).parts
            keys |= dict.fromkeys(parts[-2 if parts[-1:] == ("images",) else -1 :], name)
    key = split if split in splits else keys.get(split)
    if key is None:
        raise UserError(f"{path} has no split {split!r}{suggest(split, splits)}")
    return key


def _source(name: str, bases: Sequence[Path], path: Path, split: str) -> tuple[Path, list[str]]:
    """Return a folder or list of a split, and a note if it is elsewhere than the YAML says."""
    source = find_path(name, bases, least=1)
    if source is None:
        raise UserError(f"{path}: {bases[0] / name} does not exist; fix `path` and `{split}`, or give --root")
    if not source.is_dir() and not is_list(source):
        raise UserError(f"{path}: {source} is neither a folder nor a .txt list of images; fix `{split}`")
    stated = bases[0] / name.replace("\\", "/")
    # Exports of annotation sites write ../train/images for a folder beside the YAML.
    usual = (stated, bases[0] / name.removeprefix("../"))
    elsewhere = not any(each.exists() for each in usual)
    return source, [f"{stated} does not exist; {source} is used"] if elsewhere else []


def _load(
    name: str,
    split: str,
    rows: LabelRows,
    files: ImageFiles,
    sources: Sequence[Path],
    limit: int | None,
    notes: Sequence[str],
) -> DetectionDataset:
    """Build the data set, with a note on images without a label file, which count as background, as in Ultralytics.

    Raises:
        UserError: no image has a label file.
    """
    labels = LabelFiles()
    pictures = [*(path for _, path in files.images), *(Path(problem.where) for problem in files.problems)]
    folders = [source.absolute() for source in sources if source.is_dir()]
    orphans = list(dict.fromkeys(path for folder in folders for path in labels.orphans(pictures, folder)))
    entries = [Entry(key, path, _reader(labels.find(path), rows)) for key, path in files.images]
    without_image = "is a label file without an image; restore the image, or remove the label"
    problems = [*files.problems, *of_files(orphans, without_image)]
    dataset = build(name, split, rows.class_names, entries, problems, limit, [*notes, *files.notes, *labels.notes()])
    missing = [sample for sample in dataset.samples if labels.find(sample.path) is None]
    if len(missing) == len(dataset.samples):
        first = label_file(missing[0].path)
        instead = _what_is_there(orphans, missing[0].path)
        raise UserError(f"no image of {dataset.split} has a label file; expected {first} and so on{instead}")
    remarks = [*dataset.notes, *rows.notes()]
    if missing:
        count = pluralize(len(missing), "image")
        remarks.append(f"no label file, so background: {count}, {missing[0].key} first")
    return replace(dataset, notes=tuple(remarks), problems=(*dataset.problems, *rows.doubts(split)))


def _what_is_there(orphans: Sequence[Path], image: Path) -> str:
    """Describe what there is in place of label files: some with other names, or labels of another layout."""
    if orphans:
        return f"; {pluralize(len(orphans), 'label file')} there have other names, {orphans[0]} first"
    for suffix, fix in ((".xml", "--dataset voc reads Pascal VOC's XML"), (".json", "convert it to YOLO or COCO")):
        if image.with_suffix(suffix).is_file():
            return f"; beside the image is {image.with_suffix(suffix).name}: {fix}"
    root = next((each.parent for each in image.parents if each.name.casefold() == "images"), image.parent)
    named = next(iter(sorted(root.rglob(f"{glob.escape(image.stem)}.txt"))), None)
    return f"; {named} has the first image's name: rename its folder" if named else ""


def _reader(path: Path | None, rows: LabelRows) -> Callable[[int, int, Report], list[Box]]:
    def read(width: int, height: int, report: Report) -> list[Box]:
        if path is None:
            return []
        return read_boxes(path, lambda words: rows.parse(words, width, height), report)

    return read
