"""Run files: locks, cell folders, and one appended log line per image, so that an interrupted run can resume."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from pydantic import TypeAdapter, ValidationError

from sgz_bench.core.errors import UserError
from sgz_bench.core.faults import first_fault
from sgz_bench.core.files import read_json

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

    Args:
        path: path of the log; its folder is created.

    Attributes:
        image_ids: image ids of all whole lines. Records stay in the file, because they take gigabytes in a large run.

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
        self.image_ids: set[int] = set()
        self._file.seek(0)
        whole = 0
        for record, length in _whole_lines(self._file):
            self.image_ids.add(record["image_id"])
            whole += length
        if self._file.seek(0, os.SEEK_END) > whole:
            self._file.truncate(whole)

    def append(self, record: dict[str, Any]) -> None:
        """Append one image's record and flush it to the operating system.

        Raises:
            UserError: the disk is full, or the file can no longer be written.
        """
        try:
            self._file.write(json.dumps(record, allow_nan=False).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"{self._path} cannot be written: {reason}; repeat the command to resume") from error
        self.image_ids.add(record["image_id"])

    def close(self) -> None:
        self._file.close()


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
