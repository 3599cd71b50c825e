"""Scoring of a run: metrics of every cell, then paired differences from the raw row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import write_atomic
from sgz_bench.enhancer.weights import restricted
from sgz_bench.tasks.task import Scored, Statistics, attributes_of, plain

from .custom_metrics import Columns, described, measure, with_measures
from .executors.job import PredictionFailures
from .plan import Cell, Plan
from .quartiles import add_quartiles
from .results import FEW_IMAGES, Member, ResultRow, is_bound
from .statistics import SeedMean, compare, slice_metrics
from .store import LOG, cell_folder, read_log

Adjust = Callable[[list[ResultRow], Mapping[str, Statistics]], list[ResultRow]]


def as_compared(rows: list[ResultRow], statistics: Mapping[str, Statistics]) -> list[ResultRow]:
    """Return the rows as they are."""
    del statistics
    return rows


def score_run(
    plan: Plan,
    run: Path,
    failures: PredictionFailures,
    say: Callable[[str], None] = lambda _line: None,
    processors: Sequence[str] = (),
    values: Mapping[int, Mapping[str, float]] | None = None,
    adjust: Adjust = as_compared,
) -> list[ResultRow]:
    """Score every cell, compare with raw, write ``truth.json``, the cells' files and ``results.jsonl``.

    Args:
        plan: plan of the study.
        run: folder of the run.
        failures: failed cells and unreadable images.
        say: receives one line for each fact that makes the predictions implausible.
        processors: names of the processors that predicted the images.
        values: image id → statistics of the raw image; needed for a config with ``by``.
        adjust: changes the compared rows, given the statistics by enhancer, before they are written.

    Raises:
        UserError: no image could be read, no cell has a prediction, or a custom metric fails; the files of a finished
            run stay as they were.
    """
    truth = plan.task.truth(plan.space, set(failures.unread))
    if not truth["images"]:
        raise UserError(
            f"no image of {plan.dataset.name} {plan.dataset.split} could be read; see `sgz-bench data check`"
        )
    for name in plan.config.by:
        add_quartiles(truth, name, {image: each[name] for image, each in (values or {}).items()})
    names = {sample.id: sample.key for sample in plan.dataset.samples}
    skipped = [{"image": problem.where, "reason": problem.what} for problem in plan.dataset.problems if problem.lost]
    skipped += [{"image": names[image_id], "reason": reason} for image_id, reason in sorted(failures.unread.items())]

    measures = _checked(plan, run, failures, truth, say)
    write_atomic(run / "truth.json", json.dumps(truth, ensure_ascii=False) + "\n")
    mixed = list(processors) if len(processors) > 1 else []
    rows: list[ResultRow] = []
    statistics: dict[str, Statistics] = {}
    for cells in plan.rows:
        row = replace(_blank_row(plan, cells), images=len(truth["images"]), skipped=skipped, processors=mixed)
        reasons = [failures.cells[cell.key] for cell in cells if cell.key in failures.cells]
        if reasons:
            row = replace(row, status="error", error=reasons[0])
        else:
            scored = [_score_cell(plan, run, cell, truth, measures[cell.key]) for cell in cells]
            row, statistics[row.enhancer] = _with_metrics(row, cells, scored, truth)
            write_atomic(cell_folder(run, row.key) / "row.json", row.to_json() + "\n")
        rows.append(row)
    rows = adjust(_with_differences(plan, rows, statistics, attributes_of(truth)), statistics)
    write_atomic(run / "results.jsonl", "".join(row.to_json() + "\n" for row in rows))
    return rows


def _checked(
    plan: Plan, run: Path, failures: PredictionFailures, truth: dict[str, Any], say: Callable[[str], None]
) -> dict[str, Columns]:
    """Return cell key → custom metrics of the predicted cells, after a check of their predictions.

    Raises:
        UserError: no cell has a prediction, or a custom metric fails.
    """
    measures: dict[str, Columns] = {}
    ids = sorted(int(image["id"]) for image in truth["images"])
    silent: list[str] = []
    for cell in (cell for cell in plan.cells if cell.key not in failures.cells):
        folder = cell_folder(run, cell.key)
        records = read_log(folder / LOG)
        if not plan.task.predicted(plan.space, records):
            silent.append(cell.label)
        elif cell.label == "raw":
            for doubt in plan.task.doubts(truth, records):
                say(f"warning: {cell.model.spec} on raw images: {doubt}")
        measures[cell.key] = measure(plan, ids, records, folder)
    if not silent:
        return measures
    fix = "check the model's classes and input, its thresholds, and --class-map"
    if len(silent) == len(measures):
        raise UserError(f"{plan.model} predicts no scored class on any image of any row; {fix}")
    say(f"warning: {plan.model} predicts no scored class on any image of {', '.join(dict.fromkeys(silent))}; {fix}")
    return measures


def _score_cell(plan: Plan, run: Path, cell: Cell, truth: dict[str, Any], measures: Columns) -> Scored:
    folder = cell_folder(run, cell.key)
    scored = with_measures(plan.task.score(truth, read_log(folder / LOG)), measures, folder)
    for name, content in scored.files.items():
        write_atomic(folder / name, content)
    return scored


def _with_metrics(
    row: ResultRow, cells: tuple[Cell, ...], scored: list[Scored], truth: dict[str, Any]
) -> tuple[ResultRow, Statistics]:
    """Fill a row with the metrics of its cell, or with means over the cells of all training seeds."""
    statistics: Statistics = scored[0].statistics
    images_with = np.count_nonzero(statistics.truth, axis=0)
    spread: dict[str, float | None] = {}
    members: list[Member] = []
    if cells[0].seed is not None:
        statistics = SeedMean(tuple(each.statistics for each in scored))
        spread = {name: _spread([each.metrics[name] for each in scored]) for name in scored[0].metrics}
        members = [
            Member(seed=cell.seed or 0, key=cell.key, metrics=each.metrics)
            for cell, each in zip(cells, scored, strict=True)
        ]
    row = replace(
        row,
        metrics={name: _mean([each.metrics[name] for each in scored]) for name in scored[0].metrics},
        per_class={
            name: {field: _mean([each.per_class[name][field] for each in scored]) for field in values}
            for name, values in scored[0].per_class.items()
        },
        by_attribute=slice_metrics(statistics, attributes_of(truth)),
        spread=spread,
        members=members,
        sparse_classes=int(np.count_nonzero((images_with > 0) & (images_with < FEW_IMAGES))),
    )
    return row, statistics


def _mean(values: list[Any]) -> Any:
    """Return the mean over seeds; equal values are returned as they are, so that counts stay integers."""
    if None in values or all(value == values[0] for value in values):
        return None if None in values else values[0]
    return plain(float(np.mean(values)))


def _spread(values: list[float | None]) -> float | None:
    """Return the standard deviation (n − 1) over seeds; None for one seed."""
    known = [value for value in values if value is not None]
    return plain(float(np.std(known, ddof=1))) if len(known) == len(values) > 1 else None


def _with_differences(
    plan: Plan, rows: list[ResultRow], statistics: dict[str, Statistics], attributes: dict[str, list[str | None]]
) -> list[ResultRow]:
    if "raw" not in statistics:
        return rows
    others = {label: cell for label, cell in statistics.items() if label != "raw"}
    compared = compare(
        statistics["raw"],
        others,
        attributes,
        plan.space.class_names,
        seed=plan.config.seed,
        replicates=plan.config.replicates,
        exempt={label for label in others if is_bound(label)},
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


def _blank_row(plan: Plan, cells: tuple[Cell, ...]) -> ResultRow:
    """Return the row of some cells without results."""
    cell = cells[0]
    sources: dict[str, list[str]] = {}
    for index, class_id in enumerate(plan.space.class_map):
        if class_id in plan.space.classes:
            sources.setdefault(plan.dataset.class_names[class_id], []).append(cell.model.class_names[index])
    key = cell.key
    if len(cells) > 1:
        key = hashlib.sha256(" ".join(each.key for each in cells).encode()).hexdigest()[:16]
    return ResultRow(
        key=key,
        status="ok",
        task=plan.task.name,
        protocol=plan.protocol,
        dataset=plan.dataset.name,
        split=plan.dataset.split,
        dataset_fingerprint=plan.dataset_fingerprint,
        partial=plan.dataset.partial,
        images=0,
        skipped=[],
        classes=plan.space.class_names,
        model=plan.model,
        model_fingerprint=plan.model_fingerprint,
        inference=cell.model.settings | {"class_map": sources},
        enhancer=cell.label,
        enhancer_fingerprint=cell.view.enhancer.fingerprint,
        darken=cell.view.darken.spec if cell.view.darken else None,
        seed=plan.config.seed,
        metric_version=plan.task.metric_version,
        engine=cell.view.engine,
        terms=restricted(cell.view.enhancer),
        measures=described(plan.metrics),
    )
