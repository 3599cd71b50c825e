"""``sgz-bench compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import Columns, TableForm, show_runs


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN [RUN…]", help="Folders of finished runs.")],
    columns: Columns = None,
    table: TableForm = None,
    side_by_side: Annotated[
        bool,
        typer.Option("--force-side-by-side", help="Show what must not be compared in one table, and mark it."),
    ] = False,
) -> None:
    """Print one table of all rows of several runs on the same data, split, classes and metrics.

    Models and darkenings may differ and get a column each. p-values stay corrected over the enhancers of their run.
    """
    show_runs(runs, columns=columns, form=table, side_by_side=side_by_side)
