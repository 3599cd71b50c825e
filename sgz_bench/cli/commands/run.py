"""``sgz-bench run``: run a suite of studies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import show_suite
from ..execution_options import ExecutionOptions, create_execution, with_options
from ..study_options import Device, Download, fetch, run_together

if TYPE_CHECKING:
    from sgz_bench.benchmarks.config import StudyConfig
    from sgz_bench.benchmarks.rehearsal import Rehearsal


@with_options(execution=ExecutionOptions)
def run(
    suite: Annotated[
        str,
        typer.Argument(
            metavar="SUITE|FILE.yaml",
            help="Shipped suite (demo, enhancers, darkness-sweep, paper, exdark-frozen, acdc-night-frozen) or a file.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="Folder of the suite, with one folder per study; an interrupted suite resumes in it."
        ),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Variable of the suite, such as coco128=DIR, or settings.FIELD=VALUE; may be repeated.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the cells, whether they are finished, and what is missing or unfit; run nothing.",
        ),
    ] = False,
    device: Device = "auto",
    download: Download = False,
    *,
    execution: ExecutionOptions,
) -> None:
    """Run all studies of a grid; studies on the same images run together, and a failed study stops no other."""
    from sgz_bench.benchmarks.decisions.sweep import write_robustness
    from sgz_bench.benchmarks.executors.opening import opened
    from sgz_bench.benchmarks.rehearsal import Rehearsal
    from sgz_bench.benchmarks.suite import load_suite, note_studies, together
    from sgz_bench.core.device import resolve_device

    loaded = load_suite(suite, settings or [])
    studies = loaded.studies(suite)
    wanted = create_execution(execution, loaded.execution)
    rehearsal = Rehearsal()
    if dry_run:
        ready = [_rehearsed(name, config, out.expanduser() / name, rehearsal) for name, config in studies.items()]
        if not all(ready):
            raise typer.Exit(1)
        return
    missing: dict[str, str] = {}
    failed: list[str] = []
    studies = {name: _available(config, missing, download) for name, config in studies.items()}
    note_studies(out.expanduser(), studies)
    device = resolve_device(device)
    with opened(wanted, device) as predict:
        for group in together(studies):
            failed += run_together(group, out.expanduser(), device, predict, log_json=execution.log_json)
    write_robustness(out.expanduser(), lambda line: typer.echo(line, err=True))
    finished = sum(1 for _ in out.expanduser().glob("*/results.jsonl"))
    if finished > 1:
        typer.echo()
        show_suite(out.expanduser())
    if finished:
        typer.echo(f"suite: {out}   report: sgz-bench report {out}")
    if missing or failed:  # printed last: a table of earlier runs must not look like success
        typer.echo(f"\nfailed: {', '.join(failed) or 'none'}; left out: {', '.join(missing) or 'none'}", err=True)
        raise typer.Exit(1)


def _available(config: StudyConfig, missing: dict[str, str], download: bool) -> StudyConfig:
    """Drop the enhancers that are not available from a study; print each once and add it to ``missing``."""
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


def _rehearsed(name: str, config: StudyConfig, folder: Path, rehearsal: Rehearsal) -> bool:
    """Print the cells of a study and what it lacks; return True if it can run."""
    from sgz_bench.benchmarks.manifest import held_by_another

    typer.echo(name)
    difference = held_by_another(config, folder)
    if difference:
        typer.echo(f"    its folder holds another study ({difference}); choose another --out")
    states = list(_states(config, folder))
    for spec, state in states:
        typer.echo(f"    {'to do' if difference and state == 'done' else state:7} {spec}")
    faults = rehearsal.faults(config)
    for fault in faults:
        typer.echo(f"    {fault}")
    return not (difference or faults or any(state == "missing" for _, state in states))


def _states(config: StudyConfig, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each enhancer with ``done``, ``to do``, or ``missing`` if its weights are not available."""
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
