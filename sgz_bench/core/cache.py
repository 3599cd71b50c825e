"""The one folder outside runs and outputs that sgz-bench writes to."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """``$SGZ_BENCH_CACHE``, else ``$XDG_CACHE_HOME/sgz-bench``, else ``~/.cache/sgz-bench``; it may not exist yet."""
    chosen = os.environ.get("SGZ_BENCH_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "sgz-bench"
