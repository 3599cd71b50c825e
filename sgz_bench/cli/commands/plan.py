"""``sgz-bench plan``: the number of images that decides a difference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def plan(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    effect: Annotated[
        float, typer.Option(metavar="POINTS", help="Difference to decide, in points of AP50 or mIoU.")
    ] = 1.0,
    power: Annotated[float, typer.Option(metavar="SHARE", help="Probability to show a difference of that size.")] = 0.8,
    enhancer: Annotated[
        str | None, typer.Option(metavar="SPEC", help="Plan for this enhancer of the run.", show_default="all")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON with all digits.")] = False,
) -> None:
    """Estimate from a run how many images like its own decide a difference of some points."""
    from sgz_bench.benchmarks.decisions.evidence import Evidence
    from sgz_bench.benchmarks.decisions.planning import as_json, check, plan_images

    check(effect, power)
    planning = plan_images(Evidence.read(run.expanduser()), effect, power, enhancer)
    if json_output:
        from sgz_bench.core.files import to_json

        typer.echo(to_json(as_json(planning)), nl=False)
        return

    from sgz_bench.reports.tables.planning import planning_table

    from ..console import show_tables

    show_tables([planning_table(planning)])
    typer.echo(planning.verdict)
