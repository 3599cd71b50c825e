"""``sgz-bench enhance``: write enhanced copies of files and folders."""

from __future__ import annotations

import time
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import study_options as study
from ..progress import LogJson, progress_bar

if TYPE_CHECKING:
    from sgz_bench.enhancer.files.pipeline import ImageOutcome


class Format(StrEnum):
    """File formats of the outputs."""

    PNG = "png"
    JPG = "jpg"


def enhance(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT", help="Images, folders (searched recursively) or globs.")
    ],
    enhancer: Annotated[
        str, typer.Option(metavar="SPEC", help="Enhancer, such as clahe or gamma(gamma=0.5); see `list enhancers`.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the outputs; relative paths are kept.")],
    file_format: Annotated[Format, typer.Option("--format", help="PNG is exact, JPG is small.")] = Format.PNG,
    quality: Annotated[int, typer.Option(min=1, max=100, metavar="N", help="Quality of JPG outputs.")] = 95,
    compress: Annotated[
        int,
        typer.Option(
            min=0,
            max=9,
            metavar="N",
            help="Compression of PNG outputs: 1 is fast, 9 small; the pixels are the same.",
        ),
    ] = 1,
    compare: Annotated[
        bool, typer.Option("--compare", help="Also write original and enhanced image side by side, to DIR/compare.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing outputs.")] = False,
    device: study.Device = "auto",
    engine: study.Engine = "auto",
    precision: study.Precision = "fp32",
    download: study.Download = False,
    log_json: LogJson = False,
) -> None:
    """Write enhanced copies of images; exit code 1 if any image failed."""
    from sgz_bench.core.device import resolve_device
    from sgz_bench.enhancer import create_enhancer
    from sgz_bench.enhancer.files.inputs import plan_files
    from sgz_bench.enhancer.files.pipeline import enhance_files
    from sgz_bench.enhancer.runtime.choice import use_engine

    study.fetch([enhancer] if download else ())
    method = create_enhancer(enhancer)
    device = resolve_device(device)
    plan = plan_files(inputs, out, suffix=f".{file_format}", compare=compare)
    for note in plan.notes:
        typer.echo(f"note: {note}", err=True)
    use_engine(method, device, engine, precision)
    running = enhance_files(plan, method, quality=quality, compress=compress, force=force, device=device)
    outcomes, start = [], time.monotonic()
    failed = 0
    with progress_bar(method.name, log_json=log_json) as update:
        for outcome in running:
            outcomes.append(outcome)
            failed += outcome.status == "failed"
            if outcome.status != "skipped":  # skipped images come first and would distort the speed
                update(len(outcomes), len(plan.jobs), failed=failed)
        update(len(outcomes), len(plan.jobs), failed=failed)
    _summarize(outcomes, ignored=plan.ignored, out=out, seconds=time.monotonic() - start)
    if failed:
        raise typer.Exit(1)


def _summarize(outcomes: list[ImageOutcome], *, ignored: int, out: Path, seconds: float) -> None:
    """Print totals and reasons for skipping on stdout, and one line per failure on stderr."""
    count = Counter(outcome.status for outcome in outcomes)
    speed = f" ({count['done'] / seconds:.1f} images/s)" if count["done"] else ""
    typer.echo(f"{count['done']} enhanced, {count['skipped']} skipped, {count['failed']} failed{speed} → {out}")
    for reason, times in Counter(outcome.reason for outcome in outcomes if outcome.status == "skipped").items():
        typer.echo(f"skipped {times}: {reason} (--force overwrites it)")
    if ignored:
        typer.echo(f"ignored {ignored}: not an image by its suffix")
    for outcome in outcomes:
        if outcome.status == "failed":
            typer.echo(f"failed: {outcome.reason}", err=True)
