"""What all subcommands share: the words for a device, warnings, the progress bar."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import typer

from sgz_bench.enhancer.errors import PluginWarning

if TYPE_CHECKING:
    from rich.console import Console

DEVICE_HELP = "auto, cpu or cuda:N; auto takes the first GPU, else the CPU."


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


def show_suite(folder: Path) -> None:
    """Print the table over all studies of a suite.

    Raises:
        UserError: none is finished.
    """
    from sgz_bench.reports.markup import print_table
    from sgz_bench.reports.suite import open_suite, summary_tables

    for table in summary_tables(open_suite(folder)):
        print_table(table, _console())


def _console() -> Console:
    """As wide as the terminal, 100 columns where there is none."""
    import sys

    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 100, highlight=False)


def show_runs(runs: list[Path]) -> None:
    """Print the comparison table of finished runs, as wide as the terminal, 100 columns where there is none.

    Raises:
        UserError: a folder is no finished run, or the runs must not share a table.
    """
    from sgz_bench.reports.combine import combine
    from sgz_bench.reports.comparison import comparison_table
    from sgz_bench.reports.markup import print_table
    from sgz_bench.reports.study import FinishedRun
    from sgz_bench.reports.tables import cost_table

    opened = [FinishedRun.open(run) for run in runs]
    console, studies = _console(), combine(opened)
    print_table(comparison_table(studies, [run.replicates for run in opened], with_costs=False), console)
    for study in studies:
        costs = cost_table(study)
        if costs is not None:
            console.print()
            print_table(costs, console)
