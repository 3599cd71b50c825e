"""Options of the commands that can run on several processors or machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sgz_bench.benchmarks.executors.settings import Execution

_PANEL = "Execution"
Executor = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="local: this process; ray: worker processes, on this machine or on a Ray cluster.",
        show_default="local",
        rich_help_panel=_PANEL,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Ray cluster to join, or auto for the one of this machine.",
        show_default="a Ray of its own on this machine",
        rich_help_panel=_PANEL,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Worker processes.",
        show_default="as many as the cluster has GPUs, or CPUs, for",
        rich_help_panel=_PANEL,
    ),
]
GpusPerWorker = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="F",
        help="GPUs of a worker; a fraction lets several share one.",
        show_default="1 where there are GPUs",
        rich_help_panel=_PANEL,
    ),
]
Shard = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Images that a worker takes at a time, at most.",
        show_default="16",
        rich_help_panel=_PANEL,
    ),
]
Ship = Annotated[
    bool | None,
    typer.Option(
        "--ship",
        help="Send images to the workers, which share no disk with this machine.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="CPU threads of each worker, or of this process; part of what decides the last digits.",
        show_default="local: all; ray: an equal share",
        rich_help_panel=_PANEL,
    ),
]


def execution(given: Mapping[str, Any], settings: Mapping[str, Any] | None = None) -> Execution:
    """Return the execution that options ask for; an option that is not given is taken from a suite's settings.

    Raises:
        UserError: a value does not fit.
    """
    from pydantic import ValidationError

    from sgz_bench.benchmarks.executors.settings import Execution
    from sgz_bench.core.errors import UserError
    from sgz_bench.core.faults import first_fault

    options = {name: given[name] for name in Execution.model_fields if given.get(name) is not None}
    of_suite = dict(settings or {})
    if options.get("executor") == "local":  # overrides a suite's ray
        of_suite = {name: value for name, value in of_suite.items() if name == "threads"}
    try:
        return Execution.model_validate(of_suite | options)
    except ValidationError as error:
        raise UserError(first_fault(error, Execution)) from error
