"""Running a plan: each image is decoded once, enhanced once an enhancer, and seen by the model once a cell."""

from __future__ import annotations

import json
import platform
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from sgz_bench.enhancer.errors import UserError
from sgz_bench.enhancer.images import read_image
from sgz_bench.tasks.types import Detections, Image, Sample

from .gallery import write_gallery
from .plan import Cell, Plan
from .results import ResultRow
from .score import Records, score_run
from .store import ImageLog, cell_folder, locked, to_json, write_atomic

Progress = Callable[[int, int], None]  # images done, images in all
Todo = tuple[Sample, list[Cell]]  # an image and the cells that have not seen it yet
Images = dict[Path, Image]  # by file
_AHEAD = 4  # images decoded ahead of the model; bounds the memory


def run_plan(plan: Plan, run: Path, *, device: str, progress: Progress = lambda _done, _all: None) -> list[ResultRow]:
    """Run what is not there yet, score, compare, and write ``results.jsonl``.

    Args:
        plan: what to do.
        run: the run's folder; finished cells in it are kept, unfinished ones go on.
        device: torch device of enhancers.
        progress: called after every image.

    Raises:
        UserError: the folder holds another study, belongs to another process, or cannot be written.
    """
    with locked(run):
        _check_manifest(plan, run)
        write_atomic(run / "manifest.json", to_json(_manifest(plan, device)))
        records, failures = _predict(plan, run, device, progress)
        rows = score_run(plan, run, records, failures)
        write_gallery(plan, run, rows, device)
        return rows


def _predict(plan: Plan, run: Path, device: str, progress: Progress) -> tuple[dict[str, Records], dict[str, str]]:
    """Append every image's detections to its cells' logs.

    Returns:
        Cell key → the log's records, and cell key → reason of the cells that failed.
    """
    logs = {cell.key: ImageLog(cell_folder(run, cell.key) / "images.jsonl") for cell in plan.cells}
    failures: dict[str, str] = {}
    pending = [
        (sample, [cell for cell in plan.cells if sample.id not in logs[cell.key].records])
        for sample in plan.dataset.samples
    ]
    pending = [(sample, cells) for sample, cells in pending if cells]
    total = len(plan.dataset.samples)
    progress(total - len(pending), total)
    for done, (sample, cells, images) in enumerate(_decoded(pending), start=1):
        for cell in cells:
            if cell.key in failures:
                continue
            if isinstance(images, UserError):
                logs[cell.key].append({"image_id": sample.id, "skipped": str(images)})
                continue
            try:
                found = plan.detector.predict([cell.see(images[cell.path(sample)], sample.key, device)])[0]
            except Exception as error:  # one cell's failure must not stop the others
                failures[cell.key] = f"{sample.key}: {type(error).__name__}: {' '.join(str(error).split())}"
                continue
            logs[cell.key].append({"image_id": sample.id, "detections": _records(plan, found)})
        progress(total - len(pending) + done, total)
    for log in logs.values():
        log.close()
    return {key: log.records for key, log in logs.items()}, failures


def _decoded(pending: list[Todo]) -> Iterator[tuple[Sample, list[Cell], Images | UserError]]:
    """Images in order, decoded by threads a few ahead, each file once for all cells that see it."""

    def decode(todo: Todo) -> Images | UserError:
        sample, cells = todo
        try:
            return {path: read_image(path) for path in sorted({cell.path(sample) for cell in cells})}
        except UserError as error:
            return error

    with ThreadPoolExecutor(max_workers=2) as pool:
        waiting = iter(pending)
        queue = deque((todo, pool.submit(decode, todo)) for todo in islice(waiting, _AHEAD))
        while queue:
            (sample, cells), images = queue.popleft()
            queue.extend((todo, pool.submit(decode, todo)) for todo in islice(waiting, 1))
            yield sample, cells, images.result()


def _records(plan: Plan, found: Detections) -> list[dict[str, Any]]:
    """COCO results of one image: class ids of the data set, from 1, boxes as xywh; nothing is rounded."""
    records = []
    for box, score, model_class in zip(found.boxes, found.scores, found.class_ids, strict=True):
        class_id = int(plan.class_map[model_class])
        if class_id >= 0:
            x1, y1, x2, y2 = (float(value) for value in box)
            records.append({"category_id": class_id + 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": float(score)})
    return records


def _manifest(plan: Plan, device: str) -> dict[str, Any]:
    packages = ("sgz-bench", "torch", "torchvision", "ultralytics", "numpy", "opencv-python", "pillow", "pycocotools")
    return {
        "study": _study(plan),
        "config": plan.config.model_dump(mode="json"),
        "problems": [str(problem) for problem in plan.dataset.problems],
        "detector": {"spec": plan.detector.spec, "fingerprint": plan.detector.fingerprint},
        "cells": [{"key": cell.key, "enhancer": cell.label} for cell in plan.cells],
        "versions": {"python": sys.version.split()[0]} | {name: version(name) for name in packages},
        "hardware": {"system": platform.platform(), "machine": platform.machine(), "device": device},
    }


def _study(plan: Plan) -> dict[str, Any]:
    """What all rows of one run share; another study needs another folder."""
    return {
        "dataset": plan.dataset.name,
        "split": plan.dataset.split,
        "dataset_fingerprint": plan.dataset_fingerprint,
        "model": plan.detector.spec,
        "model_fingerprint": plan.detector.fingerprint,
        "darken": plan.cells[-1].darken.spec if plan.cells[-1].darken else None,
    }


def _check_manifest(plan: Plan, run: Path) -> None:
    path = run / "manifest.json"
    if not path.exists():
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))["study"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}); choose another --out or remove the folder") from error
    for field, value in _study(plan).items():
        if before.get(field) != value:
            raise UserError(
                f"{run} holds another study ({field} {before.get(field)!r}, now {value!r}); choose another --out"
            )
