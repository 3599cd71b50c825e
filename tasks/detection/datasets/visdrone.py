"""VisDrone2019-DET (Zhu et al. 2021): drone photographs by day and night, ten classes of road users."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_text
from sgz_bench.core.registry import suggest
from sgz_bench.core.text import pluralize

from ...classes import VISDRONE_CLASSES
from ...datasets import read_list
from ...image_files import scan_images
from ..types import DetectionDataset
from .base import Box, Entry, Report, box_at, build, listed_images, orphans

SPLITS = ("train", "val", "test-dev")
OFFICIAL_IMAGES = {"train": 6471, "val": 548, "test-dev": 1610}  # Zhu et al. 2021, table 3
_PREFIX = "VisDrone2019-DET-"
_REGION, _OTHERS = 0, 11


def load_visdrone(root: Path, split: str | None, limit: int | None = None, *, merge: bool = False) -> DetectionDataset:
    """VisDrone: VisDrone2019-DET-SPLIT/images and /annotations, or such a folder itself.

    A line is ``x,y,w,h,score,category,truncation,occlusion`` in pixels. As in the official toolkit, a detection of any
    class in an ignored region (category 0) is neither right nor wrong, so each region is a crowd region of every class;
    boxes of score 0 are crowd regions of their class; category 11, others, is not scored.

    Args:
        root: folder that contains the folders of the splits, or one of them.
        split: ``train``, ``val`` (the default), ``test-dev``, or the path of a .txt of image names of this folder.
        limit: number of images.
        merge: make pedestrian and people one class, person. Without it COCO's person is scored as pedestrian, and
            people, a person who is not upright, is not scored.

    Raises:
        UserError: folders are missing, or no such split.
    """
    base, name = _folder(root, split)
    listed: list[str] | None = None
    if split is not None and split.endswith(".txt"):
        listed, name = read_list(Path(split))
    classes = ("person", *VISDRONE_CLASSES[2:]) if merge else VISDRONE_CLASSES
    files = scan_images(base / "images")
    images = dict(files.images)
    wanted, missing = listed_images(images, listed, "images/")
    problems = [*files.problems, *missing, *orphans(base / "annotations", images, "images/")]
    counts: Counter[str] = Counter()
    entries = [
        Entry(key, images[key], _reader(base / "annotations" / f"{key}.txt", len(classes), counts)) for key in wanted
    ]
    title = "visdrone(merge=true)" if merge else "visdrone"
    dataset = build(title, name, classes, entries, problems, limit, files.notes)
    notes = []
    if counts["regions"]:
        regions = pluralize(counts["regions"], "ignored region")
        notes.append(f"{regions}, each a crowd region of all {len(classes)} classes")
    if counts["ignored"]:
        notes.append(f"{pluralize(counts['ignored'], 'box', 'boxes')} of score 0: crowd regions of their class")
    if counts["others"]:
        notes.append(f"{pluralize(counts['others'], 'box', 'boxes')} of category 11, others: not scored")
    return replace(dataset, notes=(*dataset.notes, *notes), official=OFFICIAL_IMAGES.get(name))


def _folder(root: Path, split: str | None) -> tuple[Path, str]:
    """Return the folder of a split and the split's name."""

    def is_split(path: Path) -> bool:
        return (path / "images").is_dir() and (path / "annotations").is_dir()

    def name_of(path: Path) -> str:
        return path.name.removeprefix(_PREFIX)

    wanted = None if split is None or split.endswith(".txt") else split.removeprefix(_PREFIX)
    wanted = "test-dev" if wanted == "test" else wanted
    if is_split(root):
        own = name_of(root) if name_of(root) in SPLITS else None
        if wanted is not None and wanted != (own or "val"):
            raise UserError(f"{root} is one split, {own or 'val'}; leave --split out, or give the folder above")
        return root, own or "val"
    folders = {name_of(path): path for path in sorted([*root.glob("*/"), *root.glob("*/*/")]) if is_split(path)}
    if not folders:
        names = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
        raise UserError(
            f"{root} has no folder with images/ and annotations/, such as {_PREFIX}val (found: {names}); give the "
            "folder above it as --root"
        )
    if wanted is None:
        wanted = "val" if "val" in folders else next(iter(folders)) if len(folders) == 1 else None
    if wanted is None:
        raise UserError(f"{root}: --split is required ({', '.join(folders)})")
    if wanted not in folders:
        withheld = "; its labels are withheld" if wanted == "test-challenge" else ""
        raise UserError(f"{root} has no split {wanted!r}{withheld}{suggest(wanted, list(folders))}")
    return folders[wanted], wanted


def _reader(path: Path, n_classes: int, counts: Counter[str]) -> Callable[[int, int, Report], list[Box]]:
    def read(_width: int, _height: int, report: Report) -> list[Box]:
        if not path.is_file():
            raise UserError(f"has no label file; expected {path}")
        boxes = []
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            if not line.strip():
                continue
            try:
                boxes += _parse(line, n_classes, counts)
            except ValueError as error:
                report(f"{path}, line {number}", f"{error}; the box is skipped")
        return boxes

    return read


def _parse(line: str, n_classes: int, counts: Counter[str]) -> list[Box]:
    """Return the boxes of a line: one, none for others, and one per class for an ignored region.

    Raises:
        ValueError: the line is no box.
    """
    words = line.strip().rstrip(",").split(",")
    if len(words) != 8:
        raise ValueError(f"has {len(words)} fields, a box has 8 (x,y,w,h,score,category,truncation,occlusion)")
    left, top, width, height, score, category = map(float, words[:6])
    if category not in range(_OTHERS + 1):
        raise ValueError(f"category {words[5]} is not one of 0…11")
    if category == _OTHERS:
        counts["others"] += 1
        return []
    if category == _REGION:
        boxes = [box_at(index, left, top, width, height)._replace(crowd=True) for index in range(n_classes)]
        counts["regions"] += 1
        return boxes
    merged = n_classes < len(VISDRONE_CLASSES)
    class_id = max(int(category) - 1 - merged, 0)
    box = box_at(class_id, left, top, width, height)._replace(crowd=score == 0)
    counts["ignored"] += box.crowd
    return [box]
