"""ExDark (Loh and Chan 2019): 7,363 dark photographs, 12 classes, ten kinds of light.

The data are for non-commercial use and neither labels nor splits may be redistributed, so this is a loader only.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sgz_bench.enhancer.errors import UserError
from sgz_bench.enhancer.registry import suggest

from ...types import DetectionDataset, Problem
from ..classes import EXDARK_CLASSES
from .base import Box, Entry, build, images_in, label_lines

LIGHTING = ("Low", "Ambient", "Object", "Single", "Weak", "Strong", "Screen", "Window", "Shadow", "Twilight")
PLACES = ("indoor", "outdoor")
SPLITS = ("train", "val", "test")
OFFICIAL_COUNTS = {"train": 3000, "val": 1800, "test": 2563, "all": 7363}
OFFICIAL_TEST_LIGHTING = dict(zip(LIGHTING, (134, 925, 144, 255, 232, 538, 28, 119, 14, 174), strict=True))

_CLASS_IDS = {name.casefold(): index for index, name in enumerate(EXDARK_CLASSES)}


class _Listed(NamedTuple):
    split: str
    attributes: dict[str, str]


def load_exdark(root: Path, split: str | None, limit: int | None = None) -> DetectionDataset:
    """ExDark: ExDark/CLASS/IMAGE, ExDark_Annno/CLASS/IMAGE.txt and imageclasslist.txt in its official layout.

    Splits are ``train``, ``val``, ``test`` (the usual one) and ``all`` of ``imageclasslist.txt``, or the path of a .txt
    that names images, one a line; such a split is called by the file's stem and a hash of its names, so that its
    numbers are not mistaken for those of an official one. Boxes are kept as they are written, beyond the border too.

    Raises:
        UserError: folders or the list are not there, or no such split.
    """
    split = split or "test"
    images = _folder(root, lambda name: name in {"exdark", "dataset"}, "ExDark, the images in class folders")
    labels = _folder(
        root, lambda name: name.startswith(("exdark_ann", "annotation", "groundtruth")), "ExDark_Annno, the annotations"
    )
    listed = _read_list(root)
    wanted, name = _wanted(split, listed)
    problems = []
    found = {path.name.partition(".")[0]: (key, path) for key, path in reversed(images_in(images))}
    annotations = {path.name.partition(".")[0]: path for path in sorted(labels.rglob("*.txt"))}
    entries = []
    for stem in wanted:
        if stem not in found:
            problems.append(Problem(stem, f"is in split {name}, but {images.name} has no such image"))
            continue
        _, path = found[stem]
        attributes = listed[stem].attributes if stem in listed else {}
        entries.append(Entry(stem, path, _reader(stem, annotations.get(stem)), attributes))
    return build("exdark", name, EXDARK_CLASSES, entries, problems, limit)


def _folder(root: Path, fits: Callable[[str], bool], what: str) -> Path:
    """The folder in ``root``, or one level below, that has one of a name's spellings and holds class folders."""
    near = sorted(path for path in root.iterdir() if path.is_dir())
    nested = sorted(below for path in near for below in path.iterdir() if below.is_dir())
    for path in [*nested, *near]:  # `Dataset/ExDark` before `Dataset`
        if fits(path.name.casefold()) and _has_class_folder(path):
            return path
    there = ", ".join(path.name for path in near) or "no folder"
    raise UserError(f"{root} holds no folder {what} (found: {there}); give the folder above them as --root")


def _has_class_folder(path: Path) -> bool:
    return any(below.is_dir() and below.name.casefold() in _CLASS_IDS for below in path.iterdir())


def _read_list(root: Path) -> dict[str, _Listed]:
    """Image stem → its row of ``imageclasslist.txt``: Name, Class, Light 1–10, In/Out 1–2, Train/Val/Test 1–3."""
    files = sorted([*root.glob("imageclasslist*.txt"), *root.glob("*/imageclasslist*.txt")])
    if not files:
        raise UserError(f"{root} has no imageclasslist.txt, ExDark's list of splits; it comes with the annotations")
    listed = {}
    for number, line in enumerate(files[0].read_text(encoding="utf-8-sig").splitlines(), start=1):
        words = line.split()
        if not words or (number == 1 and "|" in line):
            continue
        try:
            light, place, split = (int(word) for word in words[2:5])
            attributes = {"lighting": LIGHTING[_index(light, 10)], "place": PLACES[_index(place, 2)]}
            listed[words[0].partition(".")[0]] = _Listed(SPLITS[_index(split, 3)], attributes)
        except ValueError as error:
            raise UserError(
                f"{files[0]}, line {number} is not `Name Class Light In/Out Split`: {line.strip()!r}"
            ) from error
    return listed


def _index(number: int, count: int) -> int:
    if not 1 <= number <= count:
        raise ValueError(number)
    return number - 1


def _wanted(split: str, listed: dict[str, _Listed]) -> tuple[list[str], str]:
    """The stems of a split and the name that its rows carry."""
    if split.endswith(".txt"):
        path = Path(split)
        if not path.is_file():
            raise UserError(f"--split {split}: no such list; give train, val, test, all or an existing .txt")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        stems = sorted({Path(words[0]).name.partition(".")[0] for line in lines if (words := line.split())})
        return stems, f"{path.stem}-{hashlib.sha256(' '.join(stems).encode()).hexdigest()[:8]}"
    if split == "all":
        return list(listed), split
    if split not in SPLITS:
        raise UserError(
            f"exdark has no split {split!r}{suggest(split, [*SPLITS, 'all'])}; or give a .txt of image names"
        )
    return [stem for stem, row in listed.items() if row.split == split], split


def _reader(stem: str, path: Path | None) -> Callable[[int, int, Callable[[str, str], None]], list[Box]]:
    """Reads ``Class l t w h …`` lines of bounding-box ground truth, version 3; l, t, w, h are pixels, w, h sizes."""

    def read(_width: int, _height: int, report: Callable[[str, str], None]) -> list[Box]:
        if path is None:
            report(stem, "has no annotation file; it counts as an image without objects")
            return []
        boxes = []
        for number, words in label_lines(path, report):
            if words[0].startswith("%"):
                continue
            try:
                boxes.append(_parse(words))
            except ValueError as error:
                report(f"{path}, line {number}", f"{error}; the box is passed over")
        return boxes

    return read


def _parse(words: list[str]) -> Box:
    if len(words) < 5:
        raise ValueError(f"has {len(words)} fields, a box has at least 5 (Class l t w h)")
    if words[0].casefold() not in _CLASS_IDS:
        raise ValueError(f"class {words[0]!r} is not one of ExDark's 12{suggest(words[0], list(EXDARK_CLASSES))}")
    left, top, width, height = (float(word) for word in words[1:5])
    if not all(math.isfinite(value) for value in (left, top, width, height)):
        raise ValueError(f"box {' '.join(words[1:5])} is not finite")
    if width <= 0 or height <= 0:
        raise ValueError(f"box {' '.join(words[1:5])} has no positive size")
    return Box(_CLASS_IDS[words[0].casefold()], (left, top, left + width, top + height))
