"""Run files: locks, cell folders, and one appended log line per image, so that an interrupted run can resume."""

from __future__ import annotations

import fcntl
import io
import json
import os
from collections.abc import Iterator, KeysView, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from pydantic import TypeAdapter, ValidationError

from sgz_bench.core.errors import UserError
from sgz_bench.core.faults import first_fault
from sgz_bench.core.files import read_json, write_atomic

LOG = "images.jsonl"  # in a cell's folder
E = TypeVar("E")


def read_run_json(path: Path) -> Any:
    """Read a JSON file of a run.

    Raises:
        UserError: the file is missing or damaged.
    """
    return read_json(path, "repeat the run's command")


def read_entries(path: Path, kind: type[E]) -> dict[str, E]:
    """Read a JSON object of row key → entry, checked; empty if there is no such file.

    Raises:
        UserError: the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        return TypeAdapter(dict[str, kind]).validate_python(read_run_json(path))  # type: ignore[valid-type]
    except ValidationError as error:
        raise UserError(f"{path} is damaged ({first_fault(error)}); repeat the run's command") from error


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Lock a run folder for this process; the lock ends with the process, however it ends.

    Folders that were created for it are removed again if nothing was written into them.

    Raises:
        UserError: the folder cannot be created, or another process works on it.
    """
    created = [folder for folder in (run, *run.parents) if not folder.exists()]
    try:
        run.mkdir(parents=True, exist_ok=True)
        handle = (run / ".lock").open("w")
    except OSError as error:
        raise UserError(f"{run} cannot be written: {error.strerror or error}") from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"another process is working on {run}; wait for it or choose another --out") from error
        try:
            yield
        finally:
            _remove_unused(run, created)


def _remove_unused(run: Path, created: Sequence[Path]) -> None:
    """Remove a run folder with nothing but its lock, and then empty parents, among the folders created for it."""
    with suppress(OSError):
        if created and [path.name for path in run.iterdir()] == [".lock"]:
            (run / ".lock").unlink()
            for folder in created:
                folder.rmdir()


def cell_folder(run: Path, key: str) -> Path:
    """Return the folder of one cell."""
    return run / "cells" / key


class ImageLog:
    """Image log of one cell: one JSON line per image, appended as the run proceeds.

    On reopening, everything after the last whole line is dropped: a kill truncates lines, a power loss damages them.
    Records stay in the file, because they take gigabytes in a large run.

    Args:
        path: path of the log; its folder is created.

    Raises:
        UserError: the path cannot be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror or error}") from error
        self._path = path
        self._ids: dict[int, None] = {}
        self._file.seek(0)
        whole = 0
        for record, length in _whole_lines(self._file):
            self._ids[record["image_id"]] = None
            whole += length
        if self._file.seek(0, os.SEEK_END) > whole:
            self._file.truncate(whole)

    @property
    def image_ids(self) -> KeysView[int]:
        """Image ids of all whole lines, in their order."""
        return self._ids.keys()

    def append(self, image_id: int, line: bytes) -> None:
        """Append one image's line and flush it to the operating system.

        Raises:
            UserError: the disk is full, or the file can no longer be written.
        """
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"{self._path} cannot be written: {reason}; repeat the command to resume") from error
        self._ids[image_id] = None

    def arrange(self, places: Mapping[int, int]) -> None:
        """Sort the lines by the place of their images, if they are not; a kill leaves the old file or the new one.

        Args:
            places: image id → place.

        Raises:
            UserError: the file cannot be written.
        """
        wanted = sorted(self._ids, key=lambda image_id: places.get(image_id, len(places)))
        if wanted == list(self._ids):
            return
        self._file.seek(0)
        lines: dict[int, tuple[int, int]] = {}  # image id → begin and length
        begin = 0
        for record, length in _whole_lines(self._file):
            lines[record["image_id"]] = begin, length
            begin += length
        write_atomic(self._path, (self._line(*lines[image_id]) for image_id in wanted))
        self._file.close()
        self._file = self._path.open("a+b")
        self._ids = dict.fromkeys(wanted)

    def _line(self, begin: int, length: int) -> bytes:
        self._file.seek(begin)
        return self._file.read(length)

    def close(self) -> None:
        """Close the file; a line that did not fit on the disk is dropped, as :meth:`append` has said."""
        with suppress(OSError):
            self._file.close()


def log_line(image_id: int, record: Mapping[str, Any]) -> bytes:
    """Return the line of an image in a log.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    return json.dumps({"image_id": image_id} | dict(record), allow_nan=False).encode() + b"\n"


def read_log(path: Path) -> dict[int, dict[str, Any]]:
    """Read image id → record of all whole lines of a log.

    Raises:
        UserError: there is no such file.
    """
    try:
        with path.open("rb") as file:
            return {record["image_id"]: record for record, _ in _whole_lines(file)}
    except OSError as error:
        raise UserError(f"{path} is missing ({error.strerror or error}); repeat the run's command") from error


def read_lines(path: Path) -> dict[int, bytes]:
    """Read image id → whole line of a log.

    Raises:
        UserError: there is no such file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} is missing ({error.strerror or error}); repeat the run's command") from error
    lines, begin = {}, 0
    for record, length in _whole_lines(io.BytesIO(content)):
        lines[int(record["image_id"])] = content[begin : begin + length]
        begin += length
    return lines


def _whole_lines(file: BinaryIO) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield records and the lengths of their lines in bytes, up to the first truncated or damaged line."""
    for line in file:
        try:
            record = json.loads(line)
            hash(record["image_id"])
        except (ValueError, TypeError, KeyError):
            return
        if not line.endswith(b"\n"):
            return
        yield record, len(line)
