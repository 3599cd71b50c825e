"""Image files of a data set: folders as people copy them, and look-up by name across suffixes and spellings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

from sgz_bench.core.files import is_hidden as is_hidden
from sgz_bench.core.images import IMAGE_SUFFIXES
from sgz_bench.core.text import composed, pluralize

from .types import Problem

# Files that belong beside images: labels, lists, caches.
_COMPANIONS = frozenset(
    {
        *(".txt", ".xml", ".json", ".jsonl", ".yaml", ".yml", ".csv", ".tsv", ".names", ".data", ".cfg", ".mat"),
        *(".cache", ".npy", ".npz", ".md", ".rst", ".html", ".pdf", ".log", ".py", ".sh", ".ipynb", ".pt", ".onnx"),
        *(".zip", ".tar", ".gz", ".7z", ".md5", ".sha256"),
    }
)
# Pictures that are not read: phones' HEIC, camera raw, high dynamic range, vector graphics, video.
_OTHER_PICTURES = frozenset(
    {
        *(".heic", ".heif", ".hif", ".jxl", ".jxr", ".wdp", ".hdp", ".svg", ".exr", ".hdr", ".pfm", ".psd", ".tga"),
        *(".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".srf", ".orf", ".rw2", ".raf", ".raw"),
        *(".pef", ".srw", ".3fr", ".iiq", ".x3f", ".eps", ".ico", ".icns", ".dds", ".pcx", ".xcf", ".bpg", ".flif"),
        *(".qoi", ".fits", ".dcm", ".nii", ".mp4", ".avi", ".mov", ".mkv", ".webm"),
    }
)
_SIGNATURES = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n",
    b"GIF8",
    b"II*\0",
    b"MM\0*",
    b"\0\0\0\x0cjP  ",
    b"\xff\x4f\xff\x51",
)


class ImageFiles(NamedTuple):
    """Images below a folder.

    Attributes:
        images: (key, path), sorted by path; the key is the relative POSIX path without suffix.
        notes: one line on hidden and system files that were passed over; empty if there are none.
        problems: pictures in other formats, links to nowhere, folders that cannot be read.
    """

    images: list[tuple[str, Path]]
    notes: list[str]
    problems: list[Problem]


def scan_images(folder: Path) -> ImageFiles:
    """Return all images below a folder, suffixes in any letter case, and what was passed over.

    Links to folders are followed, each folder once. Files without a picture's suffix are passed over silently if they
    usually lie beside images (``.txt``, ``.json`` …), and reported if their first bytes are those of an image.
    """
    images: list[Path] = []
    hidden: list[str] = []
    problems: list[Problem] = []
    for path in _files(folder, folder, hidden, problems):
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            reason = _other_picture(path)
        elif not _is_utf8(path.relative_to(folder)):
            reason = "has a name that is not UTF-8; rename it"
        elif not path.is_file():
            reason = "is a link to a missing file" if path.is_symlink() else "is no regular file"
            reason += "; restore or remove it"
        else:
            images.append(path)
            continue
        if reason:
            problems.append(Problem(str(path), reason, lost=True))
    keyed = [(path.relative_to(folder).with_suffix("").as_posix(), path) for path in sorted(images)]
    count = pluralize(len(hidden), "hidden or system file")
    notes = [f"passed over: {count} in {folder.name}/, {hidden[0]} first"] if hidden else []
    return ImageFiles(keyed, notes, problems)


def images_in(folder: Path) -> list[tuple[str, Path]]:
    """Return (key, path) of every image below a folder, as :func:`scan_images` does."""
    return scan_images(folder).images


def _files(top: Path, folder: Path, hidden: list[str], problems: list[Problem]) -> Iterator[Path]:
    """Yield the files below ``folder``, sorted; collect hidden ones, relative to ``top``, and unreadable folders."""

    def unreadable(error: OSError) -> None:
        what = f"cannot be read ({error.strerror}); check the path and its permissions"
        problems.append(Problem(str(error.filename), what, lost=True))

    seen: set[str] = set()
    for root, folders, files in os.walk(folder, onerror=unreadable, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in sorted(name for name in folders if is_hidden(name)):
            inside = [Path(base, file) for base, _, below in os.walk(Path(root, name)) for file in sorted(below)]
            hidden += [path.relative_to(top).as_posix() for path in inside]
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for name in sorted(files):
            if is_hidden(name):
                hidden.append(Path(root, name).relative_to(top).as_posix())
            else:
                yield Path(root, name)


def _is_utf8(path: PurePath) -> bool:
    """Return False for a name in another encoding, which could not be written into the files of a run."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _other_picture(path: Path) -> str:
    """Explain why a file without a known suffix is no image of the data set; empty for files that are no picture."""
    suffix = path.suffix.lower()
    if suffix in _COMPANIONS:
        return ""
    if suffix in _OTHER_PICTURES:
        return f"is {suffix}, a format that is not read; convert it to PNG or JPEG"
    if not path.is_file():  # a pipe would never end
        return ""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        return ""
    if head.startswith(_SIGNATURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or head[4:8] == b"ftyp":
        return f"is a picture, but has {f'the suffix {path.suffix}' if path.suffix else 'no suffix'}; rename it"
    return ""


class ImageLookup:
    """Look-up of image files by name; a folder is listed once, for names that differ in suffix or Unicode form."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, Path]] = {}

    def find(self, path: Path) -> Path | None:
        """Return the file, or one with the same stem and another image suffix: an enhanced copy of a .jpg is a .png.

        The suffix may differ in letter case, and the name in its Unicode form (NFC or NFD).
        """
        if os.path.isfile(path):  # noqa: PTH113 -- Path.is_file raises an error for a name that is too long
            return path
        if path.suffix.lower() not in IMAGE_SUFFIXES and path.suffix:
            path = path.with_name(path.name + ".png")  # a name without suffix, such as street.v2
        folder = self._folders.get(path.parent)
        if folder is None:
            folder = self._folders[path.parent] = _listed(path.parent)
        suffix = path.suffix.lower()
        stem = composed(path.stem)
        candidates = (folder.get(stem + each) for each in (suffix, *sorted(IMAGE_SUFFIXES)))
        return next((each for each in candidates if each), None)


def _listed(folder: Path) -> dict[str, Path]:
    """Return images of a folder by composed stem and suffix in lower case; of several the first by name."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    except OSError:
        return {}
    return {composed(path.stem) + path.suffix.lower(): path for path in reversed(paths)}


def with_any_suffix(path: Path) -> Path | None:
    """Return the file, or one with another image suffix, as :class:`ImageLookup` finds it."""
    return ImageLookup().find(path)


def image_stem(name: str) -> str:
    """Return a file name without its image suffix; other dots stay."""
    path = PurePath(name)
    return path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name
