"""ExDark (Loh and Chan 2019): 7,363 dark photographs, 12 classes, ten kinds of light.

The data are for non-commercial use, and labels and splits may not be redistributed, so this module only loads them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_text
from sgz_bench.core.registry import suggest

from ...classes import EXDARK_CLASSES
from ...datasets import image_stem, read_list
from ...image_files import scan_images
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
    images = _folder(root, lambda name: name in {"exdark", "dataset"}, "ExDark (images in class folders)")
    is_labels = ("exdark_ann", "annotation", "groundtruth")
    labels = _folder(root, lambda name: name.startswith(is_labels), "ExDark_Annno (annotations)")
    listed = _read_list(root)
    wanted, name = _wanted(split or "test", listed)
    images_of = defaultdict(list)
    files = scan_images(images)
    for _, path in files.images:
        images_of[path.stem].append(path)
    # By image file name; and by stem, because an enhanced copy of a .jpg is a .png.
    annotations = {key: path for path in sorted(labels.rglob("*.txt")) for key in (image_stem(path.stem), path.stem)}
    entries, problems = [], list(files.problems)
    for stem in wanted:
        attributes = dict(listed[stem].attributes) if stem in listed else {}
        if name not in SPLITS and stem in listed:
            attributes["split"] = listed[stem].split
        if stem not in images_of:
            problems.append(
                Problem(
                    stem,
                    f"is in split {name}, but {images.name}/ has no such image; expected {images.name}/CLASS/IMAGE",
                    lost=True,
                )
            )
        for path in images_of.get(stem, ()):
            label = annotations.get(path.name) or annotations.get(stem)
            entries.append(Entry(stem, path, _reader(label, path.name), attributes))
    return build("exdark", name, EXDARK_CLASSES, entries, problems, limit, files.notes)


def _folder(root: Path, fits: Callable[[str], bool], what: str) -> Path:
    """Return the folder in ``root``, or one level below, whose name fits and that holds class folders."""
    near = sorted(path for path in root.iterdir() if path.is_dir())
    nested = sorted(below for path in near for below in path.iterdir() if below.is_dir())
    for path in [*near, *nested]:
        if fits(path.name.casefold()) and _has_class_folder(path):
            return path
    names = ", ".join(path.name for path in near[:8]) or "no folder"
    raise UserError(f"{root} has no folder {what}; found: {names}; give the folder above them as --root")


def _has_class_folder(path: Path) -> bool:
    return any(below.is_dir() and below.name.casefold() in _CLASS_IDS for below in path.iterdir())


def _read_list(root: Path) -> dict[str, _Listed]:
    """Read ``imageclasslist.txt`` by image stem: Name, Class, Light 1–10, In/Out 1–2, Train/Val/Test 1–3.

    A 0 for Light or In/Out, as ``data convert`` writes it, leaves that attribute out.
    """
    files = sorted([*root.glob("imageclasslist*.txt"), *root.glob("*/imageclasslist*.txt")])
    if not files:
        names = ", ".join(sorted(path.name for path in root.iterdir())[:8])
        raise UserError(
            f"{root} has no imageclasslist.txt (found: {names}); it comes with ExDark's annotations, put it into --root"
        )
    listed = {}
    for number, line in enumerate(read_text(files[0]).splitlines(), start=1):
        words = line.rsplit(maxsplit=4)  # a name may contain spaces
        if not words or (number == 1 and "|" in line):
            continue
        try:
            name, _class, light, place, split = words
            chosen = {"lighting": _pick(LIGHTING, light, "0"), "place": _pick(PLACES, place, "0")}
            attributes = {key: value for key, value in chosen.items() if value}
            listed[image_stem(name)] = _Listed(_pick(SPLITS, split), attributes)
        except ValueError as error:
            raise UserError(
                f"{files[0]}, line {number}: {line.strip()!r} is not NAME CLASS LIGHT IN/OUT SPLIT; restore the file"
            ) from error
    return listed


def _pick(names: Sequence[str], word: str, none: str | None = None) -> str:
    """Return the name of a number from 1, or an empty text for ``none``."""
    if word == none:
        return ""
    if int(word) < 1 or int(word) > len(names):
        raise ValueError(word)
    return names[int(word) - 1]


def _wanted(split: str, listed: Mapping[str, _Listed]) -> tuple[list[str], str]:
    """Return the stems of a split and the split's name in result rows."""
    if split.endswith(".txt"):
        return read_list(Path(split))
    if split == "all":
        return list(listed), split
    if split not in SPLITS:
        known = ", ".join((*SPLITS, "all"))
        raise UserError(f"exdark has no split {split!r}; known: {known}, or the path of a .txt of image names")
    return [stem for stem, row in listed.items() if row.split == split], split


def _reader(path: Path | None, image: str) -> Callable[[int, int, Report], list[Box]]:
    def read(_width: int, _height: int, report: Report) -> list[Box]:
        if path is None:
            raise UserError(f"{image} has no annotation file and is left out; restore the file")
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
