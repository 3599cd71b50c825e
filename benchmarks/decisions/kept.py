"""Decision that a run keeps: ``decision.json``, one part per kind of decision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sgz_bench.core.files import read_json

FILE = "decision.json"
FIX = "repeat the run's command"


def read_decision(run: str | Path) -> dict[str, Any]:
    """Read the parts of a run's decision by name; empty for a run without them.

    Raises:
        UserError: the file is damaged.
    """
    path = Path(run) / FILE
    return dict(read_json(path, FIX, dict)) if path.is_file() else {}
