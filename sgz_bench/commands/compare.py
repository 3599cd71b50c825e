"""``sgz-bench compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sgz_bench.console import show_runs


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN [RUN…]", help="Folders of finished runs.")],
) -> None:
    """Print one table of all rows of several runs on the same data, split, classes and metrics.

    Models and darkenings may differ and get a column each. p-values stay corrected over the enhancers of their run.
    """
    show_runs(runs)
