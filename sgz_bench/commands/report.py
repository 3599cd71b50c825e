"""``sgz-bench report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sgz_bench.console import show_runs


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN|SUITE", help="Folder of a finished run, or of a suite.")],
    formats: Annotated[
        str, typer.Option("--format", help="What figures are saved as: png, pdf, or both with a comma.")
    ] = "png,pdf",
) -> None:
    """Print a run's comparison table and write its tables and figures to RUN/report.

    Of a suite's folder every run gets its report; what they say together goes to SUITE/report: a table over all
    studies, and a figure of what darkness takes where they differ in it.
    """
    from sgz_bench.console import show_suite
    from sgz_bench.enhancer.specs import split_list
    from sgz_bench.reports.report import write_report
    from sgz_bench.reports.suite import open_suite, write_suite_report

    chosen = tuple(split_list(formats))
    if (run / "results.jsonl").is_file() or not any(run.glob("*/results.jsonl")):
        written = write_report(run, chosen, say=typer.echo)
        show_runs([run])
    else:
        written = [path for each in open_suite(run) for path in write_report(each.folder, chosen, say=typer.echo)]
        written += write_suite_report(run, chosen, say=typer.echo)
        show_suite(run)
    for folder in dict.fromkeys(path.parent for path in written):
        typer.echo(f"{sum(path.parent == folder for path in written)} files in {folder}")
