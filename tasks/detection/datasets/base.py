"""What the loaders share: finding images, reading labels line by line, building samples."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sgz_bench.enhancer.errors import UserError
from sgz_bench.enhancer.images import IMAGE_SUFFIXES, image_size

from ...types import DetectionDataset, Problem, Sample, Truth


class Box(NamedTuple):
    """One labelled box, xyxy in absolute pixels."""

    class_id: int
    xyxy: tuple[float, float, float, float]
    area: float | None = None  # of the segment, where the data set gives one
    crowd: bool = False


class Entry(NamedTuple):
    """An image before its file was looked at. ``read_boxes(width, height, report)`` reads its labels."""

    key: str
    path: Path
    read_boxes: Callable[[int, int, Callable[[str, str], None]], list[Box]]
    attributes: dict[str, str] = {}  # noqa: RUF012 -- never written to


def build(
    name: str,
    split: str,
    class_names: Sequence[str],
    entries: Iterable[Entry],
    problems: Iterable[Problem] = (),
    limit: int | None = None,
) -> DetectionDataset:
    """A data set from its entries: sorted by key, ids from 1, broken images and labels reported and passed over.

    Args:
        name, split: as the user names them.
        class_names: by class id.
        entries: in any order; of two with one key the first by file name is taken.
        problems: what the loader met on its way.
        limit: take so many entries, evenly spaced over the sorted keys.

    Raises:
        UserError: there is no image at all.
    """
    found = list(problems)
    chosen: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda entry: (entry.key, entry.path.name)):
        if entry.key in chosen:
            found.append(Problem(str(entry.path), f"another image has the name {entry.key!r} too; left out"))
        else:
            chosen[entry.key] = entry
    picked = list(chosen.values())
    partial = limit is not None and limit < len(picked)
    if limit is not None and partial:
        picked = [picked[index * len(picked) // limit] for index in range(limit)]
    samples: list[Sample] = []
    for entry in picked:
        try:
            width, height = image_size(entry.path)
        except UserError as error:
            found.append(Problem(entry.key, str(error)))
            continue
        boxes = entry.read_boxes(width, height, lambda where, what: found.append(Problem(where, what)))
        truth = _truth(boxes)
        samples.append(Sample(len(samples) + 1, entry.key, entry.path, width, height, truth, entry.attributes))
    if not samples:
        reason = f": {found[0]}" if found else ""
        raise UserError(f"{name}, split {split}, has no image that can be read{reason}; check --root and --split")
    return DetectionDataset(name, split, tuple(class_names), tuple(samples), tuple(found), partial)


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


def images_in(folder: Path) -> list[tuple[str, Path]]:
    """(key, path) of every image below a folder, sorted; the key is the relative POSIX path without suffix."""
    return [
        (path.relative_to(folder).with_suffix("").as_posix(), path)
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    ]


def with_any_suffix(path: Path) -> Path | None:
    """The file itself, or one of its stem with another image suffix: an enhanced copy is a .png of a .jpg."""
    if path.is_file():
        return path
    others = (path.with_suffix(suffix) for suffix in sorted(IMAGE_SUFFIXES))
    return next((other for other in others if other.is_file()), None)


def label_lines(path: Path, report: Callable[[str, str], None]) -> list[tuple[int, list[str]]]:
    """(line number, words) of every line that is not blank; a file that is no text is reported and gives none."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        report(str(path), "is not a text file; its labels are passed over")
        return []
    except OSError as error:
        report(str(path), f"cannot be read ({error.strerror}); its labels are passed over")
        return []
    return [(number, line.split()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]


def fingerprint(dataset: DetectionDataset) -> str:
    """sha256 (hex) over class names and, for every sample, key, image bytes, size, boxes, classes, attributes."""

    def of(sample: Sample) -> bytes:
        digest = hashlib.sha256(sample.path.read_bytes())
        truth = sample.truth
        for array in (truth.boxes, truth.class_ids, truth.areas, truth.crowd):
            digest.update(np.ascontiguousarray(array).tobytes())
        facts = [sample.key, sample.width, sample.height, sorted(sample.attributes.items())]
        digest.update(json.dumps(facts).encode())
        return digest.digest()

    whole = hashlib.sha256(json.dumps(dataset.class_names).encode())
    with ThreadPoolExecutor(4) as pool:
        for each in pool.map(of, dataset.samples):
            whole.update(each)
    return whole.hexdigest()
