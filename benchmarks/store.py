"""What a run writes: whole files or nothing, and one appended line an image, so that a killed run can go on."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from sgz_bench.core.errors import UserError

LOG = "images.jsonl"  # in a cell's folder


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a file under a temporary name, flush it to disk, rename it.

    Raises:
        UserError: the place cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error


def to_json(value: Any) -> str:
    """Deterministic JSON of a small file that people read."""
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def read_json(path: Path) -> Any:
    """A file of a run.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is missing or damaged ({error}); repeat the run's command") from error


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold a run folder for this process; the lock goes with the process, however it ends.

    Raises:
        UserError: the folder cannot be made, or another process works on it.
    """
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
        yield


def cell_folder(run: Path, key: str) -> Path:
    """Where a run keeps one cell."""
    return run / "cells" / key


class ImageLog:
    """One JSON line an image, appended as the run goes; what follows the last whole
    line is dropped when it is reopened, be it cut short by a kill or damaged by the loss of power.

    Args:
        path: the file; its folder is made.

    Attributes:
        image_ids: of all whole lines. Records stay in the file: those of all cells of a large run are gigabytes.

    Raises:
        UserError: the place cannot be written.
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
        """Add one image's record; it is with the operating system when this returns.

        Raises:
            UserError: the disk is full, or the file cannot be written any more.
        """
        try:
            self._file.write(json.dumps(record, allow_nan=False).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise UserError(f"{self._path} cannot be written: {error.strerror or error}; repeat to go on") from error
        self.image_ids.add(record["image_id"])

    def close(self) -> None:
        self._file.close()


def read_log(path: Path) -> dict[int, dict[str, Any]]:
    """Image id → record, of all whole lines of a log.

    Raises:
        UserError: there is no such file.
    """
    try:
        with path.open("rb") as file:
            return {record["image_id"]: record for record, _ in _whole_lines(file)}
    except OSError as error:
        raise UserError(f"{path} is missing ({error.strerror or error}); repeat the run's command") from error


def _whole_lines(file: BinaryIO) -> Iterator[tuple[dict[str, Any], int]]:
    """Records with the lengths of their lines in bytes, up to the first line that is cut short or damaged."""
    for line in file:
        try:
            record = json.loads(line)
            hash(record["image_id"])
        except (ValueError, TypeError, KeyError):
            return
        if not line.endswith(b"\n"):
            return
        yield record, len(line)
