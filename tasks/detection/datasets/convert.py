"""Conversion of a data set into another layout."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import write_atomic

from ...classes import EXDARK_CLASSES
from ..metrics import coco_truth
from ..types import DetectionDataset, Sample
from .exdark import HEADER, LABEL_HEADER, LIGHTING, PLACES, SPLITS
from .yolo import label_file

Copy = Callable[[Path, Path], object]
Writer = Callable[[DetectionDataset, Path, Copy], list[str]]  # returns notes on what the layout cannot hold


def convert(dataset: DetectionDataset, layout: str, out: Path, *, link: bool = False) -> list[str]:
    """Write images and labels of a split as ``yolo``, ``coco`` or ``exdark``; returns notes on what was lost.

    Args:
        dataset: data set to write.
        layout: YOLO and COCO keep boxes to 1e-6 pixel or better; ExDark's format has whole pixels.
        out: folder that does not exist yet or is empty.
        link: hard-link images instead of copying them.

    Raises:
        UserError: unknown layout, a folder that is in use or cannot be written, or classes that the layout lacks.
    """
    if layout not in _WRITERS:
        raise UserError(f"cannot convert to {layout!r}; choose one of {', '.join(_WRITERS)}")
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UserError(f"{out} exists and is not an empty folder; choose a new one")
        return _WRITERS[layout](dataset, out, os.link if link else shutil.copyfile)
    except OSError as error:
        raise UserError(f"{error.filename2 or error.filename or out} cannot be written: {error.strerror}") from error


def _write_yolo(dataset: DetectionDataset, out: Path, copy: Copy) -> list[str]:
    for sample in dataset.samples:
        image = out / "images" / dataset.split / (sample.key + sample.path.suffix)
        _put(sample, image, copy)
        lines = []
        for class_id, (x1, y1, x2, y2) in _objects(sample):
            w, h = sample.width, sample.height
            fractions = ((x1 + x2) / 2 / w, (y1 + y2) / 2 / h, (x2 - x1) / w, (y2 - y1) / h)
            lines.append(f"{class_id} " + " ".join(f"{value:.12g}" for value in fractions))
        _write_lines(label_file(image), lines)
    # Ultralytics knows only splits of these names.
    split = dataset.split if dataset.split in {"train", "val", "test"} else "val"
    config = {"path": ".", split: f"images/{dataset.split}", "names": dict(enumerate(dataset.class_names))}
    write_atomic(out / "data.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    attributes = sorted({name for sample in dataset.samples for name in sample.attributes})
    notes = [f"this layout has no attributes; left out: {', '.join(attributes)}"] if attributes else []
    if split != dataset.split:
        notes.append(f"the split is called {split!r} in data.yaml")
    return notes + _crowds(dataset)


def _write_coco(dataset: DetectionDataset, out: Path, copy: Copy) -> list[str]:
    for sample in dataset.samples:
        _put(sample, out / dataset.split / (sample.key + sample.path.suffix), copy)
    _write_lines(
        out / "annotations" / f"instances_{dataset.split}.json", [json.dumps(coco_truth(dataset), ensure_ascii=False)]
    )
    return []


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
