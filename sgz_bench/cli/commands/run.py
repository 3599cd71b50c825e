"""``sgz-bench run``: a whole suite of studies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import DEVICE_HELP, show_suite
from ..study_options import Download, fetch, run_together

if TYPE_CHECKING:
    from sgz_bench.benchmarks.config import StudyConfig


def run(
    suite: Annotated[
        str,
        typer.Argument(
            metavar="SUITE|FILE.yaml",
            help="demo, enhancers, darkness-sweep, paper, exdark-frozen, acdc-night-frozen, or a file.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder; each study gets one of its own in it and goes on if cut off.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A variable of the suite, as coco128=DIR, or settings.FIELD=VALUE; repeatable."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the cells and which are finished.")] = False,
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "auto",
    download: Download = False,
) -> None:
    """Run every study of a grid, those on the same images at once; one that fails is named and stops no other."""
    from sgz_bench.benchmarks.run import held_by_another
    from sgz_bench.benchmarks.suite import load_suite, note_studies, together

    studies = load_suite(suite, settings or []).studies()
    if dry_run:
        faults = {
            model: _fault(*model) for model in dict.fromkeys((each.task, each.model) for each in studies.values())
        }
        for name, config in studies.items():
            typer.echo(name)
            another = held_by_another(config, out.expanduser() / name)
            if another:
                typer.echo(f"    its folder holds another study ({another}); choose another --out")
            for spec, state in _states(config, out.expanduser() / name):
                typer.echo(f"    {'to do' if another and state == 'done' else state:7} {spec}")
            if config.root and not config.root.expanduser().exists():
                typer.echo(f"    missing data set: there is no {config.root}")
            if fault := faults[config.task, config.model]:
                typer.echo(f"    missing model: {fault}")
        return
    missing: dict[str, str] = {}
    failed: list[str] = []
    studies = {name: _with_what_is_there(config, missing, download) for name, config in studies.items()}
    note_studies(out.expanduser(), studies)
    for group in together(studies):
        failed += run_together(group, out.expanduser(), device)
    finished = sum(1 for _ in out.expanduser().glob("*/results.jsonl"))
    if finished > 1:
        typer.echo()
        show_suite(out.expanduser())
    if finished:
        typer.echo(f"suite: {out}   report: sgz-bench report {out}")
    if missing or failed:  # last, lest a table of what was there before read like success
        typer.echo(f"\nfailed: {', '.join(failed) or 'none'}; left out: {', '.join(missing) or 'none'}", err=True)
        raise typer.Exit(1)


def _with_what_is_there(config: StudyConfig, missing: dict[str, str], download: bool) -> StudyConfig:
    """The study without the enhancers that cannot be had; each of them is named once."""
    from sgz_bench.core.errors import UserError
    from sgz_bench.enhancer import create_enhancer

    for spec in config.enhancers:
        if spec not in missing:
            try:
                fetch([spec] if download else ())
                create_enhancer(spec)
            except UserError as error:
                missing[spec] = str(error)
                typer.echo(f"left out: {spec}: {error}", err=True)
    return config.model_copy(update={"enhancers": tuple(spec for spec in config.enhancers if spec not in missing)})


def _fault(task: str, model: str) -> str:
    """Why a model cannot be had; empty where it can."""
    from sgz_bench.benchmarks.finetuning.index import FinetunedModels
    from sgz_bench.core.errors import UserError
    from sgz_bench.tasks.catalog import create_task

    try:
        if FinetunedModels.find(model) is None:
            create_task(task).create_model(model, "cpu")
    except UserError as error:
        return str(error)
    return ""


def _states(config: StudyConfig, folder: Path) -> Iterator[tuple[str, str]]:
    """Each enhancer with ``done``, ``to do``, or ``missing`` where its weights are."""
    from sgz_bench.benchmarks.results import read_rows
    from sgz_bench.core.errors import UserError
    from sgz_bench.enhancer import create_enhancer

    rows = read_rows(folder) if (folder / "results.jsonl").is_file() else []
    done = {row.enhancer for row in rows if row.status == "ok"}
    for spec in config.enhancers:
        try:
            yield spec, "done" if create_enhancer(spec).spec in done else "to do"
        except UserError:
            yield spec, "missing"
