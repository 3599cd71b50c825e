"""``sgz-bench detect``: a detector on raw and on enhanced images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sgz_bench.console import DEVICE_HELP


def detect(
    model: Annotated[
        str | None,
        typer.Option(
            help="FAMILY:PATH, families ultralytics, torchvision, yolox and plugins; the family may be left out for "
            ".pt files and torchvision's names. Settings in parentheses: 'yolov8n.pt(imgsz=640,conf=0.001,nms_iou=0.7,"
            "max_det=300)' are YOLO's defaults. Default for nightscene: nightscene-yolo, which comes with the package.",
            show_default=False,
        ),
    ] = None,
    dataset: Annotated[
        str,
        typer.Option(
            help="nightscene (rendered; 'nightscene(frames=240,seed=7,ev=4)' are its defaults), exdark, coco, yolo, a "
            "plugin, or the path of a data.yaml."
        ),
    ] = "nightscene",
    root: Annotated[Path | None, typer.Option(help="Folder of the data set.")] = None,
    split: Annotated[
        str | None, typer.Option(help="As the data set names it; its own default is its test or val.")
    ] = None,
    enhancers: Annotated[
        str, typer.Option(help="Comma list of specs, e.g. 'raw,clahe(clip=2.0),sgz(weights=FILE,scale=12)'.")
    ] = "raw,gamma,clahe",
    darken: Annotated[
        str | None,
        typer.Option(help="Darken first by the low-light model, e.g. 'ev=3'; adds the undarkened row as upper bound."),
    ] = None,
    class_map: Annotated[
        Path | None,
        typer.Option(
            help="YAML of lines such as `People: person`; by default classes match by name, and ExDark's from COCO's."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only N images, evenly spaced; the rows are marked as partial.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the run; a run that was cut off goes on. Default: runs/DATASET-SPLIT-MODEL."),
    ] = None,
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Of darkening noise, bootstrap and permutations.")] = 0,
    replicates: Annotated[int, typer.Option(min=100, help="Bootstrap resamples of the images.")] = 1000,
    permutations: Annotated[int, typer.Option(min=100, help="Permutations of the test.")] = 1000,
) -> None:
    """Compare a detector on raw and on enhanced images, with paired intervals."""
    from sgz_bench.benchmarks.config import DetectConfig
    from sgz_bench.benchmarks.plan import make_plan
    from sgz_bench.benchmarks.run import run_plan
    from sgz_bench.console import progress_bar, show_runs
    from sgz_bench.enhancer.device import resolve_device
    from sgz_bench.enhancer.errors import UserError
    from sgz_bench.enhancer.specs import parse_spec, split_list

    if model is None:
        if parse_spec(dataset).name != "nightscene":
            raise UserError(f"say which --model is to see {dataset}, e.g. --model yolov8n.pt")
        model = "nightscene-yolo"
    if not split_list(enhancers):
        raise UserError("--enhancers is empty; name at least one, such as raw")
    config = DetectConfig(
        dataset=dataset,
        root=root,
        split=split,
        model=model,
        enhancers=tuple(split_list(enhancers)),
        darken=darken,
        class_map=class_map,
        limit=limit,
        seed=seed,
        replicates=replicates,
        permutations=permutations,
    )
    chosen = resolve_device(device)
    plan = make_plan(config, chosen)
    for note in plan.dataset.notes:
        typer.echo(f"note: {note}", err=True)
    for problem in plan.dataset.problems[:10]:
        typer.echo(f"skipped: {problem}", err=True)
    if len(plan.dataset.problems) > 10:
        typer.echo(f"skipped: … and {len(plan.dataset.problems) - 10} more; see `sgz-bench data check`", err=True)
    missing = sorted(set(plan.dataset.class_names) - set(plan.class_names))
    if missing:
        typer.echo(f"not scored, as the model has no such class: {', '.join(missing)}", err=True)
    folder = (
        out.expanduser()
        if out
        else Path("runs") / _default_name(plan.dataset.name, plan.dataset.split, plan.detector.source, darken)
    )
    with progress_bar(f"{len(plan.cells)} cells") as update:
        rows = run_plan(plan, folder, device=chosen, progress=update)
    show_runs([folder])
    typer.echo(f"run: {folder}   report: sgz-bench report {folder}")
    if any(row.status != "ok" for row in rows):
        raise typer.Exit(1)


def _default_name(*parts: str | None) -> str:
    import re

    words = [Path(part).stem if "/" in part else part for part in parts if part]
    return "-".join(re.sub(r"[^A-Za-z0-9.=_-]+", "_", word) for word in words)
