"""ExDark (Loh and Chan 2019): 7,363 dark photographs, 12 classes, ten kinds of light.

The data are for non-commercial use, and labels and splits may not be redistributed, so this module only loads them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_text, visible_files
from sgz_bench.core.registry import suggest

from ...classes import EXDARK_CLASSES
from ...datasets import image_stem, read_list
from ...image_files import is_hidden, scan_images
from ...problems import of_files
from ...types import Problem
from ..types import DetectionDataset
from .base import Box, Entry, Report, box_at, build, read_boxes

LIGHTING = ("Low", "Ambient", "Object", "Single", "Weak", "Strong", "Screen", "Window", "Shadow", "Twilight")
PLACES = ("indoor", "outdoor")
SPLITS = ("train", "val", "test")
HEADER = "Name | Class | Light | In/Out | Train/Val/Test"
LABEL_HEADER = "% bbGt version=3"

# Split → attribute → value → images, as published.
OFFICIAL_COUNTS = {
    "test": {"lighting": dict(zip(LIGHTING, (134, 925, 144, 255, 232, 538, 28, 119, 14, 174), strict=True))},
    "all": {"split": {"train": 3000, "val": 1800, "test": 2563}},
}
OFFICIAL_IMAGES = OFFICIAL_COUNTS["all"]["split"] | {"all": 7363}

# Images of the second split in circulation (Cui et al., MAET, ICCV 2021; IAT) → its boxes per class, where known.
SECOND_SPLIT: dict[int, tuple[int, ...]] = {
    1467: (212, 289, 282, 135, 597, 183, 466, 366, 207, 233, 1562, 333),
    5896: (),
}
_DEPTH = 3  # levels below the root at which the folders of an unpacked zip lie
_LABELS = ("exdarkann", "annotation", "groundtruth")
_IMAGES = frozenset({"exdark", "dataset", "exdarkdataset", "exdarkimages", "images"})

_CLASS_IDS = {name.casefold(): index for index, name in enumerate(EXDARK_CLASSES)}


class _Listed(NamedTuple):
    split: str
    attributes: dict[str, str]


def load_exdark(root: Path, split: str | None, limit: int | None = None) -> DetectionDataset:
    """ExDark: ExDark/CLASS/IMAGE, ExDark_Annno/CLASS/IMAGE.txt and imageclasslist.txt in its official layout.

    Splits are ``train``, ``val``, ``test`` (the default) and ``all`` of ``imageclasslist.txt``, or the path of a .txt
    with one image name per line. Such a split is named by the file's stem and a hash of its names, so that its results
    are not confused with those of an official split. In ``all`` and in a list the official split is an attribute.
    The key of an image is its file stem, unique in ExDark. Boxes are kept as written, also beyond the border.

    Raises:
        UserError: folders or the list are missing, or no such split.
    """
    images = _folder(root, lambda name: name in _IMAGES, "ExDark (images in class folders)")
    labels = _folder(root, lambda name: name.startswith(_LABELS), "ExDark_Annno (annotations)")
    listed, remarks = _read_list(root)
    wanted, name = _wanted(root, split or "test", listed)
    images_of = defaultdict(list)
    files = scan_images(images)
    for _, path in files.images:
        images_of[path.stem].append(path)
    texts = [path for path in visible_files(labels, ".txt") if "imageclasslist" not in path.name]
    # By image file name; and by stem, because an enhanced copy of a .jpg is a .png.
    annotations = {key: path for path in texts for key in (image_stem(path.stem), path.stem)}
    entries, problems = [], [*files.problems, *remarks]
    for stem in wanted:
        attributes = dict(listed[stem].attributes) if stem in listed else {}
        if name not in SPLITS and stem in listed:
            attributes["split"] = listed[stem].split
        if stem not in images_of:
            what = f"is in split {name}, but {images.name}/ has no such image (expected {images.name}/CLASS/IMAGE)"
            problems.append(Problem(stem, what, lost=True))
        for path in images_of.get(stem, ()):
            label = annotations.get(path.name) or annotations.get(stem)
            entries.append(Entry(stem, path, _reader(label, path.name, labels), attributes))
    known = {*listed, *wanted}
    unlisted = [path for stem, paths in images_of.items() if stem not in known for path in paths]
    problems += of_files(unlisted, "is not in imageclasslist.txt, so it is in no split")
    orphans = [path for path in texts if not {image_stem(path.stem), path.stem} & {*known, *images_of}]
    problems += of_files(orphans, "is an annotation without an image, and not in the list")
    return build("exdark", name, EXDARK_CLASSES, entries, problems, limit, files.notes)


def _folder(root: Path, fits: Callable[[str], bool], what: str) -> Path:
    """Return the folder in ``root``, or up to three levels below, whose name fits and that holds class folders.

    Letter case, ``_`` and ``-`` in names do not matter. Hidden folders and those of class folders are not entered.
    """
    near = _subfolders(root)
    level = near
    for _ in range(_DEPTH):
        for path in level:
            if fits(re.sub(r"[\W_]", "", path.name.casefold())) and _has_class_folder(path):
                return path
        level = [below for path in level if not _has_class_folder(path) for below in _subfolders(path)]
    names = ", ".join(path.name for path in near[:8]) or "no folder"
    raise UserError(f"{root} has no folder {what}; found: {names}; give the folder above them as --root")


def _subfolders(path: Path) -> list[Path]:
    return sorted(below for below in path.iterdir() if below.is_dir() and not is_hidden(below.name))


def _has_class_folder(path: Path) -> bool:
    return any(below.name.casefold() in _CLASS_IDS for below in _subfolders(path))


def _read_list(root: Path) -> tuple[dict[str, _Listed], list[Problem]]:
    """Read ``imageclasslist.txt`` by image stem: Name, Class, Light 1–10, In/Out 1–2, Train/Val/Test 1–3.

    Rows that contradict an earlier one are reported and skipped.
    A 0 for Light or In/Out, as ``data convert`` writes it, leaves that attribute out.
    """
    patterns = ("imageclasslist*.txt", "*/imageclasslist*.txt", "*/*/imageclasslist*.txt")
    near = (path for pattern in patterns for path in sorted(root.glob(pattern)))
    files = [path for path in near if not any(map(is_hidden, path.relative_to(root).parts))]
    if not files:
        names = ", ".join(sorted(path.name for path in root.iterdir())[:8])
        raise UserError(
            f"{root} has no imageclasslist.txt (found: {names}); it comes with ExDark's annotations, put it into --root"
        )
    listed: dict[str, _Listed] = {}
    problems = []
    for number, line in enumerate(read_text(files[0]).splitlines(), start=1):
        words = line.rsplit(maxsplit=4)  # a name may contain spaces, and commas
        if len(words) < 5 or not all(map(str.isdecimal, words[1:])):
            words = line.replace(",", " ").replace(";", " ").rsplit(maxsplit=4)
        if not words or (number == 1 and not any(map(str.isdecimal, words[1:]))):
            continue
        try:
            name, _class, light, place, split = words
            chosen = {"lighting": _pick(LIGHTING, light, "0"), "place": _pick(PLACES, place, "0")}
            attributes = {key: value for key, value in chosen.items() if value}
            row = _Listed(_pick(SPLITS, split), attributes)
        except ValueError as error:
            raise UserError(
                f"{files[0]}, line {number}: {line.strip()!r} is not NAME CLASS LIGHT IN/OUT SPLIT; restore the file"
            ) from error
        stem = image_stem(name)
        if listed.setdefault(stem, row) != row:
            problems.append(
                Problem(f"{files[0]}, line {number}", f"{stem} is listed before with other values; skipped")
            )
    return listed, problems


def _pick(names: Sequence[str], word: str, none: str | None = None) -> str:
    """Return the name of a number from 1, or an empty text for ``none``."""
    if word == none:
        return ""
    if int(word) < 1 or int(word) > len(names):
        raise ValueError(word)
    return names[int(word) - 1]


def _wanted(root: Path, split: str, listed: Mapping[str, _Listed]) -> tuple[list[str], str]:
    """Return the stems of a split and the split's name in result rows; a list may also lie in the root."""
    if split.lower().endswith(".txt"):
        return read_list(Path(split) if Path(split).is_file() or not (root / split).is_file() else root / split)
    if split == "all":
        return list(listed), split
    if split not in SPLITS:
        known = ", ".join((*SPLITS, "all"))
        raise UserError(f"exdark has no split {split!r}; known: {known}, or the path of a .txt of image names")
    return [stem for stem, row in listed.items() if row.split == split], split


def _reader(path: Path | None, image: str, labels: Path) -> Callable[[int, int, Report], list[Box]]:
    def read(_width: int, _height: int, report: Report) -> list[Box]:
        if path is None:
            expected = f"expected {labels.name}/CLASS/IMAGE.txt"
            raise UserError(f"{image} has no annotation file and is left out; {expected}; restore the file")
        return read_boxes(path, _parse, report)

    return read


def _parse(words: list[str]) -> Box | None:
    """Parse ``Class l t w h …`` (bounding-box ground truth, version 3): corner and size in pixels."""
    if words[0].startswith("%"):
        return None
    if len(words) < 5:
        raise ValueError(f"has {len(words)} fields, a box has at least 5 (Class l t w h)")
    if words[0].casefold() not in _CLASS_IDS:
        raise ValueError(f"class {words[0]!r} is not one of ExDark's 12{suggest(words[0], list(EXDARK_CLASSES))}")
    left, top, width, height = (float(word) for word in words[1:5])
    return box_at(_CLASS_IDS[words[0].casefold()], left, top, width, height)
