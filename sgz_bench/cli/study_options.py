"""What ``detect`` and ``segment`` share: their options, and running the study that they describe."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import DEVICE_HELP

if TYPE_CHECKING:
    from sgz_bench.benchmarks.config import StudyConfig
    from sgz_bench.benchmarks.plan import Plan

Root = Annotated[Path | None, typer.Option(help="Folder of the data set.")]
Split = Annotated[
    str | None, typer.Option(help="As the data set names it; its own default is its test or val.", show_default=False)
]
Enhancers = Annotated[
    str | None,
    typer.Option(
        help="Comma list of specs, e.g. 'raw,clahe(clip=2.0),sgz(weights=FILE,scale=12)'. For a folder of finetuned "
        "models all that it was trained with.",
        show_default="raw,gamma,clahe",
    ),
]
Darken = Annotated[
    str | None,
    typer.Option(help="Darken first by the low-light model, e.g. 'ev=3'; adds the undarkened row as upper bound."),
]
ClassMap = Annotated[
    Path | None,
    typer.Option(help="YAML of lines such as `People: person` (data set class: model classes); by default by name."),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        help="A metric besides the task's own: a plugin's name, package.module:Class or FILE.py:Class; repeatable.",
        show_default=False,
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Only N images, evenly spaced; the rows are marked as partial.")]
Engine = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What runs the enhancers' networks: auto (fused for sgz and zero-dce-pp on a CPU, else eager), eager, "
        "torch, compile, fused, onnxruntime, openvino.",
    ),
]
Precision = Annotated[
    str, typer.Option(metavar="NAME", help="fp32; bf16 with torch, compile or openvino; fp16 with torch or compile.")
]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder of the run; a run that was cut off goes on. Default: runs/DATASET-SPLIT-MODEL."),
]
Device = Annotated[str, typer.Option(help=DEVICE_HELP)]
Seed = Annotated[int, typer.Option(min=0, help="Of darkening noise, bootstrap and permutations.")]
Replicates = Annotated[int, typer.Option(min=100, help="Bootstrap resamples of the images.")]
Permutations = Annotated[int, typer.Option(min=100, help="Permutations of the test.")]
Download = Annotated[
    bool,
    typer.Option(
        "--download", help="Fetch weights of the enhancers that are not on this machine, checked by their hash."
    ),
]


def fetch(enhancers: Iterable[str]) -> None:
    """Download the weights that specs need and that are not on this machine.

    Raises:
        UserError: a file that cannot be had.
    """
    from sgz_bench.enhancer.downloads import fetch_missing

    for spec in enhancers:
        for entry in fetch_missing(spec):
            typer.echo(f"fetched: {entry.enhancer}(weights={entry.tag}), {entry.size:,} bytes", err=True)


def chosen_model(model: str | None, dataset: str, shipped: str, example: str) -> str:
    """The model that was named, or for nightscene the one that comes with the package.

    Raises:
        UserError: another data set, and no model.
    """
    from sgz_bench.core.errors import UserError
    from sgz_bench.core.specs import parse_spec

    if model is None and parse_spec(dataset).name != "nightscene":
        raise UserError(f"--model is required for {dataset}, for example: --model {example}")
    return model or shipped


def chosen_enhancers(enhancers: str | None, model: str) -> tuple[str, ...]:
    """The enhancers that were named, or those that a folder of finetuned models has, or a usual few.

    Raises:
        UserError: an empty list.
    """
    from sgz_bench.benchmarks.finetuning.index import FinetunedModels
    from sgz_bench.core.errors import UserError
    from sgz_bench.core.specs import split_list

    finetuned = FinetunedModels.find(model)
    if enhancers is None:
        return tuple(finetuned.enhancers) if finetuned else ("raw", "gamma", "clahe")
    if not split_list(enhancers):
        raise UserError("--enhancers is empty; name at least one, such as raw")
    return tuple(split_list(enhancers))


def run_study(config: StudyConfig, out: Path | None, device: str, *, download: bool = False) -> None:
    """Plan, run, print the table; exit code 1 where a cell failed. With ``download`` missing weights are fetched first.

    Raises:
        UserError: anything of the config that does not exist or does not fit.
    """
    from sgz_bench.benchmarks.plan import make_plan
    from sgz_bench.benchmarks.run import run_plan
    from sgz_bench.core.device import resolve_device

    from .console import progress_bar, show_runs

    chosen = resolve_device(device)
    fetch(config.enhancers if download else ())
    plan = make_plan(config, chosen)
    for line in _what_is_odd(plan):
        typer.echo(line, err=True)
    folder = out.expanduser() if out else Path("runs") / _default_name(plan)
    with progress_bar(f"{len(plan.cells)} cells") as update:
        rows = run_plan(plan, folder, device=chosen, progress=update)
    show_runs([folder])
    typer.echo(f"run: {folder}   report: sgz-bench report {folder}")
    if any(row.status != "ok" for row in rows):
        raise typer.Exit(1)


def run_together(studies: Mapping[str, StudyConfig], out: Path, device: str) -> list[str]:
    """Plan and run studies at once, each in its own folder in ``out``, and print their tables.

    Returns:
        The studies that failed, in whole or in part; they do not stop the others.
    """
    from sgz_bench.benchmarks.plan import make_plan
    from sgz_bench.benchmarks.run import run_plans
    from sgz_bench.core.device import resolve_device
    from sgz_bench.core.errors import UserError

    from .console import progress_bar, show_runs

    chosen = resolve_device(device)
    plans: dict[str, Plan] = {}
    failed: list[str] = []

    def fail(name: str, error: UserError) -> None:
        failed.append(name)
        typer.echo(f"failed: {name}: {error}", err=True)

    for name, config in studies.items():
        try:
            plans[name] = make_plan(config, chosen)
        except UserError as error:
            fail(name, error)
    for line in dict.fromkeys(line for plan in plans.values() for line in _what_is_odd(plan)):
        typer.echo(line, err=True)
    with progress_bar(f"{sum(len(plan.cells) for plan in plans.values())} cells") as update:
        found = run_plans([(plan, out / name) for name, plan in plans.items()], device=chosen, progress=update)
    for name, rows in zip(plans, found, strict=True):
        typer.echo(f"\n== {name}")
        try:
            if isinstance(rows, UserError):
                raise rows
            show_runs([out / name])
        except UserError as error:
            fail(name, error)
            continue
        typer.echo(f"run: {out / name}   report: sgz-bench report {out / name}")
        if any(row.status != "ok" for row in rows):
            failed.append(name)
    return failed


def _what_is_odd(plan: Plan) -> list[str]:
    """Lines on what was left out, and on terms of use."""
    lines = [f"note: {note}" for note in plan.dataset.notes]
    lines += [f"skipped: {problem}" for problem in plan.dataset.problems[:10]]
    if len(plan.dataset.problems) > 10:
        lines.append(f"skipped: … and {len(plan.dataset.problems) - 10} more; see `sgz-bench data check`")
    lines += [f"note: terms of the weights of {label}: {terms}" for label, terms in plan.terms.items()]
    missing = sorted(set(plan.dataset.class_names) - set(plan.space.class_names))
    if missing and not plan.config.classes:
        lines.append(f"not scored, as the model has no such class: {', '.join(missing)}")
    return lines


def _default_name(plan: Plan) -> str:
    model = plan.model if plan.protocol == "finetune" else plan.cells[0].model.source
    parts = (plan.dataset.name, plan.dataset.split, model, plan.config.darken)
    words = [Path(part).stem if "/" in part else part for part in parts if part]
    return "-".join(re.sub(r"[^A-Za-z0-9.=_-]+", "_", word) for word in words)
