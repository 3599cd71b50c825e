"""``sgz-bench report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sgz_bench.console import Columns, TableForm, show_runs, show_slices, show_suite


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN|SUITE", help="Folder of a finished run, or of a suite.")],
    formats: Annotated[
        str, typer.Option("--format", help="What figures are saved as: png, pdf, or both with a comma.")
    ] = "png,pdf",
    columns: Columns = None,
    by: Annotated[
        str | None, typer.Option(help="Print the table by class, or by an attribute such as lighting.", metavar="NAME")
    ] = None,
    table: TableForm = None,
) -> None:
    """Print a run's comparison table and write its tables and figures to RUN/report.

    Of a suite's folder every run gets its report; what they say together goes to SUITE/report: a table over all
    studies, and a figure of what darkness takes where they differ in it.
    """
    from functools import partial

    from sgz_bench.enhancer.errors import UserError
    from sgz_bench.enhancer.specs import split_list
    from sgz_bench.reports.report import write_report
    from sgz_bench.reports.suite import open_suite, write_suite_report

    chosen, tell = tuple(split_list(formats)), partial(typer.echo, err=table is not None)
    if (run / "results.jsonl").is_file() or not any(run.glob("*/results.jsonl")):
        show_slices(run, by, table) if by else show_runs([run], columns=columns, form=table)
        written = write_report(run, chosen, tell, split_list(columns or ""))
    elif columns or by:
        raise UserError(f"{run} is a suite, and --columns and --by are of one run's tables; name a folder in it")
    else:
        show_suite(run, table)
        written = [path for each in open_suite(run) for path in write_report(each.folder, chosen, say=tell)]
        written += write_suite_report(run, chosen, say=tell)
    for folder in dict.fromkeys(path.parent for path in written):
        tell(f"{sum(path.parent == folder for path in written)} files in {folder}")
