"""Conversion of a data set into another layout."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import write_atomic
from sgz_bench.core.text import pluralize

from ...classes import EXDARK_CLASSES
from ..metrics import coco_truth
from ..types import DetectionDataset, Sample
from .exdark import HEADER, LABEL_HEADER, LIGHTING, PLACES, SPLITS
from .yolo import label_file

Copy = Callable[[Path, Path], object]
Writer = Callable[[DetectionDataset, Path, Copy], list[str]]  # returns notes on what the layout cannot hold

_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK}
_SLACK = 1e-9  # of the image's side; a YOLO box beyond the image is not read again


def convert(dataset: DetectionDataset, layout: str, out: Path, *, link: bool = False) -> list[str]:
    """Write images and labels of a split as ``yolo``, ``coco`` or ``exdark``; returns notes on what was lost.

    Ids of a data set that was read from COCO JSON are kept in COCO JSON; otherwise images and classes are numbered from
    1, and a note says so.

    Args:
        dataset: data set to write.
        layout: YOLO and COCO keep boxes to 1e-6 pixel or better; ExDark's format has whole pixels.
        out: folder that does not exist yet or is empty.
        link: hard-link images instead of copying them.

    Raises:
        UserError: unknown layout, a folder that is in use, lies among the images or cannot be written, or classes that
            the layout lacks.
    """
    if layout not in _WRITERS:
        raise UserError(f"cannot convert to {layout!r}; choose one of {', '.join(_WRITERS)}")
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UserError(f"{out} exists and is not an empty folder; choose a new one")
        _refuse_inside(dataset, out)
        return _WRITERS[layout](dataset, out, os.link if link else shutil.copyfile)
    except OSError as error:
        if link and error.errno in _NO_LINKS:
            raise UserError(
                f"{error.filename2 or out} cannot be a hard link ({error.strerror}): links need one file system that"
                " has them; leave --link out to copy, into a new folder"
            ) from error
        raise UserError(f"{error.filename2 or error.filename or out} cannot be written: {error.strerror}") from error


def _refuse_inside(dataset: DetectionDataset, out: Path) -> None:
    """Refuse a target below the images, where the data set itself would list the copies.

    Raises:
        UserError: names both folders.
    """
    target = out.resolve()
    for folder in {sample.path.parent.resolve() for sample in dataset.samples}:
        if target.is_relative_to(folder):
            raise UserError(f"{out} lies among the images of the data set, in {folder}; choose a folder outside")


def _write_yolo(dataset: DetectionDataset, out: Path, copy: Copy) -> list[str]:
    clipped = outside = 0
    for sample in dataset.samples:
        image = out / "images" / dataset.split / (sample.key + sample.path.suffix)
        _put(sample, image, copy)
        lines = []
        w, h = sample.width, sample.height
        for class_id, box in _objects(sample):
            x1, y1, x2, y2 = _within(box, w, h)
            clipped += (x1, y1, x2, y2) != box
            if x2 <= x1 or y2 <= y1:
                outside += 1
                continue
            fractions = ((x1 + x2) / 2 / w, (y1 + y2) / 2 / h, (x2 - x1) / w, (y2 - y1) / h)
            lines.append(f"{class_id} " + " ".join(f"{value:.12g}" for value in fractions))
        _write_lines(label_file(image), lines)
    # Ultralytics knows only splits of these names.
    split = dataset.split if dataset.split in {"train", "val", "test"} else "val"
    config = {"path": ".", split: f"images/{dataset.split}", "names": dict(enumerate(dataset.class_names))}
    write_atomic(out / "data.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    attributes = sorted({name for sample in dataset.samples for name in sample.attributes})
    notes = [f"this layout has no attributes; left out: {', '.join(attributes)}"] if attributes else []
    if clipped:
        notes.append(f"this layout has no box beyond the image; cut at its border: {clipped}")
    if outside:
        notes.append(f"boxes that lie outside their images were left out: {outside}")
    if dataset.source is not None and not _consecutive(dataset.source.categories):
        first, last = dataset.source.categories[0], dataset.source.categories[-1]
        count = len(dataset.class_names) - 1
        notes.append(f"this layout numbers classes from 0 without gaps; category ids {first}…{last} became 0…{count}")
    if split != dataset.split:
        notes.append(f"the split is called {split!r} in data.yaml")
    return notes + _crowds(dataset)


def _write_coco(dataset: DetectionDataset, out: Path, copy: Copy) -> list[str]:
    for sample in dataset.samples:
        _put(sample, out / dataset.split / (sample.key + sample.path.suffix), copy)
    truth = coco_truth(dataset)
    notes = _keep_ids(dataset, truth)
    try:
        text = json.dumps(truth, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise UserError(
            f"{dataset.name} has a box that is not finite, which JSON cannot hold; fix its labels"
        ) from error
    _write_lines(out / "annotations" / f"instances_{dataset.split}.json", [text])
    return notes


def _keep_ids(dataset: DetectionDataset, truth: dict[str, Any]) -> list[str]:
    """Give COCO truth the ids of the file that the data set was read from; return notes on what is not kept."""
    source = dataset.source
    if source is None:
        return ["images are numbered from 1 in the order of their names; category ids are class ids + 1"]
    image_ids = {sample.id: source.images[sample.key] for sample in dataset.samples}
    for image in truth["images"]:
        image["id"] = image_ids[image["id"]]
    for annotation in truth["annotations"]:
        annotation["image_id"] = image_ids[annotation["image_id"]]
        annotation["category_id"] = source.categories[annotation["category_id"] - 1]
    for category in truth["categories"]:
        category["id"] = source.categories[category["id"] - 1]
    others = [name for name in source.left_out if name != "id"]
    notes = [f"fields of annotations that were left out: {', '.join(others)}"] if others else []
    if "id" in source.left_out:
        notes.insert(0, "ids of images and categories are kept; annotations are numbered from 1")
    return notes


def _write_exdark(dataset: DetectionDataset, out: Path, copy: Copy) -> list[str]:
    unknown = [name for name in dataset.class_names if name not in EXDARK_CLASSES]
    if unknown:
        raise UserError(f"ExDark's layout has no class {unknown[0]!r}; its classes are {', '.join(EXDARK_CLASSES)}")
    if dataset.split not in SPLITS:
        raise UserError(f"ExDark's layout has no split {dataset.split!r}; name the split one of {', '.join(SPLITS)}")
    files: dict[str, Sample] = {}
    for sample in dataset.samples:
        stem = sample.key.replace("/", "_")
        if stem in files:
            raise UserError(f"{sample.key} and {files[stem].key} would both be {stem} in ExDark's layout; rename one")
        files[stem] = sample
    rows, rounded = [HEADER], False
    for stem, sample in files.items():
        objects = [(dataset.class_names[class_id], box) for class_id, box in _objects(sample)]
        folder = objects[0][0] if objects else EXDARK_CLASSES[0]
        name = stem + sample.path.suffix
        _put(sample, out / "ExDark" / folder / name, copy)
        lines = [LABEL_HEADER]
        for class_name, box in objects:
            left, top, right, bottom = (round(side) for side in box)
            rounded |= box != (left, top, right, bottom)
            size = f"{max(right - left, 1)} {max(bottom - top, 1)}"
            lines.append(f"{class_name} {left} {top} {size} 0 0 0 0 0 0 0")
        _write_lines(out / "ExDark_Annno" / folder / f"{name}.txt", lines)
        light = _number(LIGHTING, sample.attributes.get("lighting"))
        place = _number(PLACES, sample.attributes.get("place"))
        rows.append(f"{name} {EXDARK_CLASSES.index(folder) + 1} {light} {place} {SPLITS.index(dataset.split) + 1}")
    _write_lines(out / "imageclasslist.txt", rows, end="\r\n")
    notes = ["boxes were rounded to whole pixels"] if rounded else []
    flat = [sample.key for stem, sample in files.items() if stem != sample.key]
    if flat:
        notes.append(f"names with folders were joined by _: {pluralize(len(flat), 'image')}, {flat[0]} first")
    known = {"lighting": LIGHTING, "place": PLACES, "split": SPLITS}
    lost = {n for s in dataset.samples for n, value in s.attributes.items() if value not in known.get(n, ())}
    if lost:
        notes.append(f"this layout has light and place alone, of fixed values; left out: {', '.join(sorted(lost))}")
    if any(" 0 " in row for row in rows):
        notes.append("light or place is 0 in imageclasslist.txt where it is unknown")
    return notes + _crowds(dataset)


_WRITERS: dict[str, Writer] = {"yolo": _write_yolo, "coco": _write_coco, "exdark": _write_exdark}


def _objects(sample: Sample) -> Iterator[tuple[int, tuple[float, ...]]]:
    """Yield class id and box of every object, without crowd regions."""
    truth = sample.truth
    for class_id, box, crowd in zip(truth.class_ids.tolist(), truth.boxes.tolist(), truth.crowd, strict=True):
        if not crowd:
            yield class_id, tuple(box)


def _within(box: tuple[float, ...], width: int, height: int) -> tuple[float, ...]:
    """Return a box cut at the border of its image; unchanged if it extends beyond by rounding alone."""
    x1, y1, x2, y2 = box
    if x1 >= -_SLACK * width and y1 >= -_SLACK * height and x2 <= (1 + _SLACK) * width and y2 <= (1 + _SLACK) * height:
        return box
    return max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))


def _consecutive(ids: tuple[int | str, ...]) -> bool:
    return any(list(ids) == list(range(start, start + len(ids))) for start in (0, 1))


def _crowds(dataset: DetectionDataset) -> list[str]:
    crowds = sum(int(sample.truth.crowd.sum()) for sample in dataset.samples)
    return [f"this layout has no crowd regions; left out: {crowds}"] if crowds else []


def _number(names: tuple[str, ...], value: str | None) -> int:
    return names.index(value) + 1 if value in names else 0


def _put(sample: Sample, target: Path, copy: Copy) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    copy(sample.path, target)


def _write_lines(path: Path, lines: list[str], end: str = "\n") -> None:
    write_atomic(path, "".join(line + end for line in lines))
