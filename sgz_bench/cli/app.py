"""The ``sgz-bench`` command: every subcommand, and what a user sees of errors and interruptions."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from sgz_bench import __version__
from sgz_bench.core.cache import cache_folder
from sgz_bench.core.errors import UserError

from .commands import (
    choose,
    compare,
    data,
    detect,
    doctor,
    enhance,
    export,
    finetune,
    listing,
    plan,
    report,
    run,
    score,
    segment,
    submission,
    train,
    weights,
)
from .console import show_warnings
from .group import Commands

app = typer.Typer(
    name="sgz-bench",
    cls=Commands,
    help="Benchmark low-light enhancers in front of detectors and segmenters.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"sgz-bench {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Benchmark low-light enhancers in front of detectors and segmenters."""


app.command("enhance")(enhance.enhance)
app.command("export")(export.export)
app.command("detect")(detect.detect)
app.command("segment")(segment.segment)
app.command("train")(train.train)
app.command("run")(run.run)
app.command("finetune")(finetune.finetune)
app.command("score")(score.score)
app.command("submission")(submission.submission)
app.command("choose")(choose.choose)
app.command("compare")(compare.compare)
app.command("plan")(plan.plan)
app.command("report")(report.report)
app.command("list")(listing.listing)
app.add_typer(doctor.app, name="doctor")
app.add_typer(data.app, name="data")
app.add_typer(weights.app, name="weights")


def start() -> None:
    """Run the command line; print a user's mistake as one line on stderr and exit with code 2."""
    os.environ.setdefault(
        "MPLCONFIGDIR", str(cache_folder() / "matplotlib")
    )  # keeps matplotlib's font list out of the home folder
    debug = "--debug" in sys.argv
    if debug:  # accepted anywhere in the command line
        sys.argv.remove("--debug")
    show_warnings()
    try:
        app()
    except UserError as error:
        if debug:
            raise
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
