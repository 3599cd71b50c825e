"""Options of the commands that run studies, and running the studies they describe."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .execution_options import ExecutionOptions, create_execution
from .progress import watched

if TYPE_CHECKING:
    from sgz_bench.benchmarks.config import StudyConfig
    from sgz_bench.benchmarks.executors.job import Executor
    from sgz_bench.benchmarks.plan import Plan
    from sgz_bench.benchmarks.results import ResultRow
    from sgz_bench.tasks.models import Model

_MOST = 10  # lines of one kind

Root = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the data set.")]
Device = Annotated[str, typer.Option(metavar="NAME", help="auto (first GPU, else the CPU), cpu or cuda:N.")]
Engine = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Engine of the enhancers' networks: eager, torch, compile, fused, onnxruntime, openvino, or auto (fused "
        "for sgz and zero-dce-pp on a CPU, else eager).",
    ),
]
Precision = Annotated[
    str, typer.Option(metavar="NAME", help="fp32; bf16 with torch, compile or openvino; fp16 with torch or compile.")
]
Download = Annotated[
    bool, typer.Option("--download", help="Download missing weights of the enhancers, checked by their hash.")
]


@dataclass(frozen=True)
class StudyOptions:
    """Options that the studies of all tasks share; each field is one option of the command line."""

    root: Root = None
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Split, as the data set names it; by default its test or val.", show_default=False
        ),
    ] = None
    enhancers: Annotated[
        str | None,
        typer.Option(
            metavar="SPECS",
            help="Specs with commas, such as 'raw, clahe(clip=2.0), sgz(weights=FILE,scale=12)'. By default, a folder "
            "of finetuned models is tested with all enhancers it was trained with.",
            show_default="raw,gamma,clahe",
        ),
    ] = None
    darken: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="Darken images first by the low-light model, for example 'ev=3'; adds the undarkened row as upper "
            "bound.",
        ),
    ] = None
    class_map: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="YAML with lines such as `People: person` (data set class: model classes). By default, classes match "
            "by name.",
        ),
    ] = None
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="Metric besides those of the task: a plugin's name, package.module:Class or FILE.py:Class. May be "
            "repeated.",
            show_default=False,
        ),
    ] = None
    by: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Results by quartile of the raw image's luma, dark (share of dark pixels) or noise, with commas: "
            "a table and a figure each, on any data set. Costs no prediction when added later.",
            show_default=False,
        ),
    ] = None
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Use only N images, evenly spaced; the rows are marked as partial."),
    ] = None
    until: Annotated[
        str | None,
        typer.Option(
            metavar="±POINTS",
            help="Take images in random order and stop once every row is decided: its bound excludes 0 or is that "
            "narrow. Bounds hold at all looks, one every 100 images.",
            show_default=False,
        ),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of the run; an interrupted run resumes in it. By default runs/DATASET-SPLIT-MODEL.",
        ),
    ] = None
    device: Device = "auto"
    engine: Engine = "auto"
    precision: Precision = "fp32"
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of darkening noise and bootstrap.")] = 0
    replicates: Annotated[int, typer.Option(min=100, metavar="N", help="Bootstrap resamples of the images.")] = 1000
    permutations: Annotated[
        int, typer.Option(min=100, metavar="N", help="Without effect: p no longer comes from permutations.")
    ] = 1000
    download: Download = False


def fetch(enhancers: Iterable[str]) -> None:
    """Download the missing weights of enhancer specs.

    Raises:
        UserError: a file is not available.
    """
    from sgz_bench.enhancer.downloads import fetch_missing

    for spec in enhancers:
        for entry in fetch_missing(spec):
            typer.echo(f"fetched: {entry.enhancer}(weights={entry.tag}), {entry.size:,} bytes", err=True)


def study_config(
    task: str, dataset: str, model: str | None, options: StudyOptions, *, shipped: str, example: str, **further: Any
) -> StudyConfig:
    """Build the config of a study from the options of its command.

    Args:
        task, dataset: names of the task and the data set.
        model: spec or folder; None for the shipped model, which is trained for nightscene.
        options: shared options.
        shipped: name of the shipped model.
        example: model for the error message.
        further: fields of ``StudyConfig`` that only this task has an option for.

    Raises:
        UserError: a data set other than nightscene without a model, an empty list of enhancers, or a value that does
            not fit.
    """
    from pydantic import ValidationError

    from sgz_bench.benchmarks.config import StudyConfig
    from sgz_bench.core.errors import UserError
    from sgz_bench.core.faults import first_fault
    from sgz_bench.core.specs import parse_spec

    if model is None and parse_spec(dataset).name != "nightscene":
        raise UserError(f"--model is required for {dataset}, for example: --model {example}")
    model = model or shipped
    values = {name: value for name, value in vars(options).items() if name in StudyConfig.model_fields}
    values["until"] = _half_width(options)
    values |= {"enhancers": _enhancers(options.enhancers, model), "metrics": tuple(options.metrics or ())}
    values |= {"by": _statistics(options.by)}
    try:
        return StudyConfig(task=task, dataset=dataset, model=model, **values, **further)
    except ValidationError as error:
        setting, _, fault = first_fault(error, StudyConfig).partition(":")
        raise UserError(f"--{setting.replace('_', '-')}:{fault}") from error


def _half_width(options: StudyOptions) -> float | None:
    """Return the points of ``--until``.

    Raises:
        UserError: they are no number in (0, 100], or ``--limit`` is given, too.
    """
    from sgz_bench.benchmarks.config import UNTIL_OR_LIMIT, half_width
    from sgz_bench.core.errors import UserError

    if options.until is None:
        return None
    try:
        points = half_width(options.until)
    except ValueError as error:
        raise UserError(f"--until {error}") from error
    if options.limit is not None:
        raise UserError(f"--until {options.until} with --limit {options.limit}: {UNTIL_OR_LIMIT}")
    return points


def _statistics(names: str | None) -> tuple[str, ...]:
    """Return the statistics that ``--by`` names.

    Raises:
        UserError: there is no such statistic, or the list is empty.
    """
    from sgz_bench.benchmarks.config import known_statistics
    from sgz_bench.core.errors import UserError

    try:
        chosen = known_statistics(names or ())
    except ValueError as error:
        raise UserError(f"--by {names}: {error}") from error
    if names is not None and not chosen:
        raise UserError("--by is empty; name at least one statistic, such as luma, or leave it out")
    return chosen


def _enhancers(specs: str | None, model: str) -> tuple[str, ...]:
    """Return the named enhancers, by default those of a folder of finetuned models, or raw, gamma and clahe.

    Raises:
        UserError: the list is empty.
    """
    from sgz_bench.benchmarks.finetuning.index import FinetunedModels
    from sgz_bench.core.errors import UserError
    from sgz_bench.core.specs import split_list

    finetuned = FinetunedModels.find(model)
    if specs is None:
        return tuple(finetuned.enhancers) if finetuned else ("raw", "gamma", "clahe")
    if not split_list(specs):
        raise UserError("--enhancers is empty; name at least one, such as raw")
    return tuple(split_list(specs))


def run_study(config: StudyConfig, options: StudyOptions, execution: ExecutionOptions) -> None:
    """Download weights if asked to, plan, run and print the table; exit with code 1 if a cell failed.

    Raises:
        UserError: a part of the config that does not exist or does not fit.
    """
    from sgz_bench.benchmarks.executors.opening import opened
    from sgz_bench.benchmarks.plan import make_plan
    from sgz_bench.benchmarks.run import run_plan
    from sgz_bench.core.device import resolve_device

    from .console import show_runs

    device = resolve_device(options.device)
    wanted = create_execution(execution)
    fetch(config.enhancers if options.download else ())
    said: list[str] = []
    with opened(wanted, device) as executor:
        plan = make_plan(config, device)
        for line in _notes(plan):
            typer.echo(line, err=True)
        folder = options.out.expanduser() if options.out else Path("runs") / _default_name(plan)
        with watched(log_json=execution.log_json) as progress:
            rows = run_plan(plan, folder, device=device, executor=executor, progress=progress, say=said.append)
    show_runs([folder])
    typer.echo(f"run: {folder}   report: sgz-bench report {folder}")
    for line in (*said, *_left_out(rows)):  # printed last, where a user reads
        typer.echo(line, err=True)
    if any(row.status != "ok" or row.skipped for row in rows):
        raise typer.Exit(1)


def _left_out(rows: Sequence[ResultRow]) -> list[str]:
    """Return lines that name the images that no row has, and the reason of each; at most ten."""
    skipped = rows[0].skipped if rows else []
    named = [
        each["reason"] if each["image"] in each["reason"] else f"{each['image']}: {each['reason']}" for each in skipped
    ]
    lines = [f"left out: {line}" for line in named[:_MOST]]
    if len(skipped) > _MOST:
        lines.append(f"left out: … and {len(skipped) - _MOST} more; see `skipped` in results.jsonl")
    return lines


def run_together(
    studies: Mapping[str, StudyConfig], out: Path, device: str, executor: Executor, *, log_json: bool = False
) -> list[str]:
    """Plan and run several studies at once, each in its own folder in ``out``, and print their tables.

    Args:
        studies: configs by name.
        out: folder of the suite.
        device: torch device.
        executor: predicts what is missing.
        log_json: write the progress as JSON.

    Returns:
        Names of the studies that failed, in whole or in part; they do not stop the others.
    """
    from sgz_bench.benchmarks.plan import make_plan
    from sgz_bench.benchmarks.run import run_plans
    from sgz_bench.core.errors import UserError

    from .console import show_runs

    plans: dict[str, Plan] = {}
    failed: list[str] = []

    def fail(name: str, error: UserError) -> None:
        failed.append(name)
        typer.echo(f"failed: {name}: {error}", err=True)

    for name, config in studies.items():
        try:
            plans[name] = make_plan(config, device)
        except UserError as error:
            fail(name, error)
    for line in dict.fromkeys(line for plan in plans.values() for line in _notes(plan)):
        typer.echo(line, err=True)
    said: list[str] = []
    with watched(log_json=log_json) as progress:
        folders = [(plan, out / name) for name, plan in plans.items()]
        results = run_plans(folders, device=device, executor=executor, progress=progress, say=said.append)
    for name, rows in zip(plans, results, strict=True):
        typer.echo(f"\n== {name}")
        try:
            if isinstance(rows, UserError):
                raise rows
            show_runs([out / name])
        except UserError as error:
            fail(name, error)
            continue
        typer.echo(f"run: {out / name}   report: sgz-bench report {out / name}")
        for line in _left_out(rows):
            typer.echo(line, err=True)
        if any(row.status != "ok" or row.skipped for row in rows):
            failed.append(name)
    for line in dict.fromkeys(said):
        typer.echo(line, err=True)
    return failed


def _notes(plan: Plan) -> list[str]:
    """Return lines about skipped images, terms of use, and classes that are not scored."""
    from sgz_bench.core.errors import printable
    from sgz_bench.tasks.problems import summarize

    lines = [printable(f"note: {note}") for note in plan.dataset.notes]
    problems = summarize(plan.dataset.problems, len(plan.dataset.samples))
    lines += [f"{'doubtful' if problem.doubt else 'skipped'}: {problem}" for problem in problems[:10]]
    if len(problems) > 10:
        lines.append(f"skipped: … and {len(problems) - 10} more; see `sgz-bench data check`")
    models = {cell.model.spec: cell.model for cell in plan.cells}
    lines += [f"note: {model.source}: {note}" for model in models.values() for note in model.notes]
    lines += [f"note: {line}" for model in models.values() for line in _unseen(plan.config.conf, model)]
    lines += [f"note: terms of the weights of {label}: {terms}" for label, terms in plan.terms.items()]
    missing = sorted(set(plan.dataset.class_names) - set(plan.space.class_names))
    if missing and not plan.config.classes:
        lines.append(f"not scored, because the model does not have these classes: {', '.join(missing)}")
    return lines


def _unseen(conf: float | None, model: Model) -> list[str]:
    """Return a line about boxes that the model itself leaves out although the operating point would count them."""
    lowest = model.settings.get("conf")
    if conf is None or not isinstance(lowest, int | float) or conf >= lowest:
        return []
    return [
        f"{model.source} returns no box scored below its conf={lowest:g}, so the operating point conf={conf:g} counts"
        f" the same boxes as conf={lowest:g}; lower the model's conf to count more"
    ]


def _default_name(plan: Plan) -> str:
    """Return the folder name of a run: data set, split, model and darkening."""
    model = plan.model if plan.protocol == "finetune" else plan.cells[0].model.source
    parts = (plan.dataset.name, plan.dataset.split, model, plan.config.darken)
    words = [Path(part).stem if "/" in part else part for part in parts if part]
    return "-".join(re.sub(r"[^A-Za-z0-9.=_-]+", "_", word) for word in words)
