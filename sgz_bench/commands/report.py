"""``sgz-bench report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sgz_bench.console import show_runs


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    formats: Annotated[
        str, typer.Option("--format", help="What figures are saved as: png, pdf, or both with a comma.")
    ] = "png,pdf",
) -> None:
    """Print a run's comparison table and write its tables and figures to RUN/report."""
    from sgz_bench.enhancer.specs import split_list
    from sgz_bench.reports.report import write_report

    written = write_report(run, tuple(split_list(formats)), say=typer.echo)
    show_runs([run])
    for folder in dict.fromkeys(path.parent for path in written):
        typer.echo(f"{sum(path.parent == folder for path in written)} files in {folder}")
