"""One model as a unit: any process that sees the same disk prepares and trains it from the config alone."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import torch

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import file_sha256, to_json, write_atomic
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.composites import refuse_predictions
from sgz_bench.enhancer.darken import parse_darken
from sgz_bench.enhancer.runtime.choice import planned_engine, use_engine
from sgz_bench.tasks.catalog import create_task
from sgz_bench.tasks.training import TrainedModel, TrainingJob
from sgz_bench.tasks.training_state import remove_checkpoint
from sgz_bench.tasks.types import Problem

from ..view import InputView, bright_view
from .config import FinetuneConfig, FinetunedModel
from .images import EnhancedImages
from .index import ENTRY

Bar = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]


@dataclass(frozen=True)
class Callbacks:
    """Receivers of what happens during a finetuning.

    Attributes:
        bar: creates a progress bar with a title.
        report: called with each image that is left out.
        say: receives notes, one line each.
    """

    bar: Bar
    report: Callable[[Problem], None]
    say: Callable[[str], None]


@dataclass(frozen=True)
class ModelJob:
    """One model to train.

    Attributes:
        enhancer: canonical spec, or ``bright``.
        seed: seed of the training.
        folder: folder of the model.
    """

    enhancer: str
    seed: int
    folder: Path

    @property
    def key(self) -> tuple[str, int]:
        """Enhancer and seed."""
        return self.enhancer, self.seed

    @property
    def title(self) -> str:
        """Title of the job's bar."""
        return f"{self.enhancer}: seed {self.seed}"

    @property
    def name(self) -> str:
        """Name of the model in messages."""
        return f"{self.enhancer}, seed {self.seed}"


@dataclass(frozen=True)
class ModelResult:
    """Trained model.

    Attributes:
        entry: its entry in the index.
        trained: weights, loss, and tensors taken from the start.
        images: number of training images.
        seconds: duration of the training.
    """

    entry: dict[str, Any]
    trained: TrainedModel
    images: int
    seconds: float

    def model(self, job: ModelJob) -> FinetunedModel:
        """Return the finished model of the job."""
        done = self.trained
        return FinetunedModel(job.enhancer, job.seed, done.path, done.loss, done.taken, self.images, self.seconds)


class Preparation:
    """Data set, training and enhancers of a finetuning, for one process.

    Args:
        config: config of the finetuning.
        device: torch device of enhancers and training.

    Attributes:
        dataset: training images.
        study: settings that all models share.

    Raises:
        UserError: a part of the config does not exist or does not fit.
    """

    def __init__(self, config: FinetuneConfig, device: str) -> None:
        self.config, self._device = config, device
        task = create_task(config.task)
        self.dataset = task.load(config.dataset, config.root, config.split, config.limit)
        self._darken = parse_darken(config.darken) if config.darken else None
        self._views = {view.label: view for view in map(self._view, config.enhancers)}
        self._engines = {label: self._planned_engine(view) for label, view in self._views.items()}
        self._ready: set[str] = set()
        self._images: tuple[str, EnhancedImages] | None = None
        self._training = task.training(self.dataset, config.model, config.settings)
        self.study: dict[str, Any] = {
            "task": config.task,
            "dataset": Path(config.dataset).name,
            "split": self.dataset.split,
            "dataset_fingerprint": task.fingerprint(self.dataset),
            "darken": self._darken.spec if self._darken else None,
            "start": self._training.start,
            "recipe": self._training.recipe,
        }
        self.versions = {name: version(name) for name in ("sgz-bench", *self._training.packages)}

    @cached_property
    def index(self) -> dict[str, Any]:
        """Index without models: the study, and the hashes of all images."""
        return self.study | {"images": sorted({file_sha256(sample.path) for sample in self.dataset.samples})}

    @property
    def labels(self) -> list[str]:
        """Canonical specs of the enhancers, or ``bright``, in the order of the config."""
        return list(self._views)

    def fingerprint(self, label: str) -> str:
        """Return the fingerprint of an enhancer, or of ``raw`` for ``bright``."""
        return self._views[label].enhancer.fingerprint

    def engine(self, label: str) -> str:
        """Return the engine and precision of an enhancer, such as ``fused fp32``; empty without a network."""
        return self._engines[label]

    def ready(self, label: str) -> InputView:
        """Return the view of an enhancer, with the engine that runs it.

        Raises:
            UserError: the engine cannot run the enhancer.
        """
        view = self._views[label]
        if label not in self._ready and label != "bright":
            use_engine(view.enhancer, self._device, self.config.engine, self.config.precision)
        self._ready.add(label)
        return view

    def images(self, label: str, callbacks: Callbacks) -> EnhancedImages:
        """Return the enhanced images, which are kept until those of another enhancer are asked for."""
        if self._images is None or self._images[0] != label:
            self._images = None  # frees memory first
            view, truth = self.ready(label), self._training.truth
            with callbacks.bar(f"{label}: images") as update:
                images = EnhancedImages(self.dataset.samples, view, truth, self._device, update)
            for problem in images.problems:
                callbacks.report(problem)
            self._images = label, images
        return self._images[1]

    def train(self, job: ModelJob, index: Mapping[str, Any], callbacks: Callbacks) -> ModelResult:
        """Train a model, or resume its training; write its weights and its own entry.

        Args:
            job: the model.
            index: index without models.
            callbacks: receive progress, images left out, and notes.

        Raises:
            UserError: the images cannot be trained on, or the loss is not finite.
        """
        images, view, config = self.images(job.enhancer, callbacks), self.ready(job.enhancer), self.config
        began = monotonic()
        origin = {
            "images": len(images),
            "enhancer": view.label,
            "enhancer_fingerprint": view.enhancer.fingerprint,
        }
        # Only where it was chosen, so that the weights of earlier versions stay the same bytes.
        origin |= {} if config.default_engine else {"engine": view.engine}
        provenance = self.study | origin | {"seed": job.seed, "versions": self.versions}
        conditions = _conditions(view, images, self._device)

        def say(line: str) -> None:
            callbacks.say(f"note: {job.name}: {line}")

        with callbacks.bar(job.title) as update:
            trained = self._training.train(
                TrainingJob(images, job.seed, job.folder, provenance, self._device, update, conditions, say)
            )
        entry = {
            "enhancer": view.label,
            "enhancer_fingerprint": view.enhancer.fingerprint,
            "engine": view.engine,
            "default_engine": config.default_engine,
            "seed": job.seed,
            "model": f"{self._training.family}:{job.folder.name}/{self._training.file}",
            "sha256": file_sha256(trained.path),
        }
        write_atomic(job.folder / ENTRY, to_json(dict(index) | {"models": [entry]}))
        remove_checkpoint(job.folder)
        return ModelResult(entry, trained, len(images), monotonic() - began)

    def _view(self, spec: str) -> InputView:
        """Return the view of an enhancer without its engine, or of the well-lit images.

        Raises:
            UserError: there is no such enhancer, or there are no well-lit images.
        """
        if spec != "bright":
            enhancer = create_enhancer(spec)
            refuse_predictions(enhancer)
            return InputView(enhancer.spec, enhancer, self._darken)
        view = bright_view(self.dataset, self._darken)
        if view is None:
            raise UserError(
                f"{self.dataset.name} has no well-lit twins that its labels fit; leave bright out or give --darken"
            )
        return view

    def _planned_engine(self, view: InputView) -> str:
        """Return the engine that will run a view's enhancer.

        Raises:
            UserError: the engine cannot run it.
        """
        if view.label == "bright":
            return ""
        return planned_engine(view.enhancer, self._device, self.config.engine, self.config.precision)


def _conditions(view: InputView, images: EnhancedImages, device: str) -> dict[str, Any]:
    """Return what decides the weights besides their provenance: images left out, engine, device and versions."""
    by_threads = device == "cpu" and view.engine and not view.engine.startswith("fused")
    return {
        "unreadable images": sorted(problem.where for problem in images.problems),
        "engine": view.engine,
        "threads": torch.get_num_threads() if by_threads else None,  # of the enhancer; the recipe has its own
        "device": device.partition(":")[0],
        "Python and NumPy": [platform.python_version(), np.__version__],
    }
