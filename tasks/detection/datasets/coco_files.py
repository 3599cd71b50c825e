"""Files of a COCO data set: the JSON of a split, and the image that a ``file_name`` means."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from sgz_bench.core.errors import UserError
from sgz_bench.core.registry import suggest

from ...image_files import ImageLookup, images_in, is_hidden

# File names that say nothing of the split, so that the folder names it: Roboflow, Label Studio, FiftyOne, and others.
_UNNAMED = {"_annotations.coco", "_annotations", "annotations", "annotation", "labels", "result", "results", "coco"}
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_MOST_FOLDERS = 500  # below the root, to be searched for images
_DRIVE = re.compile(r"[A-Za-z]:/")


def annotation_file(root: Path, split: str | None) -> tuple[Path, str]:
    """Return the JSON of a split and the split's name.

    A split is named by ``instances_SPLIT.json`` or ``SPLIT.json`` in ``annotations/`` or the root, or by its folder,
    as in Roboflow's ``SPLIT/_annotations.coco.json``; or it is the path of a .json, also relative to the root.

    Raises:
        UserError: no such file, or several without ``split``.
    """
    if split and split.lower().endswith((".json", ".json.gz")):
        path = Path(split).expanduser()
        path = path if path.is_file() or not (root / path).is_file() else root / path
        return path, _name(root, path)
    near, deep = _json_files(root)
    if split is None:
        files = _by_name(root, near) or _by_name(root, deep)
        instances = {name: path for name, path in files.items() if path.stem.startswith("instances_")} or files
        if len(instances) == 1:
            return next((path, name) for name, path in instances.items())
        if not instances:
            raise UserError(f"{root} has no .json of labels in annotations/ or beside the images; check --root")
        below = all(path.parent.name == "annotations" for path in instances.values())
        where = "found in annotations/" if below else "found"
        raise UserError(f"{root}: --split is required; {where}: {', '.join(sorted(instances))}")
    known = _by_name(root, [*near, *deep])
    if split in known:
        return known[split], split
    fix = suggest(split, sorted(known)) if known else "; it has no .json, check --root"
    raise UserError(f"{root} has no annotations/instances_{split}.json{fix}")


def _json_files(root: Path) -> tuple[list[Path], list[Path]]:
    """Return the .json files in ``annotations/`` and the root, and those of the folders below."""
    below = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    below = [folder for path in below for folder in (path, path / "annotations") if folder.is_dir()]
    near = [path for folder in (root / "annotations", root) for path in _json_in(folder)]
    deep = [path for folder in below if folder != root / "annotations" for path in _json_in(folder, 8)]
    return near, deep


def _json_in(folder: Path, most: int | None = None) -> list[Path]:
    """Return the .json files in a folder; none if there are more than ``most``, as with one .json per image."""
    paths = [path for suffix in ("json", "json.gz") for path in folder.glob(f"*.{suffix}")] if folder.is_dir() else []
    files = [path for path in paths if not path.name.startswith(".")]  # a compressed file is refused by name
    files = files if most is None or len(files) <= most else []
    return sorted(files, key=lambda path: (not path.stem.startswith("instances_"), path.name))


def _by_name(root: Path, files: list[Path]) -> dict[str, Path]:
    """Return files by the split's name, also by that of a folder with one .json; of two of a name the first."""
    names: dict[str, Path] = {}
    for path in files:
        names.setdefault(_name(root, path), path)
    alone = Counter(path.parent for path in files)
    for path in files:
        if alone[path.parent] == 1 and path.parent not in (root, root / "annotations"):
            folder = path.parent.parent if path.parent.name == "annotations" else path.parent
            names.setdefault(folder.name, path)
    return names


def _name(root: Path, path: Path) -> str:
    """Return the split's name: the file's, or its folder's where the file's name says nothing."""
    stem = path.name.removesuffix(".gz").removesuffix(".json").removeprefix("instances_")
    folder = path.absolute().parent
    if folder.name == "annotations" and folder != root.absolute() / "annotations":
        folder = folder.parent
    if stem in _UNNAMED and folder not in (root.absolute(), root.absolute() / "annotations"):
        return folder.name
    return stem


class ImageFinder:
    """Finds the image files that the names in a COCO file mean; never one outside the data set's folder.

    A name is tried as written in each folder. Names that no folder has as written (absolute paths, URLs, ``..``, names
    with folders of another machine) are tried by their ends, longest first.

    Args:
        root: folder of the data set.
        json_file: its COCO file, beside which images may lie.
        split: name of the split.
    """

    def __init__(self, root: Path, json_file: Path, split: str) -> None:
        self.root = root
        beside = json_file.parent
        folders = [root / split, root / "images" / split, root / "images", root]
        own = [root / split / "images", root / "data"]
        near = [beside, beside / "images", beside / "data", beside.parent / "images"] if _within(beside, root) else []
        self._listed = folders  # as messages name them
        self.folders = list(dict.fromkeys([*folders, *own, *near]))
        self._lookup = ImageLookup()

    def find(self, name: str) -> tuple[str, Path] | None:
        """Return the image of a relative name in any folder, and its name below that folder; None if there is none."""
        for each in dict.fromkeys((name, unquote(name))):
            if not each or climbs(each):
                continue
            for folder in self.folders:
                if (hit := self._in(folder, PurePosixPath(each))) is not None:
                    return hit
        return None

    def find_end(self, name: str) -> tuple[str, Path] | None:
        """Return the image of the longest end of a name that is an image in a folder, as :meth:`find`."""
        parts = [part for part in PurePosixPath(unquote(name)).parts if part not in {"/", "..", "."}]
        ends = ("/".join(parts[start:]) for start in range(len(parts)))
        return next((hit for end in ends if (hit := self.find(end)) is not None), None)

    def widen(self, names: Iterable[str]) -> Path | None:
        """Search the only other folder below the root that has images of these names too; None if none or several."""
        relatives = [PurePosixPath(each) for name in names if not climbs(each := unquote(name))]
        below = [path for pattern in ("*", "*/*") for path in self.root.glob(pattern) if path.is_dir()]
        others = sorted(path for path in below if path not in self.folders and not is_hidden(path.name))
        hits = [folder for folder in others[:_MOST_FOLDERS] if any(self._in(folder, each) for each in relatives)]
        if len(hits) != 1:
            return None
        self.folders.append(hits[0])
        return hits[0]

    def searched(self) -> str:
        """Return the folders for a message."""
        return ", ".join(folder.relative_to(self.root).as_posix() for folder in self._listed)

    def shown(self, path: Path) -> str:
        """Return a path below the root for a message."""
        return path.relative_to(self.root).as_posix()

    def _in(self, folder: Path, relative: PurePosixPath) -> tuple[str, Path] | None:
        """Return the image of a name in a folder, and its name below that folder."""
        try:
            path = self._lookup.find(folder / relative)
        except (OSError, ValueError):  # a name too long for the file system, or with a NUL
            return None
        return None if path is None else (relative.with_name(path.name).as_posix(), path)

    def unlisted(self, used: Iterable[Path]) -> list[Path]:
        """Return the images of the split's own folder that are not among ``used``."""
        taken = set(used)
        own = next((folder for folder in self.folders[:2] if folder.is_dir()), None)  # others may hold other splits
        return [] if own is None else [path for _, path in images_in(own) if path not in taken]


def plain_name(name: str) -> str:
    """Return a name with ``/`` as the separator and without ``./``; of a URL its path, of Label Studio's its file."""
    if _URL.match(name) or "?d=" in name:
        parts = urlsplit(name)
        inner = parse_qs(parts.query).get("d", [""])[0]
        name = inner or "/" + parts.path.lstrip("/")
    name = name.replace("\\", "/")
    if _DRIVE.match(name):
        name = name[2:]
    return re.sub(r"^(\./+)+", "", name)


def climbs(name: str) -> bool:
    """Return True for a name that is absolute or holds ``..``."""
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts


def _within(path: Path, folder: Path) -> bool:
    return path.absolute().is_relative_to(folder.absolute())
