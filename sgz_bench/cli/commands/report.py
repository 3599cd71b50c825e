"""``sgz-bench report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sgz_bench.core.text import pluralize

from ..console import Columns, TableForm, show_runs, show_slices, show_suite


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
    columns: Columns = None,
    by: Annotated[
        str | None, typer.Option(help="Print the table by class, or by an attribute such as lighting.", metavar="NAME")
    ] = None,
    table: TableForm = None,
) -> None:
    """Print a run's comparison table; write report.html, tables and figures to RUN/report.

    Of a suite's folder every run gets its report; what they say together goes to SUITE/report: one page and one
    table over all studies, and a figure of what darkness takes where they differ in it.
    """
    from functools import partial

    from sgz_bench.core.errors import UserError
    from sgz_bench.core.specs import split_list
    from sgz_bench.reports.figures.style import style
    from sgz_bench.reports.report import write_report
    from sgz_bench.reports.suite import write_suite_report

    tell, names = partial(typer.echo, err=table is not None), split_list(columns or "")
    one = (run / "results.jsonl").is_file() or not any(run.glob("*/results.jsonl"))
    if not one and (columns or by):
        raise UserError(f"{run} is a suite, and --columns and --by are of one run's tables; name a folder in it")
    if not figures:
        if not one:
            show_suite(run, table)
        elif by:
            show_slices(run, by, table)
        else:
            show_runs([run], columns=columns, form=table)
    with style(style_name):
        write = partial(write_report, columns=names) if one else write_suite_report
        written = write(run, tuple(split_list(formats)), tell, tuple(split_list(figures)))
    pages = [path for path in written if path.suffix == ".html"]
    for folder in dict.fromkeys(path.parent for path in written if path not in pages):
        tell(f"{pluralize(sum(path.parent == folder for path in written), 'file')} in {folder}")
    for page in pages:
        tell(f"page: {page}")
