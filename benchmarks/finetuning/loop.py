"""Finetuning loop: one model per enhancer and seed, trained on images enhanced as in the test."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import file_sha256, to_json, write_atomic
from sgz_bench.core.text import pluralize
from sgz_bench.enhancer.darken import Darken, parse_darken
from sgz_bench.tasks.catalog import create_task
from sgz_bench.tasks.label_space import Dataset
from sgz_bench.tasks.problems import summarize
from sgz_bench.tasks.training import TrainingJob
from sgz_bench.tasks.training_state import remove_checkpoint
from sgz_bench.tasks.types import Problem

from ..config import known_task
from ..store import locked
from ..view import InputView, bright_view, enhanced_view
from .images import EnhancedImages
from .index import ENTRY, INDEX, read_index, same_engine

Bar = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]
Models = dict[tuple[str, int], dict[str, Any]]  # enhancer and seed → entry of the index


class FinetuneConfig(BaseModel):
    """Config of a finetuning.

    Attributes:
        task: name of the task.
        dataset, root, split, limit: as in ``StudyConfig``; the split to train on.
        enhancers: canonical specs; ``bright`` stands for the well-lit twins of a data set, or for the images before
            ``darken``.
        darken: spec of the darkening, such as ``ev=3``; None for images as they are.
        model: start of the training.
        seeds: seeds of initialisation, order and augmentation; one model per seed.
        engine, precision: how the enhancers' networks run, as in ``StudyConfig``.
        settings: settings of the recipe, as text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    dataset: str
    root: Path | None = None
    split: str | None = "train"
    limit: int | None = Field(default=None, ge=1)
    enhancers: tuple[str, ...] = Field(("raw",), min_length=1)
    darken: str | None = None
    model: str
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    engine: str = "auto"
    precision: str = "fp32"
    settings: Mapping[str, str] = Field(default_factory=dict)

    @field_validator("task")
    @classmethod
    def _known_task(cls, name: str) -> str:
        return known_task(name)

    @property
    def default_engine(self) -> bool:
        """True if neither engine nor precision is set."""
        return (self.engine, self.precision) == ("auto", "fp32")


@dataclass(frozen=True)
class FinetunedModel:
    """Finished model of the loop.

    Attributes:
        enhancer: canonical spec, or ``bright``.
        seed: seed of the training.
        file: path of the weights.
        loss: loss at the end of the training; None for a model that existed before.
        taken: ``(tensors taken from the start weights, tensors of the network)``.
        images: number of training images.
        seconds: duration of the training.
    """

    enhancer: str
    seed: int
    file: Path
    loss: float | None = None
    taken: tuple[int, int] = (0, 0)
    images: int = 0
    seconds: float = 0.0


def finetune(
    config: FinetuneConfig,
    out: Path,
    device: str,
    bar: Bar,
    report: Callable[[Problem], None],
    say: Callable[[str], None] = lambda _line: None,
) -> Iterator[FinetunedModel]:
    """Train the missing models; yield each model when it is finished, and each existing model.

    ``out/finetuned.json`` is rewritten after each model, and each training keeps a checkpoint until it is finished, so
    that an interrupted finetuning resumes.

    Args:
        config: config of the finetuning.
        out: folder of the models.
        device: torch device of enhancers and training.
        bar: creates a progress bar with a title.
        report: called with each image that is left out.
        say: receives notes, one line each.

    Raises:
        UserError: a part of the config does not exist or does not fit, or the folder holds models of another study.
    """
    task = create_task(config.task)
    dataset = task.load(config.dataset, config.root, config.split, config.limit)
    darken = parse_darken(config.darken) if config.darken else None
    views = [_view(label, dataset, darken, config, device) for label in config.enhancers]
    training = task.training(dataset, config.model, config.settings)
    study = {
        "task": config.task,
        "dataset": Path(config.dataset).name,
        "split": dataset.split,
        "dataset_fingerprint": task.fingerprint(dataset),
        "darken": darken.spec if darken else None,
        "start": training.start,
        "recipe": training.recipe,
    }
    versions = {name: version(name) for name in ("sgz-bench", *training.packages)}
    hashes = sorted({file_sha256(sample.path) for sample in dataset.samples})
    for problem in summarize(dataset.problems, len(dataset.samples)):
        report(problem)
    with locked(out):
        models, rebuilt = _finished(out, study, config.enhancers)
        if rebuilt:
            write_atomic(out / INDEX, to_json(study | {"images": hashes, "models": list(models.values())}))
            say(f"note: {rebuilt}; rebuilt with {pluralize(len(models), 'trained model')}")
        everything = {  # checked as a whole before the first training
            view.label: [s for s in config.seeds if not _exists(models.get((view.label, s)), view, config, out)]
            for view in views
        }
        for view in views:
            fingerprint, missing = view.enhancer.fingerprint, everything[view.label]
            for seed in (seed for seed in config.seeds if seed not in missing):
                remove_checkpoint((out / _file(models[view.label, seed])).parent)  # of a kill after the last step
                yield FinetunedModel(view.label, seed, out / _file(models[view.label, seed]))
            if not missing:
                continue
            with bar(f"{view.label}: images") as update:
                images = EnhancedImages(dataset.samples, view, training.truth, device, update)
            for problem in images.problems:
                report(problem)
            for seed in missing:
                began = monotonic()
                folder = out / f"{_slug(view.label, fingerprint, models)}-seed{seed}"
                origin = {"images": len(images), "enhancer": view.label, "enhancer_fingerprint": fingerprint}
                # Only where it was chosen, so that the weights of earlier versions stay the same bytes.
                origin |= {} if config.default_engine else {"engine": view.engine}
                provenance = study | origin | {"seed": seed, "versions": versions}
                conditions = _conditions(view, images, device)
                with bar(f"{view.label}: seed {seed}") as update:
                    trained = training.train(
                        TrainingJob(images, seed, folder, provenance, device, update, conditions, say)
                    )
                models[view.label, seed] = {
                    "enhancer": view.label,
                    "enhancer_fingerprint": fingerprint,
                    "engine": view.engine,
                    "default_engine": config.default_engine,
                    "seed": seed,
                    "model": f"{training.family}:{folder.name}/{training.file}",
                    "sha256": file_sha256(trained.path),
                }
                index = study | {"images": hashes}
                write_atomic(folder / ENTRY, to_json(index | {"models": [models[view.label, seed]]}))
                write_atomic(out / INDEX, to_json(index | {"models": list(models.values())}))
                remove_checkpoint(folder)
                seconds = monotonic() - began
                yield FinetunedModel(view.label, seed, trained.path, trained.loss, trained.taken, len(images), seconds)
            del images  # frees memory for those of the next enhancer


def _view(label: str, dataset: Dataset, darken: Darken | None, config: FinetuneConfig, device: str) -> InputView:
    """Create the view of an enhancer, or of the well-lit images.

    Raises:
        UserError: there is no such enhancer, or there are no well-lit images.
    """
    if label != "bright":
        return enhanced_view(label, darken, device, config.engine, config.precision)
    view = bright_view(dataset, darken)
    if view is None:
        raise UserError(f"{dataset.name} has no well-lit twins that its labels fit; leave bright out or give --darken")
    return view


def _conditions(view: InputView, images: EnhancedImages, device: str) -> dict[str, Any]:
    """Return what decides the weights besides their provenance: images left out, engine, device and versions."""
    import numpy as np
    import torch

    return {
        "unreadable images": sorted(problem.where for problem in images.problems),
        "engine": view.engine,
        "threads": torch.get_num_threads() if view.engine else None,  # of the enhancer; the recipe has its own
        "device": device.partition(":")[0],
        "Python and NumPy": [platform.python_version(), np.__version__],
    }


def _finished(out: Path, study: Mapping[str, Any], enhancers: Sequence[str]) -> tuple[Models, str]:
    """Return the models of the folder whose files are unchanged, and the reason of a rebuilt index; empty without one.

    Raises:
        UserError: the folder belongs to another study, or its index is damaged.
    """
    index, entries, rebuilt = read_index(out, study)
    for key, value in study.items() if index else ():
        if index.get(key) != value:
            raise UserError(
                f"{out} holds models of another {key}: {_differing(index.get(key), value)}; choose another --out"
            )
    if rebuilt:  # in the order of a training
        order = {name: number for number, name in enumerate(enhancers)}
        entries = sorted(entries, key=lambda each: (order.get(str(each["enhancer"]), len(order)), int(each["seed"])))
    models = {(str(each["enhancer"]), int(each["seed"])): dict(each) for each in entries}
    return {key: each for key, each in models.items() if _is_whole(out / _file(each), each["sha256"])}, rebuilt


def _exists(entry: Mapping[str, Any] | None, view: InputView, config: FinetuneConfig, out: Path) -> bool:
    """Return True if a model was trained with exactly this enhancer.

    Raises:
        UserError: it was trained through another engine.
    """
    if entry is None or entry.get("enhancer_fingerprint") != view.enhancer.fingerprint:
        return False
    if not same_engine(entry, view.engine, default_engine=config.default_engine):
        trained = entry.get("engine") or "auto fp32"
        raise UserError(
            f"{out} holds a model of {view.label} trained through the engine {trained}, not "
            f"{view.engine}; choose another --out, or give the same --engine and --precision"
        )
    return True


def _differing(before: Any, wanted: Any) -> str:
    """Return ``lr 0.001, not 0.01``: the first difference between two settings."""
    if isinstance(before, dict) and isinstance(wanted, dict):
        key = next(key for key in {**before, **wanted} if before.get(key) != wanted.get(key))
        return f"{key} {before.get(key)!r}, not {wanted.get(key)!r}"
    return f"{before!r}, not {wanted!r}"


def _file(entry: Mapping[str, Any]) -> str:
    """Return the path of a model in the folder, from its entry in the index."""
    return str(entry["model"]).partition(":")[2]


def _is_whole(path: Path, sha256: str) -> bool:
    """Return True if a file exists and has this hash."""
    return path.is_file() and file_sha256(path) == sha256


def _slug(label: str, fingerprint: str, models: Models) -> str:
    """Return a folder name for an enhancer: its spec, valid in file systems, distinct from others of that name."""
    slug = re.sub(r"[^A-Za-z0-9.=-]+", "_", Path(label).name if "/" in label else label).strip("_.")
    taken = any(_file(entry).startswith(f"{slug}-seed") and key[0] != label for key, entry in models.items())
    return f"{slug}-{fingerprint[:8]}" if taken else slug
