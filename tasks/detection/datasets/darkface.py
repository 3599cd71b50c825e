"""DARK FACE (Yang et al. 2020, UG2+ challenge): 6,000 night photographs with labelled faces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_text
from sgz_bench.core.registry import suggest
from sgz_bench.core.text import pluralize

from ...datasets import read_list
from ...image_files import scan_images
from ..types import DetectionDataset
from .base import Box, Entry, Report, box_at, build, listed_images, orphans

CLASSES = ("face",)
OFFICIAL_IMAGES = {"train": 6000}  # Yang et al. 2020, Advancing Image Understanding in Poor Visibility, section 3


def load_darkface(root: Path, split: str | None, limit: int | None = None) -> DetectionDataset:
    """DARK FACE: image/N.png and label/N.txt: the number of faces, then a line ``x1 y1 x2 y2`` in pixels per face.

    Only the training images have labels, so the splits are ``train`` (the default) and the path of a .txt of image
    names. Image sizes come from the files. A number of faces that differs from the lines is reported.

    Raises:
        UserError: folders are missing, or no such split.
    """
    listed: list[str] | None = None
    name = split or "train"
    if name.endswith(".txt"):
        listed, name = read_list(Path(name))
    elif name != "train":
        raise UserError(f"darkface has no split {name!r}{suggest(name, ['train'])}; or give a .txt of image names")
    base = next(
        (path for path in (root, *sorted(root.glob("*/"))) if (path / "image").is_dir() and (path / "label").is_dir()),
        None,
    )
    if base is None:
        names = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
        raise UserError(f"{root} has no folders image/ and label/ (found: {names}); give the folder that contains both")
    files = scan_images(base / "image")
    images = dict(files.images)
    wanted, missing = listed_images(images, listed, "image/")
    problems = [*files.problems, *missing, *orphans(base / "label", images, "image/")]
    entries = [Entry(key, images[key], _reader(base / "label" / f"{key}.txt")) for key in wanted]
    dataset = build("darkface", name, CLASSES, entries, problems, limit, files.notes)
    return replace(dataset, official=OFFICIAL_IMAGES.get(name))


def _reader(path: Path) -> Callable[[int, int, Report], list[Box]]:
    def read(_width: int, _height: int, report: Report) -> list[Box]:
        if not path.is_file():
            raise UserError(f"has no label file; expected {path}")
        rows = [(number, line.split()) for number, line in enumerate(read_text(path).splitlines(), start=1)]
        rows = [(number, words) for number, words in rows if words]
        count = None
        if rows and len(rows[0][1]) == 1:
            count = _whole(rows.pop(0)[1][0])
        if count is None:
            report(str(path), "does not begin with the number of faces; its lines are read")
        elif count != len(rows):
            lines = pluralize(len(rows), "line")
            report(str(path), f"states {pluralize(count, 'face')}, but has {lines}; the lines are read")
        boxes = []
        for number, words in rows:
            try:
                if len(words) != 4:
                    raise ValueError(f"has {len(words)} fields, a face has 4 (x1 y1 x2 y2)")
                x1, y1, x2, y2 = map(float, words)
                boxes.append(box_at(0, x1, y1, x2 - x1, y2 - y1))
            except ValueError as error:
                report(f"{path}, line {number}", f"{error}; the box is skipped")
        return boxes

    return read


def _whole(word: str) -> int | None:
    """Return a whole number, also if written as ``3.0``; None for anything else."""
    try:
        value = float(word)
    except ValueError:
        return None
    return int(value) if value >= 0 and value.is_integer() else None
