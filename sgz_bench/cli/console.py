"""Console of all subcommands: shared options, warnings, tables."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from sgz_bench.core.errors import PluginWarning

if TYPE_CHECKING:
    from sgz_bench.reports.tables.spreadsheets import Record
    from sgz_bench.reports.tables.table import Table


class Form(StrEnum):
    """Formats of a printed table."""

    MD = "md"
    TEX = "tex"
    CSV = "csv"
    JSON = "json"


Columns = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Columns of the comparison, such as AP50,dAP50,p,ms (d: difference from raw). An unknown name lists all.",
        show_default="standard columns",
    ),
]
TableForm = Annotated[
    Form | None,
    typer.Option(
        "--table", help="Print the table in this format and nothing else; csv and json have all columns and digits."
    ),
]


def show_warnings() -> None:
    """Print each later warning about plugins once, in one line; leave other warnings to Python."""
    default = warnings.showwarning
    printed: set[str] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if not issubclass(category, PluginWarning):
            default(message, category, filename, lineno, file, line)
        elif str(message) not in printed:
            printed.add(str(message))
            typer.echo(f"warning: {message}", err=True)

    warnings.showwarning = show


def show_suite(folder: Path, form: Form | None = None) -> None:
    """Print the table over all studies of a suite.

    Raises:
        UserError: no study is finished.
    """
    from sgz_bench.core.errors import UserError
    from sgz_bench.reports.suite import open_suite, summary_tables, unfinished
    from sgz_bench.reports.tables.robustness import robustness_tables
    from sgz_bench.reports.tables.spreadsheets import comparison_records

    runs, over_stops = open_suite(folder), []
    with suppress(UserError):  # a damaged file costs its own table; the report names it
        over_stops = [table for table, _ in robustness_tables(folder).values()]
    tables = [*summary_tables(runs, unfinished(folder)), *over_stops]
    _show(tables, comparison_records([run.study for run in runs]), form)


def show_runs(
    runs: list[Path], *, columns: str | None = None, form: Form | None = None, side_by_side: bool = False
) -> list[str]:
    """Print the comparison table of finished runs; without ``form`` and ``columns`` also the table of costs.

    Returns:
        One line for each damaged file without which the table was made.

    Raises:
        UserError: a folder is not a finished run, the runs are not comparable, or there is no such column.
    """
    from sgz_bench.core.specs import split_list
    from sgz_bench.reports.run import FinishedRun
    from sgz_bench.reports.tables.combine import combine
    from sgz_bench.reports.tables.comparison import comparison_table
    from sgz_bench.reports.tables.spreadsheets import comparison_records
    from sgz_bench.reports.tables.table import cost_tables

    opened = [FinishedRun.open(run) for run in runs]
    studies, names = combine(opened, side_by_side=side_by_side), split_list(columns or "")
    replicates = [run.replicates for run in opened]
    comparison = comparison_table(studies, replicates, columns=names, with_costs=form is not None)
    costs = [] if form or names else cost_tables(studies)
    _show([comparison, *costs], comparison_records(studies), form)
    return [f"left out: {fault}" for run in opened for fault in run.faults]


def show_slices(run: Path, by: str, form: Form | None = None) -> None:
    """Print a run's table by class, or by an attribute of its images.

    Raises:
        UserError: the folder is not a finished run, or has no such attribute.
    """
    from sgz_bench.core.errors import UserError
    from sgz_bench.reports.run import FinishedRun
    from sgz_bench.reports.tables.forms import slices

    opened = FinishedRun.open(run)
    tables = slices(opened)
    if by not in tables and opened.faults:
        raise UserError(f"{run} has no table by {by!r}: {opened.faults[-1]}")
    if by not in tables:
        raise UserError(f"{run} has no table by {by!r}; --by takes {', '.join(tables) or 'nothing: no row was scored'}")
    table, records = tables[by]
    _show([table], records, form)


def _show(tables: list[Table], records: list[Record], form: Form | None) -> None:
    """Print tables in a format, or for a reader without one."""
    from sgz_bench.reports.tables.forms import FORMS

    if form:
        typer.echo(FORMS[form](tables, records), nl=False)
    else:
        show_tables(tables)


def show_tables(tables: Sequence[Table]) -> None:
    """Print tables as wide as the terminal, without one as COLUMNS says, else 100 columns."""
    import os
    import sys

    from rich.console import Console

    from sgz_bench.reports.tables.markup import print_table

    columns = os.environ.get("COLUMNS", "")
    width = None if sys.stdout.isatty() else int(columns) if columns.isdecimal() and int(columns) else 100
    console = Console(width=width, highlight=False)
    for number, table in enumerate(tables):
        console.print() if number else None
        print_table(table, console)
