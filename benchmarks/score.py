"""From the detections of finished cells to rows: metrics, then paired differences from the raw row."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from sgz_bench.enhancer.errors import UserError
from sgz_bench.tasks.detection.metrics import METRIC_VERSION, CellMatches, attributes_of, coco_truth, evaluate

from .plan import PROTOCOL, Cell, Plan
from .results import ResultRow
from .statistics import compare, slice_metrics
from .store import cell_folder, write_atomic

Records = dict[int, dict[str, Any]]  # image id → its line in the cell's log


class Outcome(NamedTuple):
    """What predicting left behind.

    Attributes:
        records: cell key → one record an image; complete for all cells that are not in ``failures``.
        failures: cell key → why the cell failed.
        unread: image id → why the image could not be read.
    """

    records: dict[str, Records]
    failures: dict[str, str]
    unread: dict[int, str]


def score_run(plan: Plan, run: Path, outcome: Outcome) -> list[ResultRow]:
    """Score every cell, compare with raw, write ``truth.json``, the cells' files and ``results.jsonl``.

    Raises:
        UserError: no image could be read.
    """
    truth = _truth(plan, set(outcome.unread))
    write_atomic(run / "truth.json", json.dumps(truth, ensure_ascii=False) + "\n")
    if not truth["images"]:
        raise UserError(
            f"no image of {plan.dataset.name} {plan.dataset.split} could be read; see `sgz-bench data check`"
        )
    names = {sample.id: sample.key for sample in plan.dataset.samples}
    skipped = [{"image": problem.where, "reason": problem.what} for problem in plan.dataset.problems if problem.lost]
    skipped += [{"image": names[image_id], "reason": reason} for image_id, reason in sorted(outcome.unread.items())]

    rows: list[ResultRow] = []
    matches: dict[str, CellMatches] = {}
    for cell in plan.cells:
        row = replace(_blank_row(plan, cell), images=len(truth["images"]), skipped=skipped)
        if cell.key in outcome.failures:
            row = replace(row, status="error", error=outcome.failures[cell.key])
        else:
            row, matches[cell.label] = _score_cell(row, run, truth, outcome.records[cell.key])
        rows.append(row)
    rows = _with_differences(plan, rows, matches, attributes_of(truth))
    write_atomic(run / "results.jsonl", "".join(row.to_json() + "\n" for row in rows))
    return rows


def predictions_of(records: Records, truth: dict[str, Any]) -> list[dict[str, Any]]:
    """COCO results on the images of ``truth``, in the order of their ids, best first within an image."""
    return [
        {"image_id": image["id"]} | detection
        for image in truth["images"]
        for detection in records[image["id"]].get("detections", [])
    ]


def _score_cell(row: ResultRow, run: Path, truth: dict[str, Any], records: Records) -> tuple[ResultRow, CellMatches]:
    folder = cell_folder(run, row.key)
    predictions = predictions_of(records, truth)
    result = evaluate(truth, predictions)
    row = replace(
        row,
        metrics=result.metrics,
        per_class=result.per_class,
        by_attribute=slice_metrics(result.matches.coco, attributes_of(truth)),
    )
    curves = {
        "recall": result.curves.recall,
        "precision": ({"all": result.curves.mean} if result.curves.mean else {}) | result.curves.per_class,
    }
    write_atomic(folder / "predictions.json", json.dumps(predictions) + "\n")
    write_atomic(folder / "matches.npz", result.matches.to_bytes())
    write_atomic(folder / "curves.json", json.dumps(curves) + "\n")
    write_atomic(folder / "row.json", row.to_json() + "\n")
    return row, result.matches


def _with_differences(
    plan: Plan, rows: list[ResultRow], matches: dict[str, CellMatches], attributes: dict[str, list[str | None]]
) -> list[ResultRow]:
    if "raw" not in matches:
        return rows
    others = {label: cell for label, cell in matches.items() if label != "raw"}
    compared = compare(
        matches["raw"],
        others,
        attributes,
        plan.class_names,
        seed=plan.config.seed,
        replicates=plan.config.replicates,
        permutations=plan.config.permutations,
        exempt={"bright"},
    )
    return [
        replace(
            row,
            delta=compared[row.enhancer].delta,
            delta_per_class=compared[row.enhancer].delta_per_class,
            delta_by_attribute=compared[row.enhancer].delta_by_attribute,
        )
        if row.enhancer in compared
        else row
        for row in rows
    ]


def _truth(plan: Plan, without: set[int]) -> dict[str, Any]:
    """COCO truth of the images that could be read, in the classes that the model can find."""
    truth = coco_truth(plan.dataset)
    categories = {class_id + 1 for class_id in plan.classes}
    return {
        "images": [image for image in truth["images"] if image["id"] not in without],
        "annotations": [
            each
            for each in truth["annotations"]
            if each["image_id"] not in without and each["category_id"] in categories
        ],
        "categories": [each for each in truth["categories"] if each["id"] in categories],
    }


def _blank_row(plan: Plan, cell: Cell) -> ResultRow:
    sources: dict[str, list[str]] = {}
    for index, class_id in enumerate(plan.class_map):
        if class_id >= 0:
            sources.setdefault(plan.dataset.class_names[class_id], []).append(plan.detector.class_names[index])
    return ResultRow(
        key=cell.key,
        status="ok",
        task="detection",
        protocol=PROTOCOL,
        dataset=plan.dataset.name,
        split=plan.dataset.split,
        dataset_fingerprint=plan.dataset_fingerprint,
        partial=plan.dataset.partial,
        images=0,
        skipped=[],
        classes=plan.class_names,
        model=plan.detector.spec,
        model_fingerprint=plan.detector.fingerprint,
        inference=plan.detector.settings | {"class_map": sources},
        enhancer=cell.label,
        enhancer_fingerprint=cell.enhancer.fingerprint,
        darken=cell.darken.spec if cell.darken else None,
        seed=plan.config.seed,
        metric_version=METRIC_VERSION,
    )
