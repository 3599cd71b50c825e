"""Code shared by the loaders: box files, samples, fingerprints."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import file_sha256, read_text
from sgz_bench.core.images import image_size
from sgz_bench.core.text import pluralize

from ...datasets import choose, fingerprint_of, nothing_to_read, refuse_twins, size_notes
from ...image_files import is_hidden
from ...types import Problem
from ..doubts import implausible
from ..types import DetectionDataset, Sample, Truth

_MANY_REPEATS = 0.1  # share of the labels above which repeats are no accident


class Box(NamedTuple):
    """One labelled box, xyxy in absolute pixels."""

    class_id: int
    xyxy: tuple[float, float, float, float]
    area: float | None = None  # of the segment, if the data set has it
    crowd: bool = False


Report = Callable[[str, str], None]  # where, what: a skipped label


class Entry(NamedTuple):
    """An image whose file has not been read yet.

    ``read_boxes(width, height, report)`` reads its labels. It raises UserError if they cannot be known; the image is
    then left out, because an image with unknown objects must not be scored as one without objects.
    """

    key: str
    path: Path
    read_boxes: Callable[[int, int, Report], list[Box]]
    attributes: dict[str, str] = {}  # noqa: RUF012 -- never written to


def build(
    name: str,
    split: str,
    class_names: Sequence[str],
    entries: Iterable[Entry],
    problems: Iterable[Problem] = (),
    limit: int | None = None,
    notes: Iterable[str] = (),
) -> DetectionDataset:
    """Build a data set from its entries: sorted by key, ids from 1; damaged images and labels are reported and skipped.

    Exact repeats of a box (class, corners, area, crowd) are dropped with a note, as in Ultralytics. Truth that is
    implausible as a whole is reported.

    Args:
        name, split: as the user names them.
        class_names: by class id.
        entries: in any order; of two with the same key the first by path is taken.
        problems: faults that the loader met.
        limit: number of entries, evenly spaced over the sorted keys.
        notes: remarks of the loader that are no faults.

    Raises:
        UserError: no image is usable.
    """
    refuse_twins(name, class_names)
    picked, twins, partial = choose(entries, limit)
    reported = [*problems, *twins]
    samples: list[Sample] = []
    repeats: list[str] = []  # key of the image, once per repeated box
    for entry in picked:
        try:
            width, height = image_size(entry.path)
            boxes = entry.read_boxes(width, height, lambda where, what: reported.append(Problem(where, what)))
        except UserError as error:
            reported.append(Problem(entry.key, str(error), lost=True))
            continue
        unique = list(dict.fromkeys(boxes))
        repeats += [entry.key] * (len(boxes) - len(unique))
        truth = _truth(unique)
        samples.append(Sample(len(samples) + 1, entry.key, entry.path, width, height, truth, entry.attributes))
    if not samples:
        raise nothing_to_read(name, split, reported)
    reported += implausible(split, samples)
    remarks = [*notes, *_repeat_notes(repeats, samples), *size_notes(samples)]
    return DetectionDataset(
        name, split, tuple(class_names), tuple(samples), tuple(reported), tuple(remarks), partial=partial
    )


def _repeat_notes(repeats: Sequence[str], samples: Sequence[Sample]) -> list[str]:
    if not repeats:
        return []
    rows = len(repeats) + sum(len(sample.truth) for sample in samples)
    note = f"exact repeats of a label dropped: {len(repeats)} of {pluralize(rows, 'label')}, {repeats[0]} first"
    many = len(repeats) > _MANY_REPEATS * rows
    return [f"{note}; more than a tenth, check how the labels were merged" if many else note]


def _truth(boxes: Sequence[Box]) -> Truth:
    xyxy = np.array([box.xyxy for box in boxes], dtype=np.float64).reshape(-1, 4)
    sides = xyxy[:, 2:] - xyxy[:, :2]
    areas = [side if box.area is None else box.area for box, side in zip(boxes, sides.prod(axis=1), strict=True)]
    return Truth(
        xyxy,
        np.array([box.class_id for box in boxes], dtype=np.int64),
        np.array(areas, dtype=np.float64),
        np.array([box.crowd for box in boxes], dtype=bool),
    )


def read_boxes(path: Path, parse: Callable[[list[str]], Box | None], report: Report) -> list[Box]:
    """Read one box per line.

    Args:
        path: text file.
        parse: parser of a line's words; None means no box, a ValueError is reported and the box skipped.
        report: called with each skipped box.

    Raises:
        UserError: the file cannot be read, or is not text.
    """
    boxes = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        try:
            box = parse(line.split()) if line.strip() else None
        except ValueError as error:
            report(f"{path}, line {number}", f"{error}; the box is skipped")
        else:
            boxes += [box] if box else []
    return boxes


def orphans(folder: Path, keys: Container[str], images: str) -> list[Problem]:
    """Return a problem per .txt in a folder whose name is not among the keys of the images.

    Args:
        folder: folder of label files.
        keys: of the images.
        images: name of their folder, for the message.
    """
    labels = sorted(path for path in folder.glob("*.txt") if not is_hidden(path.name))
    return [
        Problem(str(path), f"has no image in {images}; its boxes are not used")
        for path in labels
        if path.stem not in keys
    ]


def listed_images(
    images: Mapping[str, Path], listed: Sequence[str] | None, folder: str
) -> tuple[list[str], list[Problem]]:
    """Return the keys of a list that have an image, all keys without a list; and a problem per key that has none.

    Args:
        images: by key.
        listed: keys of a split list; None for all images.
        folder: name of the images' folder, for the message.
    """
    if listed is None:
        return list(images), []
    missing = f"is in the list, but {folder} has no such image"
    problems = [Problem(key, missing, lost=True) for key in listed if key not in images]
    return [key for key in listed if key in images], problems


def box_at(class_id: int, left: float, top: float, width: float, height: float, area: float | None = None) -> Box:
    """Return a box from its corner and size in pixels; it may extend beyond the image.

    Raises:
        ValueError: a number is not finite, or a side not positive.
    """
    if not all(map(math.isfinite, (left, top, width, height, area or 0))):
        raise ValueError(f"box {left:g} {top:g} {width:g} {height:g} is not finite")
    if width <= 0 or height <= 0:
        raise ValueError(f"box of {width:g} × {height:g} has no positive size")
    return Box(class_id, (left, top, left + width, top + height), area)


def fingerprint(dataset: DetectionDataset) -> str:
    """Return the sha256 (hex) over class names and every sample's key, image bytes, size, boxes, classes, attributes.

    Raises:
        UserError: an image can no longer be read.
    """

    def facts(sample: Sample) -> list[Any]:
        truth = sample.truth
        images = [file_sha256(path) for path in (sample.path, sample.bright) if path]
        labels = [array.tolist() for array in (truth.boxes, truth.class_ids, truth.areas, truth.crowd)]
        return [sample.key, *images, sample.width, sample.height, *labels, sorted(sample.attributes.items())]

    return fingerprint_of(dataset.class_names, dataset.samples, facts)
