"""``sgz-bench report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sgz_bench.console import show_runs


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN|SUITE", help="Folder of a finished run, or of a suite.")],
    formats: Annotated[
        str, typer.Option("--format", help="What figures are saved as: png, pdf, svg, or several with commas.")
    ] = "png,pdf",
    figures: Annotated[
        str,
        typer.Option(help="Write these figures and no tables: names or patterns with commas, as forest,gallery_*."),
    ] = "",
    style_name: Annotated[
        str,
        typer.Option("--style", help="Look of figures: paper, slides, or an .mplstyle of your own on top of paper."),
    ] = "paper",
) -> None:
    """Print a run's comparison table and write its tables and figures to RUN/report.

    Of a suite's folder every run gets its report; what they say together goes to SUITE/report: a table over all
    studies, and a figure of what darkness takes where they differ in it.
    """
    from sgz_bench.console import show_suite
    from sgz_bench.enhancer.specs import split_list
    from sgz_bench.reports.report import write_report
    from sgz_bench.reports.style import style
    from sgz_bench.reports.suite import write_suite_report

    one = (run / "results.jsonl").is_file() or not any(run.glob("*/results.jsonl"))
    with style(style_name):
        write = write_report if one else write_suite_report
        written = write(run, tuple(split_list(formats)), typer.echo, tuple(split_list(figures)))
    if not figures:
        show_runs([run]) if one else show_suite(run)
    for folder in dict.fromkeys(path.parent for path in written):
        typer.echo(f"{sum(path.parent == folder for path in written)} files in {folder}")
