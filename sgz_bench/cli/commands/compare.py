"""``sgz-bench compare``: one table of several runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import Columns, TableForm, show_runs


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of finished runs.")],
    columns: Columns = None,
    table: TableForm = None,
    side_by_side: Annotated[
        bool,
        typer.Option("--force-side-by-side", help="Show runs that are not comparable side by side, marked as such."),
    ] = False,
) -> None:
    """Print one table of all rows of several runs on the same data, split, classes and metrics.

    Models and darkenings may differ; each gets its own column.
    The p-values stay corrected over the enhancers of their run.
    """
    left_out = show_runs(runs, columns=columns, form=table, side_by_side=side_by_side)
    for line in left_out:
        typer.echo(line, err=True)
    if left_out:
        raise typer.Exit(1)
