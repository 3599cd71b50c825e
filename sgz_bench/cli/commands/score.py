"""``sgz-bench score``: metrics of predictions that lie in a file, without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def score(
    predictions: Annotated[Path, typer.Argument(help="COCO results: a list of image_id, category_id, bbox, score.")],
    truth: Annotated[
        Path | None, typer.Option(help="COCO truth; default: the truth.json of the run that the predictions lie in.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON, all digits, per class too.")] = False,
) -> None:
    """Score predictions anew: COCO AP as pycocotools defines it, and VOC AP50."""
    import json

    from sgz_bench.core.errors import UserError
    from sgz_bench.tasks.detection.metrics import evaluate

    found = _read(predictions, "predictions")
    above = predictions.resolve().parents
    if truth is None and (len(above) < 3 or above[1].name != "cells"):  # RUN/cells/KEY/predictions.json
        raise UserError(f"{predictions} does not lie in a run; give --truth FILE")
    try:
        result = evaluate(_read(truth or above[2] / "truth.json", "truth"), found)
    except UserError as error:
        raise UserError(f"{predictions}: {error}") from error
    if not found:
        typer.echo("note: there is no prediction in the file", err=True)
    if json_output:
        typer.echo(json.dumps({"metrics": result.metrics, "per_class": result.per_class}, indent=1))
        return
    for name, value in result.metrics.items():
        typer.echo(f"{name:9} {'undefined' if value is None else f'{value:.4f}'}")


def _read(path: Path, what: str) -> Any:
    import json

    from sgz_bench.core.errors import UserError

    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the {what} at {path}: {error.strerror or error}; give a COCO file") from error
    except (ValueError, RecursionError) as error:
        if path.stat().st_size == 0:
            raise UserError(f"{path} is empty (0 bytes); the {what} must be a COCO file") from error
        raise UserError(f"{path} is not JSON ({error}); the {what} must be a COCO file") from error
