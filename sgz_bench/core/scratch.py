"""Scratch folders that outlive a killed process only until the next one starts."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_YOUNG = 60.0  # seconds in which a folder may not be locked yet
_LOCK = ".lock"


@contextmanager
def scratch_folder(kind: str) -> Iterator[Path]:
    """Yield an empty temporary folder, which is removed at the end.

    Folders of the same kind that killed processes of this machine left are removed first: a lock tells them apart.

    Args:
        kind: part of the folder's name.

    Raises:
        OSError: it cannot be made.
    """
    prefix = f"sgz-bench-{kind}-"
    for old in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError):
            _remove_unlocked(old)
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with (folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield folder


def _remove_unlocked(folder: Path) -> None:
    """Remove a folder if no process holds its lock.

    Raises:
        OSError: it is locked, or belongs to another user.
    """
    if time.time() - (folder / _LOCK).stat().st_mtime < _YOUNG:
        return
    with (folder / _LOCK).open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
