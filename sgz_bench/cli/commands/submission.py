"""``sgz-bench submission``: label maps for a benchmark server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def submission(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished segmentation run.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder for the PNGs; zip it for the server.")],
    enhancer: Annotated[str, typer.Option(metavar="SPEC", help="Enhancer whose label maps are written.")] = "raw",
    train_ids: Annotated[
        bool, typer.Option("--train-ids", help="Write trainIds instead of Cityscapes' labelIds.")
    ] = False,
) -> None:
    """Write a run's label maps in the format of the ACDC, Dark Zurich and Cityscapes servers."""
    from sgz_bench.benchmarks.submission import write_submission

    count = write_submission(run, enhancer, out.expanduser(), "train" if train_ids else "label")
    typer.echo(f"{count} label maps → {out}")
