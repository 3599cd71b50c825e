"""``sgz-bench score``: score predictions from a file, without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    """Score predictions from a file: COCO AP as pycocotools defines it, and VOC AP50.

    Exit code 1 if labels or predictions were left out; each is named.
    """
    import json

    from sgz_bench.core.errors import UserError
    from sgz_bench.tasks.detection.coco import doubts, read_labels, read_predictions, truth_of
    from sgz_bench.tasks.detection.metrics import evaluate
    from sgz_bench.tasks.problems import summarize

    above = predictions.resolve().parents
    if truth is None and (len(above) < 3 or above[1].name != "cells"):  # RUN/cells/KEY/predictions.json
        raise UserError(f"{predictions} is not in the folder of a run; name its truth with --truth FILE")
    truth_file = truth or above[2] / "truth.json"
    labels = read_labels(truth_file, files=False)
    scored, problems, notes = truth_of(labels)
    if all(each["iscrowd"] for each in scored["annotations"]):
        reason = f": {problems[0]}" if problems else "; predictions cannot be scored against it"
        raise UserError(f"{truth_file} has no labelled box{reason}")
    matched = read_predictions(predictions, labels)
    if not matched.results and truth is not None:
        raise UserError(f"{predictions} has no predictions; check the threshold and the file that wrote it")
    try:
        result = evaluate(scored, matched.results)
    except UserError as error:
        raise UserError(f"{predictions} with {truth_file}: {error}") from error
    notes = [*labels.notes, *notes, *matched.notes]
    notes += [] if matched.results else ["the file has no predictions"]
    lines = [f"note: {note}" for note in notes]
    lines += [f"doubtful: {doubt}" for doubt in doubts(labels, scored["annotations"], matched.results)]
    summary = summarize(problems, len(labels.images))
    lines += [f"{'doubtful' if problem.doubt else 'left out'}: {problem}" for problem in summary]
    for line in lines:
        typer.echo(line, err=True)
    if json_output:
        typer.echo(json.dumps({"metrics": result.metrics, "per_class": result.per_class}, indent=1))
    else:
        for name, value in result.metrics.items():
            typer.echo(f"{name:9} {'undefined' if value is None else f'{value:.4f}'}")
    if matched.lost or any(not problem.doubt for problem in problems):
        raise typer.Exit(1)
