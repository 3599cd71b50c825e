"""Running plans: predict what is missing, score, compare, measure."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from contextlib import ExitStack
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sgz_bench.core.errors import UserError
from sgz_bench.enhancer.runtime.choice import packages_of

from .analyses.costs import write_costs
from .analyses.gallery import write_gallery
from .analyses.tone_curves import write_tones
from .config import StudyConfig
from .executors.local import Job, Progress, predict
from .plan import Plan
from .results import ResultRow
from .score import score_run
from .store import locked, read_json, to_json, write_atomic


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
    (rows,) = run_plans([(plan, run)], device=device, progress=progress)
    if isinstance(rows, UserError):
        raise rows
    return rows


def run_plans(
    studies: Sequence[tuple[Plan, Path]], *, device: str, progress: Progress = lambda _done, _all: None
) -> list[list[ResultRow] | UserError]:
    """Run several studies at once, those that show the same images together; each ends as if it had run alone.

    Args:
        studies: plans with a folder for each, as in :func:`run_plan`.
        device: torch device of enhancers.
        progress: called as images are finished.

    Returns:
        The rows of each study, or what ended it; the others are not touched by that.
    """
    jobs = [Job(plan, run) for plan, run in studies]
    found: list[list[ResultRow] | UserError] = []
    with ExitStack() as held:
        for job in jobs:
            try:
                held.enter_context(locked(job.run))
                _check_manifest(job.plan, job.run, device)
                write_atomic(job.run / "manifest.json", to_json(_manifest(job.plan, device)))
                job.open()
                held.callback(job.close)
            except UserError as error:
                job.fault = error
        predict(jobs, device, progress)
        for job in jobs:
            try:
                found.append(_finish(job, device))
            except UserError as error:
                found.append(error)
    return found


def _finish(job: Job, device: str) -> list[ResultRow]:
    if job.fault is not None:
        raise job.fault
    plan, run = job.plan, job.run
    rows = score_run(plan, run, job.outcome)
    write_gallery(plan, run, rows, device)
    write_tones(plan, run, rows, device)
    write_costs(plan, run, rows, device)
    plan.task.analyse(plan, run, rows)
    return rows


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
        "simplejpeg",
        "pycocotools",
    )
    of_cells = [name for cell in plan.cells for name in (*packages_of(cell.enhancer), *cell.model.packages)]
    packages += tuple(sorted(set(of_cells)))
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
        "engine": f"{plan.config.engine} {plan.config.precision}",
        "python": platform.python_version(),
    } | {name: _version(name) for name in packages}


def _version(package: str) -> str:
    """A package's version, also where it was installed under another name (``onnxruntime-gpu``)."""
    try:
        return version(package)
    except PackageNotFoundError:
        return str(import_module(package).__version__)


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
            was, now = differing(str(before.get(field)), str(value))
            raise UserError(f"{run} holds another study ({field} was {was}, now {now}); choose another --out")


def differing(one: str, other: str) -> tuple[str, str]:
    """Two texts that are not the same, cut to about 60 characters around the place where they part."""
    parts = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(min(one, other)))
    begin = 0 if max(len(one), len(other)) <= 60 else max(parts - 30, 0)
    cut = [f"{'…' * bool(begin)}{text[begin : begin + 60]}{'…' * (len(text) > begin + 60)}" for text in (one, other)]
    return cut[0], cut[1]


def held_by_another(config: StudyConfig, run: Path) -> str:
    """What of a config a run's folder was not made with, as far as can be told without loading anything; or empty."""
    try:
        before = read_json(run / "manifest.json")["study"]
    except (UserError, KeyError, TypeError):
        return ""
    now = {"task": config.task, "limit": config.limit, "engine": f"{config.engine} {config.precision}"}
    told = [f"{field} was {before[field]}, now {value}" for field, value in now.items() if before.get(field) != value]
    return told[0] if told else ""
