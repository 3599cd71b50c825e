"""Output plan of ``sgz-bench enhance``: from files, folders and globs to pairs of source and target."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NoReturn

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import is_hidden
from sgz_bench.core.images import IMAGE_SUFFIXES
from sgz_bench.core.text import pluralize

from .record import SHEETS, FolderRecord


@dataclass(frozen=True)
class ImageJob:
    """One image to enhance: paths of the source, the result, and the side-by-side sheet (None: no sheet)."""

    source: Path
    target: Path
    sheet: Path | None

    @property
    def outputs(self) -> list[Path]:
        return [self.target] if self.sheet is None else [self.target, self.sheet]


@dataclass(frozen=True)
class OutputPlan:
    """All outputs of one command.

    Attributes:
        out: output folder.
        jobs: one per image, in the order of the inputs, each folder sorted.
        ignored: number of files in the folders that are not images.
        notes: one line per decision that a user may not expect.
    """

    out: Path
    jobs: tuple[ImageJob, ...]
    ignored: int
    notes: tuple[str, ...] = ()


def plan_files(inputs: Sequence[str], out: str | Path, *, suffix: str = ".png", compare: bool = False) -> OutputPlan:
    """Find the images and the path of each result. Nothing is written.

    A folder is searched recursively, and its images keep their paths relative to it. A file keeps its name. A glob
    (``**`` searches recursively) keeps paths relative to its part before the first wildcard. Folders are searched
    without hidden files, files without an image suffix, and what this command wrote to ``out`` if it lies inside.
    Images of one folder that differ in their suffix alone keep it: ``a.jpg`` and ``a.png`` become ``a.jpg.png`` and
    ``a.png.png``.

    Args:
        inputs: files, folders, globs.
        out: output folder; it need not exist.
        suffix: file name suffix of every output.
        compare: plan a sheet for each image at ``out/compare/…``.

    Raises:
        UserError: an input does not exist, there is no image at all, two images have one output, or an output would
            overwrite an input.
    """
    out = Path(out).expanduser()
    finder = _Finder(out)
    # A dict rather than a set: it keeps the order.
    images = list(dict.fromkeys(image for text in inputs for image in finder.find(text)))
    if not images:
        raise UserError(f"no images in {', '.join(inputs)}; looked for {' '.join(sorted(IMAGE_SUFFIXES))}")
    names, notes = _output_names(images, suffix)
    jobs = [
        ImageJob(source, out / name, out / SHEETS / name if compare else None)
        for (source, _), name in zip(images, names, strict=True)
    ]
    _refuse_overwriting(jobs)
    return OutputPlan(out, tuple(jobs), len(finder.ignored), (*notes, *finder.notes()))


def _output_names(images: Sequence[tuple[Path, PurePath]], suffix: str) -> tuple[list[PurePath], list[str]]:
    """Return the relative path of each output, and a note on images of one folder that differ in their suffix alone."""
    groups: dict[tuple[Path, PurePath], list[PurePath]] = {}
    for source, relative in images:
        groups.setdefault((source.parent, relative.with_suffix("")), []).append(relative)
    twins = [group for group in groups.values() if len(set(group)) > 1]
    names = [
        relative.with_name(relative.name + suffix)
        if len(set(groups[source.parent, relative.with_suffix("")])) > 1
        else relative.with_suffix(suffix)
        for source, relative in images
    ]
    if not twins:
        return names, []
    first = " and ".join(map(str, twins[0]))
    written = " and ".join(f"{relative.name}{suffix}" for relative in twins[0])
    count = pluralize(sum(map(len, twins)), "image")
    return names, [f"{count} that differ from others in the suffix alone keep it: {first} become {written}"]


def _refuse_overwriting(jobs: list[ImageJob]) -> None:
    sources = {os.path.realpath(job.source) for job in jobs}
    writers: dict[Path, Path] = {}
    for job in jobs:
        for output in job.outputs:
            other = writers.setdefault(output, job.source)
            if other != job.source or (job.sheet is not None and job.target == job.sheet):
                raise UserError(f"{other} and {job.source} would both become {output}; enhance them into two folders")
            if os.path.realpath(output) in sources:
                raise UserError(f"{output} is one of the inputs and would be overwritten; choose another output folder")


def _refuse_unreadable(error: OSError) -> NoReturn:
    raise UserError(
        f"{error.filename} cannot be read: {error.strerror or error}; make it readable, or give the other images and"
        " folders one by one"
    ) from error


class _Finder:
    def __init__(self, out: Path) -> None:
        self._out = os.path.realpath(out)
        self._record = FolderRecord.read(Path(self._out))
        self._own: set[Path] = set()  # images that this command wrote
        self.ignored: set[Path] = set()

    def notes(self) -> list[str]:
        """Return a note on the images in the output folder that are no input, as this command wrote them."""
        if not self._own:
            return []
        return [f"left out {pluralize(len(self._own), 'image')} in {self._out} that this command wrote"]

    def find(self, text: str) -> Iterator[tuple[Path, PurePath]]:
        """Yield (absolute path, relative path to keep) of every image that ``text`` names."""
        path = Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100 -- links keep their names
        if path.is_dir():
            if os.path.realpath(path) == self._out:
                raise UserError(f"{text} is both an input and the output folder; choose another output folder")
            yield from self._folder(path, base=path)
        elif path.exists():
            yield path, PurePath(path.name)
        elif glob.has_magic(text):
            yield from self._glob(path, text)
        else:
            raise UserError(f"{text}: no such file or folder; check the path")

    def _glob(self, pattern: Path, text: str) -> Iterator[tuple[Path, PurePath]]:
        matches = sorted(glob.glob(str(pattern), recursive=True))  # noqa: PTH207 -- Path.glob finds hidden files
        if not matches:
            raise UserError(f"{text}: no file matches; check the pattern")
        first_wildcard = next(index for index, part in enumerate(pattern.parts) if glob.has_magic(part))
        base = Path(*pattern.parts[:first_wildcard])
        for match in map(Path, matches):
            if match.is_dir():
                yield from self._folder(match, base)
            else:
                yield from self._file(match, base)

    def _folder(self, folder: Path, base: Path) -> Iterator[tuple[Path, PurePath]]:
        seen: set[str] = set()  # links to folders are followed, each folder once
        for root, folders, files in os.walk(folder, onerror=_refuse_unreadable, followlinks=True):
            real = os.path.realpath(root)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if not is_hidden(name))
            for name in sorted(files):
                yield from self._file(Path(root, name), base)

    def _file(self, path: Path, base: Path) -> Iterator[tuple[Path, PurePath]]:
        if is_hidden(path.name):
            return
        real = Path(os.path.realpath(path))
        if real.is_relative_to(self._out) and self._record.made(real):
            self._own.add(real)
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            yield path, path.relative_to(base)
        else:
            self.ignored.add(path)
