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
from typing import Any, NamedTuple

from sgz_bench.enhancer.errors import UserError, in_one_line
from sgz_bench.enhancer.images import read_image
from sgz_bench.tasks.types import Image

from .costs import write_costs
from .gallery import write_gallery
from .plan import Cell, Plan
from .results import ResultRow
from .score import Outcome, score_run
from .store import LOG, ImageLog, cell_folder, locked, to_json, write_atomic
from .task import Sample, Shown
from .tones import write_tones

Progress = Callable[[int, int], None]  # images done, images in all
Todo = tuple[Sample, list[Cell]]  # an image and the cells that have not seen it yet
_AHEAD = 4  # images decoded ahead of the model; bounds the memory


class Opened(NamedTuple):
    """What was read of one image."""

    images: dict[Path, Image]  # by file
    truth: Any


def run_plan(plan: Plan, run: Path, *, device: str, progress: Progress = lambda _done, _all: None) -> list[ResultRow]:
    """Run what is not there yet, score, compare, measure curves and costs, and write ``results.jsonl``.

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
        write_tones(plan, run, rows, device)
        write_costs(plan, run, rows, device)
        plan.task.analyse(plan, run, rows)
        return rows


def _predict(plan: Plan, run: Path, device: str, progress: Progress) -> Outcome:
    """Append what the models say of each image to the cells' logs; what cannot be read is tried again by a resume."""
    logs = {cell.key: ImageLog(cell_folder(run, cell.key) / LOG) for cell in plan.cells}
    failures: dict[str, str] = {}
    unread: dict[int, str] = {}
    pending = [
        (sample, [cell for cell in plan.cells if not _is_done(plan, run, logs[cell.key], cell, sample)])
        for sample in plan.dataset.samples
    ]
    pending = [(sample, cells) for sample, cells in pending if cells]
    total = len(plan.dataset.samples)
    progress(total - len(pending), total)
    for done, (sample, cells, opened) in enumerate(_decoded(plan, pending), start=1):
        if isinstance(opened, UserError):
            unread[sample.id] = str(opened)
        else:
            for cell in cells:
                if cell.key in failures:
                    continue
                try:
                    image = cell.see(opened.images[cell.path(sample)], sample.key, device)
                    shown = Shown(sample, image, opened.truth, cell_folder(run, cell.key))
                    record = plan.task.predict(plan, cell, shown)
                except (Exception, SystemExit) as error:  # one cell's failure must not stop the others
                    failures[cell.key] = f"{sample.key}: {in_one_line(error)}"
                    continue
                if sample.id not in logs[cell.key].image_ids:
                    logs[cell.key].append({"image_id": sample.id} | record)
        progress(total - len(pending) + done, total)
    for log in logs.values():
        log.close()
    return Outcome(failures, unread)


def _is_done(plan: Plan, run: Path, log: ImageLog, cell: Cell, sample: Sample) -> bool:
    return sample.id in log.image_ids and plan.task.kept(cell_folder(run, cell.key), sample)


def _decoded(plan: Plan, pending: list[Todo]) -> Iterator[tuple[Sample, list[Cell], Opened | UserError]]:
    """Images in order, read by threads a few ahead, each file once for all cells that see it."""

    def decode(todo: Todo) -> Opened | UserError:
        sample, cells = todo
        try:
            images = {path: read_image(path) for path in sorted({cell.path(sample) for cell in cells})}
            return Opened(images, plan.task.open(plan, sample))
        except UserError as error:
            return error

    with ThreadPoolExecutor(max_workers=2) as pool:
        waiting = iter(pending)
        queue = deque((todo, pool.submit(decode, todo)) for todo in islice(waiting, _AHEAD))
        while queue:
            (sample, cells), opened = queue.popleft()
            queue.extend((todo, pool.submit(decode, todo)) for todo in islice(waiting, 1))
            yield sample, cells, opened.result()


def _manifest(plan: Plan, device: str) -> dict[str, Any]:
    return {
        "study": _study(plan, device),
        "config": plan.config.model_dump(mode="json"),
        "problems": [str(problem) for problem in plan.dataset.problems],
        "cells": [{"key": cell.key, "enhancer": cell.label, "seed": cell.seed} for cell in plan.cells],
        "hardware": {"system": platform.platform(), "machine": platform.machine()},
    }


def _study(plan: Plan, device: str) -> dict[str, Any]:
    """What all cells of one run share; another study needs another folder. The most telling difference comes first."""
    packages: tuple[str, ...] = (
        "sgz-bench",
        "torch",
        "torchvision",
        "ultralytics",
        "numpy",
        "opencv-python",
        "pillow",
        "pycocotools",
    )
    packages += ("segmentation-models-pytorch", "timm") if plan.task.name == "segmentation" else ()
    return {
        "task": plan.task.name,
        "dataset": plan.dataset.name,
        "split": plan.dataset.split,
        "limit": plan.config.limit,
        "images": len(plan.dataset.samples),
        "darken": plan.cells[-1].darken.spec if plan.cells[-1].darken else None,
        "model": plan.model,
        "model_fingerprint": plan.model_fingerprint,
        "class_map": plan.class_map.tolist(),
        "classes": plan.class_names,
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
