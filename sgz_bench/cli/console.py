"""What all subcommands share: the words for a device and for tables, warnings, the progress bar."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from sgz_bench.core.errors import PluginWarning

if TYPE_CHECKING:
    from sgz_bench.reports.tables.spreadsheets import Record
    from sgz_bench.reports.tables.table import Table

DEVICE_HELP = "auto, cpu or cuda:N; auto takes the first GPU, else the CPU."


class Form(StrEnum):
    """What a table is printed as, for whatever comes after the pipe."""

    MD = "md"
    TEX = "tex"
    CSV = "csv"
    JSON = "json"


Columns = Annotated[
    str | None,
    typer.Option(
        help="Columns of the comparison, e.g. AP50,dAP50,p,ms; d: difference from raw. An unknown name lists all.",
        show_default="the usual ones",
    ),
]
TableForm = Annotated[
    Form | None,
    typer.Option("--table", help="Print the table as this and nothing else; csv and json have all columns and digits."),
]


def show_warnings() -> None:
    """From here on print what is said of plugins in one line, once, and other warnings as Python does."""
    otherwise = warnings.showwarning
    said: set[str] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if not issubclass(category, PluginWarning):
            otherwise(message, category, filename, lineno, file, line)
        elif str(message) not in said:
            said.add(str(message))
            typer.echo(f"warning: {message}", err=True)

    warnings.showwarning = show


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr with images/s and the time left; yields ``update(done, total)``. Silent where nobody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=None, rate="")
        first: list[int] = []

        def update(done: int, total: int) -> None:
            first.append(done) if not first else None
            elapsed = progress.tasks[0].elapsed or 0
            rate = f"{(done - first[0]) / elapsed:.1f} images/s" if elapsed > 0 and done > first[0] else ""
            progress.update(task, completed=done, total=total, rate=rate)

        try:
            yield update
        except KeyboardInterrupt:
            typer.echo("interrupted; what is finished is kept, repeat the command to go on", err=True)
            raise typer.Exit(130) from None


def show_suite(folder: Path, form: Form | None = None) -> None:
    """Print the table over all studies of a suite.

    Raises:
        UserError: none is finished.
    """
    from sgz_bench.reports.suite import open_suite, summary_tables, unfinished
    from sgz_bench.reports.tables.spreadsheets import comparison_records

    runs = open_suite(folder)
    _show(summary_tables(runs, unfinished(folder)), comparison_records([run.study for run in runs]), form)


def show_runs(
    runs: list[Path], *, columns: str | None = None, form: Form | None = None, side_by_side: bool = False
) -> None:
    """Print the comparison table of finished runs; in the terminal costs get a table of their own.

    Raises:
        UserError: a folder is no finished run, the runs must not share a table, or a column that there is not.
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


def show_slices(run: Path, by: str, form: Form | None = None) -> None:
    """Print a run's table by class, or by an attribute of its images.

    Raises:
        UserError: not a finished run, or it has no such attribute.
    """
    from sgz_bench.core.errors import UserError
    from sgz_bench.reports.run import FinishedRun
    from sgz_bench.reports.tables.forms import slices

    found = slices(FinishedRun.open(run))
    if by not in found:
        raise UserError(f"{run} has no table by {by!r}; --by takes {', '.join(found) or 'nothing: no row was scored'}")
    table, records = found[by]
    _show([table], records, form)


def _show(tables: list[Table], records: list[Record], form: Form | None) -> None:
    """As wide as the terminal, 100 columns where there is none; in a form as it is."""
    import sys

    from rich.console import Console

    from sgz_bench.reports.tables.forms import FORMS
    from sgz_bench.reports.tables.markup import print_table

    if form:
        typer.echo(FORMS[form](tables, records), nl=False)
        return
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    for place, table in enumerate(tables):
        console.print() if place else None
        print_table(table, console)
