"""Options of the commands that can run on several processors or machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial, wraps
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from .progress import LogJson

if TYPE_CHECKING:
    from sgz_bench.benchmarks.executors.settings import Execution

_option = partial(typer.Option, rich_help_panel="Execution")


@dataclass(frozen=True)
class TrainingExecutionOptions:
    """Options of an execution that trains models; each field is one option of the command line."""

    executor: Annotated[
        str | None,
        _option(
            metavar="NAME",
            help="local: this process; ray: worker processes, on this machine or on a Ray cluster.",
            show_default="local",
        ),
    ] = None
    address: Annotated[
        str | None,
        _option(
            metavar="HOST:PORT",
            help="Ray cluster to join, or auto for the one of this machine.",
            show_default="a Ray of its own on this machine",
        ),
    ] = None
    workers: Annotated[
        int | None,
        _option(
            min=1,
            metavar="N",
            help="Worker processes.",
            show_default="as many as the cluster has GPUs, or CPUs, for",
        ),
    ] = None
    gpus_per_worker: Annotated[
        float | None,
        _option(
            min=0,
            metavar="F",
            help="GPUs of a worker; a fraction lets several share one.",
            show_default="1 where there are GPUs",
        ),
    ] = None
    threads: Annotated[
        int | None,
        _option(
            min=1,
            metavar="N",
            help="CPU threads of each worker, or of this process; part of what decides the last digits.",
            show_default="local: all; ray: an equal share",
        ),
    ] = None
    log_json: LogJson = False


@dataclass(frozen=True)
class ExecutionOptions(TrainingExecutionOptions):
    """Options of an execution that runs studies."""

    shard: Annotated[
        int | None,
        _option(min=1, metavar="N", help="Images that a worker takes at a time, at most.", show_default="16"),
    ] = None
    ship: Annotated[
        bool | None,
        _option(
            "--ship", help="Send images to the workers, which share no disk with this machine.", show_default=False
        ),
    ] = None


def with_options(**kinds: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command each field of some dataclasses as an option, in place of its parameters of these names."""

    def parameters(kind: type[Any]) -> dict[str, Parameter]:
        hints = get_type_hints(kind, include_extras=True)
        return {
            each.name: Parameter(each.name, Parameter.KEYWORD_ONLY, default=each.default, annotation=hints[each.name])
            for each in fields(kind)
        }

    shared = {name: parameters(kind) for name, kind in kinds.items()}

    def give(command: Callable[..., None]) -> Callable[..., None]:
        own = [each for each in signature(command, eval_str=True).parameters.values() if each.name not in kinds]

        @wraps(command)
        def run(**given: Any) -> None:
            options = {name: kind(**{key: given.pop(key) for key in shared[name]}) for name, kind in kinds.items()}
            command(**given, **options)

        every = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in own]
        every += [each for options in shared.values() for each in options.values()]
        run.__signature__ = Signature(every)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in every}
        return run

    return give


def create_execution(options: TrainingExecutionOptions, settings: Mapping[str, Any] | None = None) -> Execution:
    """Return the execution that options ask for; an option that is not given is taken from a suite's settings.

    Raises:
        UserError: a value does not fit.
    """
    from pydantic import ValidationError

    from sgz_bench.benchmarks.executors.settings import Execution
    from sgz_bench.core.errors import UserError
    from sgz_bench.core.faults import first_fault

    given = {name: value for name, value in vars(options).items() if name in Execution.model_fields}
    given = {name: value for name, value in given.items() if value is not None}
    of_suite = dict(settings or {})
    if given.get("executor") == "local":  # overrides a suite's ray
        of_suite = {name: value for name, value in of_suite.items() if name == "threads"}
    try:
        return Execution.model_validate(of_suite | given)
    except ValidationError as error:
        raise UserError(first_fault(error, Execution)) from error
