"""Folders and splits of Pascal VOC's layout and of its relatives: LLVIP, RTTS, CVAT, Roboflow, Label Studio."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_text, visible_files
from sgz_bench.core.registry import suggest

from ...datasets import read_list
from ...image_files import is_hidden

MODALITIES = ("visible", "infrared")
_LABELS = frozenset({"annotations", "annotation", "xml", "xmls"})
_IMAGES = frozenset({"jpegimages", "images", "image", "imgs"})
_DEFAULTS = ("val", "valid", "test")  # splits to try if none is given
_SPLIT_NAME = re.compile(r"(train|val|test|dev$)", re.IGNORECASE)


class Layout(NamedTuple):
    """Folders and images of a split.

    Attributes:
        images, labels: folders of the images and of the XML files of the whole data set.
        below: folder of the split's images; keys are relative to it.
        split: name of the split.
        listed: names of its images; None takes all images of ``below``.
        known: folder of a published data set, for its counts.
    """

    images: Path
    labels: Path
    below: Path
    split: str
    listed: Sequence[str] | None
    known: str


def _subfolder(folder: Path, names: Iterable[str]) -> Path | None:
    wanted = set(names)
    return next((path for path in _folders(folder) if path.name.casefold() in wanted), None)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not is_hidden(path.name))


def _has_xml(folder: Path) -> bool:
    return any(path.suffix.lower() == ".xml" and not is_hidden(path.name) for path in folder.iterdir())


def _base(root: Path, split: str | None) -> tuple[Path, str | None]:
    """Return the folder that has a folder of annotations, and the split if its name is one."""
    near = _folders(root)
    for level in ([root], near, [path for each in near for path in _folders(each)]):
        bases = [path for path in level if (labels := _subfolder(path, _LABELS)) and visible_files(labels, ".xml")]
        splits = [path for path in bases if path != root and _SPLIT_NAME.match(path.name)]
        if splits and len(splits) == len(bases):
            name = _choose(root, split, [path.name for path in splits])
            return next(path for path in splits if path.name == name), name
        if len(bases) > 1:
            raise UserError(f"{root} has several data sets: {', '.join(path.name for path in bases)}; give one as root")
        if bases:
            return bases[0], None
    return root, None


def find_layout(root: Path, split: str | None, modality: str | None) -> Layout:
    """Return the folders and images of a split; ``modality`` chooses LLVIP's folder of images.

    Raises:
        UserError: no such layout or split.
    """
    base, folder = _base(root, split)
    labels = _subfolder(base, _LABELS)
    if labels is None:
        return _beside(base, split)
    names = {modality or "visible"} if _subfolder(base, MODALITIES) else _IMAGES
    images = _subfolder(base, names)
    if images is None:
        there = ", ".join(path.name for path in _folders(base)[:8])
        raise UserError(f"{base} has {labels.name}/ but none of JPEGImages/, images/, visible/ (found: {there})")
    known = "LLVIP" if names <= set(MODALITIES) else base.name
    if split is not None and split.endswith(".txt"):
        _, name = read_list(Path(split))
        return Layout(images, labels, images, name, _listed(Path(split)), known)
    if folder is not None:
        return Layout(images, labels, images, folder, None, known)
    lists = _lists(base)
    if lists:
        name = split if split in lists else _choose(base, split, _without_classes(lists))
        return Layout(images, labels, images, name, _listed(lists[name]), known)
    splits = [path.name for path in _folders(images) if _SPLIT_NAME.match(path.name)]
    if splits:
        name = _choose(images, split, splits)
        return Layout(images, labels, images / name, name, None, known)
    return Layout(images, labels, images, _choose(base, split, ["all"]), None, known)


def _beside(root: Path, split: str | None) -> Layout:
    """Return the layout of XML files beside their images, in a folder per split or in one folder."""
    splits = [path.name for path in _folders(root) if _has_xml(path)]
    if splits:
        name = _choose(root, split, splits)
        return Layout(root / name, root / name, root / name, name, None, "")
    if not _has_xml(root):
        names = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
        raise UserError(
            f"{root} has no XML annotations: neither Annotations/ with JPEGImages/, nor XML files beside images "
            f"(found: {names}); give the folder that contains them as --root"
        )
    if split is not None and split.endswith(".txt"):
        _, name = read_list(Path(split))
        return Layout(root, root, root, name, _listed(Path(split)), "")
    return Layout(root, root, root, _choose(root, split, ["all"]), None, "")


def _choose(folder: Path, split: str | None, known: Sequence[str]) -> str:
    if split is None:
        split = next((name for name in _DEFAULTS if name in known), known[0] if len(known) == 1 else None)
        if split is None:
            raise UserError(f"{folder}: --split is required ({', '.join(known)})")
    if split not in known:
        raise UserError(f"{folder} has no split {split!r}{suggest(split, list(known))}")
    return split


def _lists(base: Path) -> dict[str, Path]:
    """Return the lists of ImageSets/Main by name."""
    sets = _subfolder(base, {"imagesets"})
    if sets is None:
        return {}
    folder = _subfolder(sets, {"main"}) or sets
    return {path.stem: path for path in visible_files(folder, ".txt") if path.parent == folder}


def _without_classes(lists: Mapping[str, Path]) -> list[str]:
    """Return the names of lists without VOC's lists of single classes (``car_val`` beside ``val``)."""
    return sorted(name for name in lists if "_" not in name or name.rpartition("_")[2] not in lists)


def _listed(path: Path) -> list[str]:
    """Return the image names of a list, without suffix, in its order.

    Raises:
        UserError: the file cannot be read, or is a list of one class with a flag per image.
    """
    lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    flags = {line.rpartition(" ")[2] for line in lines}
    if "-1" in flags and flags <= {"-1", "0", "1"}:
        raise UserError(f"{path} lists one class with a flag per image; give a list of image names, such as val")
    return list(dict.fromkeys(line.strip('"').replace("\\", "/") for line in lines))
