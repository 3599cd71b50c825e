"""``sgz-bench compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN [RUN…]", help="Folders of finished runs.")],
) -> None:
    """Print one table of all rows of several runs on the same data, split, classes and metrics.

    Models and darkenings may differ and get a column each. p-values stay corrected over the enhancers of their run.
    """
    import sys

    from rich.console import Console

    from sgz_bench.reports.combine import combine
    from sgz_bench.reports.markup import print_table
    from sgz_bench.reports.study import FinishedRun
    from sgz_bench.reports.tables import comparison_table

    opened = [FinishedRun.open(run) for run in runs]
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    print_table(comparison_table(combine(opened), [run.replicates for run in opened]), console)
