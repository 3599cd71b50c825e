"""``sgz-bench choose``: the enhancer to deploy, chosen on some images and measured on others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import show_tables


def choose(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    validation: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Choose on this run, with the same model and classes on other images, and measure on RUN.",
            show_default="cross-fitting: choose on one half of RUN's images, measure on the other",
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS",
            help="Ask for less: no worse than raw by more than so many points (non-inferiority), such as 0.5.",
            show_default="better than raw",
        ),
    ] = None,
    gates: Annotated[
        bool,
        typer.Option("--gates", help="Add gates of every enhancer, gate(X,luma<t), at the deciles of brightness."),
    ] = False,
    ranks: Annotated[
        bool, typer.Option("--ranks", help="Add each row's probability of being the best and its rank interval.")
    ] = False,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", help="Seed of halvings and resamples.", min=0, show_default="that of the run"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object and nothing else; metrics are in [0, 1].")
    ] = False,
) -> None:
    """Choose the enhancer to deploy, or none, and tell what the choice gains on images that had no part in it.

    The best of many enhancers on some images is partly the luckiest one, so its difference from raw there is too high.
    The verdict is "deploy X", "deploy none", or "these images do not decide it".
    """
    from sgz_bench.benchmarks.decisions.choice import choose as chosen
    from sgz_bench.benchmarks.decisions.evidence import Evidence
    from sgz_bench.benchmarks.decisions.ranks import rank
    from sgz_bench.core.files import to_json
    from sgz_bench.reports.tables.choice import choice_lines, choice_table

    evidence = Evidence.read(run.expanduser())
    choice = chosen(
        evidence, Evidence.read(validation.expanduser()) if validation else None, margin=margin, gates=gates, seed=seed
    )
    ranked = rank(evidence) if ranks else None
    if as_json:
        typer.echo(to_json({**choice.to_dict(), **({"ranks": ranked.to_dict()} if ranked else {})}), nl=False)
        return
    show_tables([choice_table(choice, ranked)])
    typer.echo()
    for line in choice_lines(choice):
        typer.echo(line)
