"""``sgz-bench score``: score predictions from a file, without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def score(
    predictions: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="COCO results: a list of objects with image_id, category_id, bbox and score."
        ),
    ],
    truth: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="COCO truth; by default truth.json of the run that holds the predictions."),
    ] = None,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print JSON with all digits and the metrics per class.")
    ] = False,
) -> None:
    """Score predictions from a file: COCO AP as pycocotools defines it, and VOC AP50."""
    import json

    from sgz_bench.core.errors import UserError
    from sgz_bench.tasks.detection.metrics import evaluate

    results = _read(predictions, "predictions")
    above = predictions.resolve().parents
    if truth is None and (len(above) < 3 or above[1].name != "cells"):  # RUN/cells/KEY/predictions.json
        raise UserError(f"{predictions} is not in the folder of a run; name its truth with --truth FILE")
    try:
        result = evaluate(_read(truth or above[2] / "truth.json", "truth"), results)
    except UserError as error:
        raise UserError(f"{predictions}: {error}") from error
    if not results:
        typer.echo("note: the file has no predictions", err=True)
    if json_output:
        typer.echo(json.dumps({"metrics": result.metrics, "per_class": result.per_class}, indent=1))
        return
    for name, value in result.metrics.items():
        typer.echo(f"{name:9} {'undefined' if value is None else f'{value:.4f}'}")


def _read(path: Path, content: str) -> Any:
    """Read a COCO file of predictions or truth.

    Raises:
        UserError: the file is missing, unreadable, empty, or not JSON.
    """
    from sgz_bench.core.errors import UserError
    from sgz_bench.core.files import read_json

    if path.is_file() and path.stat().st_size == 0:
        raise UserError(f"{path} is empty (0 bytes); the {content} must be a COCO file")
    return read_json(path, f"the {content} must be a COCO file")
