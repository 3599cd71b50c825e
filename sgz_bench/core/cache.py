"""Cache folder: the only folder that sgz-bench writes to besides runs and outputs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return ``$SGZ_BENCH_CACHE``, else ``$XDG_CACHE_HOME/sgz-bench``, else ``~/.cache/sgz-bench``; may not exist."""
    chosen = os.environ.get("SGZ_BENCH_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "sgz-bench"
