"""Former name of :mod:`sgz_bench.tasks.datasets`, kept for plugins."""

from pathlib import Path

from sgz_bench.core.files import file_sha256
from sgz_bench.core.files import read_text as read_text
from sgz_bench.core.files import read_yaml as read_yaml

from .datasets import *  # noqa: F403


def digest(path: Path | None) -> str | None:
    """Return the sha256 (hex) of a file, None for no file; new code calls ``core.files.file_sha256``."""
    return None if path is None else file_sha256(path)
