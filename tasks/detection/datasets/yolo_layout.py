"""Folders, lists and class names of YOLO data sets, as Ultralytics, Darknet and annotation sites lay them out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import YAML_SUFFIXES, read_text, read_yaml
from sgz_bench.core.images import IMAGE_SUFFIXES
from sgz_bench.core.registry import suggest

from ...classes import COCO_CLASSES
from ...image_files import ImageFiles, ImageLookup, is_hidden, scan_images
from .yolo_labels import label_file

_YAMLS = ("data.yaml", "dataset.yaml", "data.yml")
_CLASS_FILES = ("classes.txt", "obj.names", "_darknet.labels")
T = TypeVar("T")
_LISTS = frozenset({".txt", ".lst", ".list"})
_DEFAULTS = ("val", "valid", "test")  # splits to try if none is given


def yaml_in(root: Path) -> Path | None:
    """Return the data.yaml of a folder, or the only other YAML there that names classes and splits.

    Raises:
        UserError: several YAMLs do.
    """
    for name in _YAMLS:
        if (root / name).is_file():
            return root / name
    others = [path for path in sorted(root.iterdir()) if path.suffix.lower() in YAML_SUFFIXES and path.is_file()]
    fitting = [path for path in others if not is_hidden(path.name) and _is_config(path)]
    if len(fitting) > 1:
        names = ", ".join(path.name for path in fitting)
        raise UserError(f"{root} has no data.yaml but several others ({names}); give one of them as --dataset")
    return fitting[0] if fitting else None


def _is_config(path: Path) -> bool:
    """Return True for a YAML with class names and splits, and False for another one, also if it is damaged."""
    try:
        content = read_yaml(path)
    except UserError:
        return False
    return isinstance(content, dict) and "names" in content and bool({"train", "val", "test"} & set(content))


def darknet_config(root: Path) -> tuple[Path, dict[str, Any]] | None:
    """Return Darknet's ``obj.data`` of a folder, as CVAT exports it, with the keys of a data.yaml; None without one.

    Raises:
        UserError: it names no file of class names.
    """
    files = [path for path in (root / "obj.data", root / "data/obj.data") if path.is_file()]
    if not files:
        return None
    pairs = (line.partition("=") for line in read_text(files[0]).splitlines() if "=" in line)
    given = {key.strip().lower(): value.strip() for key, _, value in pairs}
    names = find_path(given.get("names", ""), [root, files[0].parent], least=1)
    if names is None or not names.is_file():
        raise UserError(f"{files[0]}: names = {given.get('names', '')!r} is no file; put obj.names beside it")
    config: dict[str, Any] = {"names": read_class_names(names)}
    config |= {
        key: given[name] for key, name in (("train", "train"), ("val", "valid"), ("test", "test")) if name in given
    }
    return files[0], config


def read_class_names(path: Path) -> list[str]:
    """Read class names, one per line.

    Raises:
        UserError: the file has no name, or a line without one between others, which would shift the ids behind it.
    """
    lines = [line.strip() for line in read_text(path).rstrip().splitlines()]
    if not lines or not all(lines):
        number = lines.index("") + 1 if lines else 1
        raise UserError(f"{path}, line {number}, is empty; write one class name per line, in the order of their ids")
    return lines


def class_names_near(root: Path, images: Path) -> tuple[Sequence[str], list[str]]:
    """Return class names from a file in the root, or beside labels or images, else COCO's 80; and a note on the choice.

    Raises:
        UserError: the file cannot be read, or has an empty line.
    """
    folders = dict.fromkeys([root, label_file(images / "image").parent, root / "labels", images])
    files = [folder / name for folder in folders for name in _CLASS_FILES if (folder / name).is_file()]
    files += [path for path in sorted(root.glob("*.names")) if not is_hidden(path.name)]
    if not files:
        return COCO_CLASSES, ["no data.yaml and no classes.txt, so COCO's 80 classes are assumed"]
    notes = [] if files[0] == root / "classes.txt" else [f"class names are those of {files[0]}"]
    return read_class_names(files[0]), notes


def image_folder(root: Path, split: str | None) -> Path:
    """Return the folder of a split's images: images/SPLIT, SPLIT/images, or SPLIT; without splits images, or the root.

    Raises:
        UserError: there is no such folder, or a split must be named.
    """
    top = _below(root, "images") or root / "images"
    for name in _DEFAULTS if split is None else (split,):
        split_folder = _below(root, name) or root / name
        for folder in (_below(top, name), _below(split_folder, "images")):
            if folder is not None:
                return folder
    above = {path.name for path in _folders(root) if _below(path, "images")}
    known = sorted({path.name for path in _folders(top)} | above)
    if not top.is_dir() and not known:  # images and labels in one folder
        known = [path.name for path in _folders(root) if _has_image(path)]
        for name in _DEFAULTS if split is None else (split,):
            if name in known:
                return root / name
        if split is None and not known and _has_image(root):
            return root
    if not top.is_dir() and not known:
        names = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
        raise UserError(f"{root} has no data.yaml, images/ or SPLIT/images/ (found: {names}); give their folder")
    if not known and split is None:
        return top
    if split is None:
        raise UserError(f"{root}: --split is required ({', '.join(known)}); or give one of these folders as --root")
    fix = suggest(split, known) if known else "; leave --split out, images/ has no subfolders"
    raise UserError(f"{root} has no split {split!r}{fix}")


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not is_hidden(path.name)]


def _below(folder: Path, name: str) -> Path | None:
    """Return a folder's subfolder by its name in any letter case, the exact name first."""
    if name not in {"", "."} and (folder / name).is_dir():
        return folder / name  # also a hidden one, or a path, if it is named
    fitting = [path for path in _folders(folder) if path.name.casefold() == name.casefold()]
    return next(iter(fitting), None)


def _has_image(folder: Path) -> bool:
    return any(path.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(path.name) for path in folder.iterdir())


def find_path(name: str, folders: Sequence[Path], least: int, lookup: ImageLookup | None = None) -> Path | None:
    """Return an existing path that a YAML or list names, written for this or another machine or folder.

    The name is tried as it is, then with backslashes as separators, then without ``..`` and leading folders.

    Args:
        name: path as written.
        folders: folders that it may be relative to, most likely first.
        least: parts that must be left when leading folders are dropped; ``data/`` of Darknet may always be.
        lookup: finds images under another suffix, too; None for folders and lists.
    """
    text = name.strip().strip("'\"")
    exact = [folder / each for folder in folders for each in dict.fromkeys((text, text.replace("\\", "/")))]
    parts = [part for part in PurePosixPath(text.replace("\\", "/")).parts if part not in {"/", "//", "..", "."}]
    starts = [n for n in range(len(parts)) if n == 0 or len(parts) - n >= least or (n == 1 and parts[0] == "data")]
    rests = [parts[start:] for start in starts]
    for path in (*exact, *(folder.joinpath(*rest) for rest in rests for folder in folders)):
        if text and (hit := lookup.find(path) if lookup else path if os.path.exists(path) else None):  # noqa: PTH110
            return _normal(hit)
    return None


def _normal(path: Path) -> Path:
    """Return a path without ``..``, links not followed, and with one slash in front, where POSIX keeps two."""
    text = os.path.normpath(path)
    return Path(f"/{text.lstrip('/')}" if text.startswith("//") else text)


def find_images(sources: Sequence[Path], base: Path) -> ImageFiles:
    """Find the images; keys are relative to the folder, or to the common folder of several folders or listed files.

    Args:
        sources: folders, and .txt lists of one path per line.
        base: folder that listed paths may be relative to, besides the list's own.
    """
    sources = [_normal(source.absolute()) for source in sources]
    files = [scan_images(source) if source.is_dir() else _listed(source, base) for source in sources]
    paths = [path for each in files for _, path in each.images]
    if len(sources) == 1 and sources[0].is_dir():
        common = sources[0]
    else:
        folders = [source for source in sources if source.is_dir()]
        listed = [path.parent for path in paths if not any(path.is_relative_to(folder) for folder in folders)]
        common = Path(os.path.commonpath([*folders, *listed])) if paths else Path()
    return ImageFiles(
        [(path.relative_to(common).with_suffix("").as_posix(), path) for path in dict.fromkeys(paths)],
        [*dict.fromkeys(_chain(each.notes for each in files)), *_repeated(paths)],
        list(_chain(each.problems for each in files)),
    )


def _chain(parts: Iterable[Iterable[T]]) -> Iterable[T]:
    return (each for part in parts for each in part)


def _repeated(paths: Sequence[Path]) -> list[str]:
    again = [path for path, times in Counter(paths).items() if times > 1]
    count = len(paths) - len(set(paths))
    return [f"images listed more than once: {count}, {again[0].name} first"] if again else []


def _listed(source: Path, base: Path) -> ImageFiles:
    """Return the images of a list; one that does not exist keeps its path, and is reported when it is opened."""
    lookup = ImageLookup()
    folders = list(dict.fromkeys([source.parent, base.absolute()]))
    lines = [line.strip() for line in read_text(source).splitlines() if line.strip()]
    paths = [find_path(line, folders, 2, lookup) or _normal(source.parent / line) for line in lines]
    return ImageFiles([(path.stem, path) for path in paths], [], [])


def is_list(path: Path) -> bool:
    """Return True for a file that may list images; another file is no split, and its lines are not shown."""
    return path.suffix.lower() in _LISTS
