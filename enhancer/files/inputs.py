"""From the files, folders and globs of a command line to a list of (source, target)."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NoReturn

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import IMAGE_SUFFIXES

SHEETS = "compare"


@dataclass(frozen=True)
class Job:
    """One image to enhance: where it is, where the result goes, and where its side-by-side sheet goes, if any."""

    source: Path
    target: Path
    sheet: Path | None

    @property
    def outputs(self) -> list[Path]:
        return [self.target] if self.sheet is None else [self.target, self.sheet]


@dataclass(frozen=True)
class Plan:
    """What a run will write.

    Attributes:
        out: the output folder.
        jobs: one an image, in the order of the inputs, each folder sorted.
        ignored: how many files of the folders are not images.
    """

    out: Path
    jobs: tuple[Job, ...]
    ignored: int


def plan_files(inputs: Sequence[str], out: str | Path, *, suffix: str = ".png", compare: bool = False) -> Plan:
    """Find the images and where each result goes. Nothing is written.

    A folder is searched recursively and its images keep their path relative to it; a file goes to its name; a glob
    (``**`` searches recursively) keeps the path relative to its part before the first wildcard. In folders, hidden
    files and files whose suffix is no image's are passed over, and so is ``out``, should it lie inside.

    Args:
        inputs: files, folders, globs.
        out: output folder; it need not exist.
        suffix: of every output.
        compare: plan a sheet for each image at ``out/compare/…``.

    Raises:
        UserError: an input that is not there, no image at all, two images for one output, or an output in the place
            of an input.
    """
    out = Path(out).expanduser()
    finder = _Finder(out)
    found = {(source, relative.with_suffix(suffix)): None for text in inputs for source, relative in finder.find(text)}
    if not found:
        raise UserError(f"no images in {', '.join(inputs)}; looked for {' '.join(sorted(IMAGE_SUFFIXES))}")
    jobs = [Job(source, out / name, out / SHEETS / name if compare else None) for source, name in found]
    _refuse_overwriting(jobs)
    return Plan(out, tuple(jobs), len(finder.ignored))


def _refuse_overwriting(jobs: list[Job]) -> None:
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
        f"{error.filename} cannot be read: {error.strerror or error}; make it readable, or name the images or folders"
        " beside it"
    ) from error


class _Finder:
    def __init__(self, out: Path) -> None:
        self._out = os.path.realpath(out)
        self.ignored: set[Path] = set()

    def find(self, text: str) -> Iterator[tuple[Path, PurePath]]:
        """(absolute path, path to keep) of every image that ``text`` names."""
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
            raise UserError(f"{text}: nothing matches; check the pattern")
        fixed = next(place for place, part in enumerate(pattern.parts) if glob.has_magic(part))
        base = Path(*pattern.parts[:fixed])
        for match in map(Path, matches):
            if match.is_dir():
                yield from self._folder(match, base)
            elif not self._inside_out(match.parent):
                yield from self._file(match, base)

    def _folder(self, folder: Path, base: Path) -> Iterator[tuple[Path, PurePath]]:
        seen: set[str] = set()  # links to folders are followed, but not in circles
        for root, folders, files in os.walk(folder, onerror=_refuse_unreadable, followlinks=True):
            real = os.path.realpath(root)
            if real in seen or self._inside_out(root):
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                yield from self._file(Path(root, name), base)

    def _file(self, path: Path, base: Path) -> Iterator[tuple[Path, PurePath]]:
        if path.name.startswith("."):
            return
        if path.suffix.lower() in IMAGE_SUFFIXES:
            yield path, path.relative_to(base)
        else:
            self.ignored.add(path)

    def _inside_out(self, folder: str | Path) -> bool:
        return Path(os.path.realpath(folder)).is_relative_to(self._out)
