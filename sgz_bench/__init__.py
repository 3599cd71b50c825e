"""Benchmark of low-light enhancers in front of detectors and segmenters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from sgz_bench.reports.run import FinishedRun

__version__ = "0.1.0"


def load_run(path: str | Path) -> pd.DataFrame:
    """Return the rows of a finished run as a DataFrame, one row per enhancer (see ``docs/results.md``).

    For a suite's folder, return the rows of all its runs, with the run's name in the column ``run``.

    Raises:
        UserError: the folder is neither a finished run nor a suite with finished runs.
    """
    from sgz_bench.reports.frame import load_run as load

    return load(path)


def open_run(path: str | Path) -> FinishedRun:
    """Open a finished run with its rows and files; a notebook displays it as the comparison table of its report.

    Raises:
        UserError: not a finished run.
    """
    from sgz_bench.reports.notebook import NotebookRun

    return NotebookRun.open(path)
