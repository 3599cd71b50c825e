"""Run plans: predict missing images, score, compare, analyse."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_json, to_json, write_atomic
from sgz_bench.enhancer.runtime.choice import packages_of

from .analyses.costs import write_costs
from .analyses.detection_errors import write_errors
from .analyses.gallery import write_gallery
from .analyses.tone_curves import write_tone_curves
from .config import StudyConfig
from .executors.job import Job, Progress
from .executors.local import predict
from .plan import Plan
from .results import ResultRow
from .score import score_run
from .store import locked, read_run_json

# Analyses of a finished run, by the names that a task lists.
ANALYSES: Mapping[str, Callable[[Plan, Path, Sequence[ResultRow], str], None]] = {
    "gallery": write_gallery,
    "tone_curves": write_tone_curves,
    "costs": write_costs,
    "detection_errors": lambda plan, run, rows, _device: write_errors(
        run, rows, seed=plan.config.seed, replicates=plan.config.replicates
    ),
}


def run_plan(plan: Plan, run: Path, *, device: str, progress: Progress = lambda _done, _all: None) -> list[ResultRow]:
    """Predict missing images, score, compare, analyse, and write ``results.jsonl``.

    Args:
        plan: plan of the study.
        run: folder of the run; finished cells in it are kept, unfinished ones are resumed.
        device: torch device of the enhancers.
        progress: called after every image.

    Raises:
        UserError: the folder holds another study, is in use by another process, or cannot be written.
    """
    (rows,) = run_plans([(plan, run)], device=device, progress=progress)
    if isinstance(rows, UserError):
        raise rows
    return rows


def run_plans(
    studies: Sequence[tuple[Plan, Path]], *, device: str, progress: Progress = lambda _done, _all: None
) -> list[list[ResultRow] | UserError]:
    """Run several studies at once, sharing images where they are equal; each ends as if it had run alone.

    Args:
        studies: plans, each with a folder as in :func:`run_plan`.
        device: torch device of the enhancers.
        progress: called as images are finished.

    Returns:
        The rows of each study, or the error that ended it; an error does not affect the other studies.
    """
    jobs = [Job(plan, run) for plan, run in studies]
    results: list[list[ResultRow] | UserError] = []
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
                results.append(_finish(job, device))
            except UserError as error:
                results.append(error)
    return results


def _finish(job: Job, device: str) -> list[ResultRow]:
    """Score and analyse a predicted study.

    Raises:
        UserError: the study was ended by a fault, or no image could be read.
    """
    if job.fault is not None:
        raise job.fault
    rows = score_run(job.plan, job.run, job.failures)
    for name in job.plan.task.analyses:
        ANALYSES[name](job.plan, job.run, rows, device)
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
    """Return the settings that all cells of a run share, most informative first; other settings need another folder."""
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
    of_cells = [name for cell in plan.cells for name in (*packages_of(cell.view.enhancer), *cell.model.packages)]
    packages += tuple(sorted(set(of_cells)))
    packages += plan.task.packages
    darken = plan.cells[-1].view.darken
    return {
        "task": plan.task.name,
        "dataset": plan.dataset.name,
        "split": plan.dataset.split,
        "limit": plan.config.limit,
        "images": len(plan.dataset.samples),
        "darken": darken.spec if darken else None,
        "model": plan.model,
        "model_fingerprint": plan.model_fingerprint,
        "class_map": plan.space.class_map.tolist(),
        "classes": plan.space.class_names,
        "dataset_fingerprint": plan.dataset_fingerprint,
        "device": device,
        "engine": f"{plan.config.engine} {plan.config.precision}",
        "python": platform.python_version(),
    } | {name: _version(name) for name in packages}


def _version(package: str) -> str:
    """Return a package's version, also if it was installed under another name (``onnxruntime-gpu``)."""
    try:
        return version(package)
    except PackageNotFoundError:
        return str(import_module(package).__version__)


def _check_manifest(plan: Plan, run: Path, device: str) -> None:
    """Refuse a folder that holds another study.

    Raises:
        UserError: the message names the first field that differs.
    """
    path = run / "manifest.json"
    if not path.exists():
        return
    fix = "choose another --out or remove the folder"
    try:
        before = dict(read_json(path, fix)["study"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error!r}); {fix}") from error
    for field, value in _study(plan, device).items():
        if before.get(field) != value:
            was, now = differing(str(before.get(field)), str(value))
            raise UserError(f"{run} holds another study ({field} was {was}, now {now}); choose another --out")


def differing(one: str, other: str) -> tuple[str, str]:
    """Cut two texts that differ to about 60 characters around the first difference."""
    pairs = enumerate(zip(one, other, strict=False))
    first = next((index for index, (a, b) in pairs if a != b), len(min(one, other)))
    begin = 0 if max(len(one), len(other)) <= 60 else max(first - 30, 0)
    cut = [f"{'…' * bool(begin)}{text[begin : begin + 60]}{'…' * (len(text) > begin + 60)}" for text in (one, other)]
    return cut[0], cut[1]


def held_by_another(config: StudyConfig, run: Path) -> str:
    """Return the first difference of a config from the study in a folder, without loading data; empty without one."""
    try:
        before = dict(read_run_json(run / "manifest.json")["study"])
    except (UserError, KeyError, TypeError, ValueError):
        return ""
    now = {"task": config.task, "limit": config.limit, "engine": f"{config.engine} {config.precision}"}
    return next((f"{key} was {before[key]}, now {value}" for key, value in now.items() if before.get(key) != value), "")
