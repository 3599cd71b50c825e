"""Evidence in memory: rows with their statistics and nothing on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sgz_bench.benchmarks.decisions.evidence import Evidence
from sgz_bench.benchmarks.results import ResultRow
from sgz_bench.benchmarks.statistics import compare
from sgz_bench.tasks.catalog import create_task
from sgz_bench.tasks.detection.metrics import CellMatches, evaluate
from sgz_bench.tasks.segmentation.metrics import ConfusionTable
from sgz_bench.tasks.task import Statistics

CATEGORIES = ["Cat", "Dog", "Cup"]


def evidence_of(task: str, cells: dict[str, Statistics], classes: list[str], run: str = "runs/made") -> Evidence:
    """Return evidence with differences from raw as a run computes them."""
    others = {label: cell for label, cell in cells.items() if label != "raw"}
    compared = compare(cells["raw"], others, {}, classes, seed=0, replicates=200)
    everything = np.ones((1, len(cells["raw"].image_ids)), np.int32)
    rows = {}
    for label, cell in cells.items():
        metrics = {name: float(values[0]) for name, values in cell.scores(everything).overall.items()}
        delta = compared[label].delta if label in compared else {}
        rows[label] = _row(task, label, classes, len(cell.image_ids), metrics, delta)
    return Evidence(Path(run), create_task(task), rows, cells)


def segmentation(counts: dict[str, np.ndarray], run: str = "runs/made") -> Evidence:
    """Return evidence of confusion matrices ``(N, K, K + 1)`` by label."""
    n, k, _ = next(iter(counts.values())).shape
    cells: dict[str, Statistics] = {
        label: ConfusionTable(np.arange(1, n + 1), np.asarray(each, dtype=np.int64)) for label, each in counts.items()
    }
    return evidence_of("segmentation", cells, [f"class{index}" for index in range(k)], run)


def accuracies(values: dict[str, np.ndarray], pixels: int = 1000) -> Evidence:
    """Return evidence with two classes, whose mIoU grows with the per-image accuracies ``(N,)`` given by label."""
    counts = {}
    for label, each in values.items():
        hits = np.clip(np.rint(pixels * np.asarray(each)), 0, pixels).astype(np.int64)
        table = np.zeros((len(hits), 2, 3), dtype=np.int64)
        table[:, 0, 0] = table[:, 1, 1] = hits
        table[:, 0, 1] = table[:, 1, 0] = pixels - hits
        counts[label] = table
    return segmentation(counts)


def matches(truth: dict[str, Any], predictions: list[dict[str, Any]]) -> CellMatches:
    """Return the matches of a list of predictions."""
    return evaluate(truth, predictions).matches


def resampled(
    truth: dict[str, Any], predictions: list[dict[str, Any]], image_ids: list[int]
) -> dict[str, float | None]:
    """Return the metrics of a list of images in which images may repeat, each occurrence evaluated under a fresh id."""
    annotations, found = [], []
    for fresh, image_id in enumerate(image_ids, start=1):
        annotations += [each | {"image_id": fresh} for each in truth["annotations"] if each["image_id"] == image_id]
        found += [each | {"image_id": fresh} for each in predictions if each["image_id"] == image_id]
    images = [{"id": fresh} for fresh in range(1, len(image_ids) + 1)]
    return evaluate(truth | {"images": images, "annotations": annotations}, found).metrics


def scene(seed: int, images: int, systems: int) -> tuple[dict[str, Any], list[list[dict[str, Any]]]]:
    """Return made-up truth and the predictions of some systems, of growing noise."""
    rng = np.random.default_rng(seed)
    annotations: list[dict[str, Any]] = []
    found: list[list[dict[str, Any]]] = [[] for _ in range(systems)]
    for image_id in range(1, images + 1):
        for _ in range(int(rng.integers(1, 5))):
            box = np.concatenate([rng.uniform(0, 300, 2), rng.uniform(20, 120, 2)])
            label = {"image_id": image_id, "category_id": int(rng.integers(1, 3)), "bbox": box.tolist()}
            annotations.append(label | {"id": len(annotations) + 1, "area": float(box[2] * box[3]), "iscrowd": 0})
            for index, system in enumerate(found):
                near = (box + rng.normal(0, 5 + index, 4)).tolist()
                system.append(label | {"bbox": near, "score": float(rng.random())})
        for system in found:
            wrong = {"image_id": image_id, "category_id": int(rng.integers(1, 4)), "bbox": [5.0, 5.0, 30.0, 30.0]}
            system.append(wrong | {"score": float(rng.random())})
    names = [{"id": index, "name": name} for index, name in enumerate(CATEGORIES, start=1)]
    ids = [{"id": image_id} for image_id in range(1, images + 1)]
    return {"images": ids, "categories": names, "annotations": annotations}, found


def detection(seed: int, images: int, labels: list[str]) -> tuple[Evidence, dict[str, Any], dict[str, Any]]:
    """Return evidence of made-up detections, its truth, and label → predictions."""
    truth, found = scene(seed, images, len(labels))
    cells: dict[str, Statistics] = {label: matches(truth, own) for label, own in zip(labels, found, strict=True)}
    return evidence_of("detection", cells, CATEGORIES), truth, dict(zip(labels, found, strict=True))


def _row(
    task: str, label: str, classes: list[str], images: int, metrics: dict[str, Any], delta: dict[str, Any]
) -> ResultRow:
    return ResultRow(
        key=label, status="ok", task=task, protocol="frozen", dataset="made", split="val", dataset_fingerprint="d" * 64,
        partial=False, images=images, skipped=[], classes=classes, model="m", model_fingerprint="a" * 64, inference={},
        enhancer=label, enhancer_fingerprint=label, darken=None, seed=0, metric_version=1, metrics=metrics, delta=delta,
    )  # fmt: skip
