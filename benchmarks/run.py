"""Running a plan: each image is decoded once, enhanced once an enhancer, and seen by the model once a cell."""

from __future__ import annotations

import json
import platform
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from sgz_bench.enhancer.errors import UserError
from sgz_bench.enhancer.images import read_image
from sgz_bench.tasks.types import Detections, Image, Sample

from .gallery import write_gallery
from .plan import Cell, Plan
from .results import ResultRow
from .score import Outcome, score_run
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
        _check_manifest(plan, run, device)
        write_atomic(run / "manifest.json", to_json(_manifest(plan, device)))
        outcome = _predict(plan, run, device, progress)
        rows = score_run(plan, run, outcome)
        write_gallery(plan, run, rows, device)
        return rows


def _predict(plan: Plan, run: Path, device: str, progress: Progress) -> Outcome:
    """Append every image's detections to its cells' logs; images that cannot be read are tried again by a resume."""
    logs = {cell.key: ImageLog(cell_folder(run, cell.key) / "images.jsonl") for cell in plan.cells}
    failures: dict[str, str] = {}
    unread: dict[int, str] = {}
    pending = [
        (sample, [cell for cell in plan.cells if sample.id not in logs[cell.key].records])
        for sample in plan.dataset.samples
    ]
    pending = [(sample, cells) for sample, cells in pending if cells]
    total = len(plan.dataset.samples)
    progress(total - len(pending), total)
    for done, (sample, cells, images) in enumerate(_decoded(pending), start=1):
        if isinstance(images, UserError):
            unread[sample.id] = str(images)
        else:
            for cell in cells:
                if cell.key in failures:
                    continue
                try:
                    found = plan.detector.predict([cell.see(images[cell.path(sample)], sample.key, device)])[0]
                    detections = _records(plan, found)
                except Exception as error:  # one cell's failure must not stop the others
                    failures[cell.key] = f"{sample.key}: {type(error).__name__}: {' '.join(str(error).split())}"
                    continue
                logs[cell.key].append({"image_id": sample.id, "detections": detections})
        progress(total - len(pending) + done, total)
    for log in logs.values():
        log.close()
    return Outcome({key: log.records for key, log in logs.items()}, failures, unread)


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
    """COCO results of one image: class ids of the data set, from 1, boxes as xywh; nothing is rounded.

    Raises:
        ValueError: a box or score that is not finite, or a box that ends before it begins.
    """
    whole = np.isfinite(found.boxes).all() and np.isfinite(found.scores).all()
    if not whole or (found.boxes[:, 2:] < found.boxes[:, :2]).any():
        raise ValueError("the model returned boxes or scores that are not finite or not in order")
    records = []
    for box, score, model_class in zip(found.boxes, found.scores, found.class_ids, strict=True):
        class_id = int(plan.class_map[model_class])
        if class_id >= 0:
            x1, y1, x2, y2 = (float(value) for value in box)
            records.append({"category_id": class_id + 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": float(score)})
    return records


def _manifest(plan: Plan, device: str) -> dict[str, Any]:
    return {
        "study": _study(plan, device),
        "config": plan.config.model_dump(mode="json"),
        "problems": [str(problem) for problem in plan.dataset.problems],
        "cells": [{"key": cell.key, "enhancer": cell.label} for cell in plan.cells],
        "hardware": {"system": platform.platform(), "machine": platform.machine()},
    }


def _study(plan: Plan, device: str) -> dict[str, Any]:
    """What all cells of one run share; another study needs another folder. The most telling difference comes first."""
    packages = ("sgz-bench", "torch", "torchvision", "ultralytics", "numpy", "opencv-python", "pillow", "pycocotools")
    return {
        "dataset": plan.dataset.name,
        "split": plan.dataset.split,
        "limit": plan.config.limit,
        "images": len(plan.dataset.samples),
        "darken": plan.cells[-1].darken.spec if plan.cells[-1].darken else None,
        "model": plan.detector.spec,
        "model_fingerprint": plan.detector.fingerprint,
        "class_map": plan.class_map.tolist(),
        "dataset_fingerprint": plan.dataset_fingerprint,
        "device": device,
        "python": platform.python_version(),
    } | {name: version(name) for name in packages}


def _check_manifest(plan: Plan, run: Path, device: str) -> None:
    path = run / "manifest.json"
    if not path.exists():
        return
    try:
        before = dict(json.loads(path.read_text(encoding="utf-8"))["study"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error!r}); choose another --out or remove the folder") from error
    for field, value in _study(plan, device).items():
        if before.get(field) != value:
            was, now = (str(each)[:60] for each in (before.get(field), value))
            raise UserError(f"{run} holds another study ({field} was {was}, now {now}); choose another --out")
