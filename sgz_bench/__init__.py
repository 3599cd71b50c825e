"""sgz-bench: does low-light enhancement help the model that has to see in the dark?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__version__ = "0.1.0"


def load_run(path: str | Path) -> pd.DataFrame:
    """The rows of a finished run folder as a DataFrame, one row a cell (see ``docs/results.md``)."""
    from sgz_bench.benchmarks.results import load_run as load

    return load(path)
