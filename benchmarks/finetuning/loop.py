"""Training one model for every enhancer and seed, on images as the benchmark will show them to it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import file_sha256
from sgz_bench.tasks.models import file_fingerprint
from sgz_bench.tasks.task import create_task
from sgz_bench.tasks.types import Problem

from ..config import StudyConfig
from ..store import locked, to_json, write_atomic
from ..trainings import TRAININGS
from .images import Seen, Way
from .index import INDEX

Bar = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]
Models = dict[tuple[str, int], dict[str, Any]]  # enhancer and seed → entry of the index


class FinetuneConfig(BaseModel):
    """What to train.

    Attributes:
        task: what the models are to do.
        dataset, root, split, limit: as in ``StudyConfig``; the split is the one to train on.
        enhancers: canonical specs; ``bright`` stands for the well-lit images of a data set that has them, or for the
            undarkened ones.
        darken: ``ev=3`` and the like, or None for images as they are.
        model: what training starts from.
        seeds: of initialisation, order and augmentation; one model each.
        settings: of the recipe, as texts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Literal["detection", "segmentation"]
    dataset: str
    root: Path | None = None
    split: str | None = "train"
    limit: int | None = Field(default=None, ge=1)
    enhancers: tuple[str, ...] = Field(("raw",), min_length=1)
    darken: str | None = None
    model: str
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    settings: Mapping[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Finished:
    """A model of the study that is there.

    Attributes:
        enhancer: canonical spec, or ``bright``.
        seed: of its training.
        file: the weights.
        loss: at the end of the training; None when it was there before.
        taken: ``(tensors that were started from, tensors of the network)``.
        images: it was trained on.
        seconds: that the training took.
    """

    enhancer: str
    seed: int
    file: Path
    loss: float | None = None
    taken: tuple[int, int] = (0, 0)
    images: int = 0
    seconds: float = 0.0


def finetune(
    config: FinetuneConfig, out: Path, device: str, bar: Bar, say: Callable[[Problem], None]
) -> Iterator[Finished]:
    """Train what is not there yet; yields each model as it is finished, and those that were there.

    ``out/finetuned.json`` is written anew after each model, so that a killed training goes on with the next one.

    Args:
        config: what to train.
        out: folder of the models.
        device: of enhancers and training.
        bar: makes a progress bar of a title.
        say: is told of each image that is passed over.

    Raises:
        UserError: anything that does not exist or does not fit, or a folder of another study.
    """
    from sgz_bench.enhancer.darken import parse_darken

    task = create_task(config.task)
    named = config.model_dump(include={"task", "dataset", "root", "split", "limit", "model"})
    dataset = task.load(StudyConfig(**named))
    darken = parse_darken(config.darken) if config.darken else None
    ways = [Way.of(label, dataset, darken) for label in config.enhancers]
    training = TRAININGS[config.task](dataset, config.model, config.settings)
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
    for problem in dataset.problems:
        say(problem)
    with locked(out):
        models = _finished(out, study)
        for way in ways:
            fingerprint = way.enhancer.fingerprint
            there = {seed for seed in config.seeds if _is_of(models.get((way.label, seed)), fingerprint)}
            missing = [seed for seed in config.seeds if seed not in there]
            for seed in (seed for seed in config.seeds if seed not in missing):
                yield Finished(way.label, seed, out / _file(models[way.label, seed]))
            if not missing:
                continue
            with bar(f"{way.label}: images") as update:
                images = Seen(dataset.samples, way, training.truth, device, update)
            for problem in images.problems:
                say(problem)
            for seed in missing:
                began = monotonic()
                folder = out / f"{_slug(way.label, fingerprint, models)}-seed{seed}"
                origin = {"images": len(images), "enhancer": way.label, "enhancer_fingerprint": fingerprint}
                provenance = study | origin | {"seed": seed, "versions": versions}
                with bar(f"{way.label}: seed {seed}") as update:
                    trained = training.train(images, seed, folder, provenance, device, update)
                models[way.label, seed] = {
                    "enhancer": way.label,
                    "enhancer_fingerprint": fingerprint,
                    "seed": seed,
                    "model": f"{training.family}:{folder.name}/{training.file}",
                    "sha256": file_fingerprint(trained.path),
                }
                index = study | {"images": hashes, "models": list(models.values())}
                write_atomic(out / INDEX, to_json(index))
                taken, seconds = trained.taken, monotonic() - began
                yield Finished(way.label, seed, trained.path, trained.loss, taken, len(images), seconds)
            del images  # before those of the next enhancer are made


def _finished(out: Path, study: Mapping[str, Any]) -> Models:
    """The models of the folder whose files are still what they were.

    Raises:
        UserError: the folder belongs to another study, or its index is damaged.
    """
    if not (out / INDEX).is_file():
        return {}
    try:
        index = json.loads((out / INDEX).read_text(encoding="utf-8"))
        models = {(str(each["enhancer"]), int(each["seed"])): each for each in index["models"]}
        whole = {key: each for key, each in models.items() if _is_whole(out / _file(each), each["sha256"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{out / INDEX} is damaged ({error!r}); remove the folder and train anew") from error
    for key, value in study.items():
        if index.get(key) != value:
            raise UserError(
                f"{out} holds models of another {key}: {_differing(index.get(key), value)}; choose another --out"
            )
    return whole


def _is_of(entry: Mapping[str, Any] | None, fingerprint: str) -> bool:
    """Whether a model was trained with this very enhancer."""
    return entry is not None and entry.get("enhancer_fingerprint") == fingerprint


def _differing(there: Any, wanted: Any) -> str:
    """``lr 0.001, not 0.01``: the first difference between two settings."""
    if isinstance(there, dict) and isinstance(wanted, dict):
        key = next(key for key in {**there, **wanted} if there.get(key) != wanted.get(key))
        return f"{key} {there.get(key)!r}, not {wanted.get(key)!r}"
    return f"{there!r}, not {wanted!r}"


def _file(entry: Mapping[str, Any]) -> str:
    """Path of a model in the folder, from its entry in the index."""
    return str(entry["model"]).partition(":")[2]


def _is_whole(path: Path, sha256: str) -> bool:
    return path.is_file() and file_fingerprint(path) == sha256


def _slug(label: str, fingerprint: str, models: Models) -> str:
    """A folder name for an enhancer: its spec, made fit for file systems, and told from another's of that name."""
    slug = re.sub(r"[^A-Za-z0-9.=-]+", "_", Path(label).name if "/" in label else label).strip("_.")
    taken = any(_file(entry).startswith(f"{slug}-seed") and key[0] != label for key, entry in models.items())
    return f"{slug}-{fingerprint[:8]}" if taken else slug
