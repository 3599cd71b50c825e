"""From a checked config to the cells of a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sgz_bench.core.errors import UserError
from sgz_bench.core.registry import suggest
from sgz_bench.enhancer.weights import restricted
from sgz_bench.tasks.task import Dataset, Sample, Task, create_task

from .config import StudyConfig
from .custom_metrics import create_metrics
from .finetuning.index import Finetuned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sgz_bench.enhancer.base import Enhancer
    from sgz_bench.enhancer.darken import Darken
    from sgz_bench.tasks.metric import Metric
    from sgz_bench.tasks.models import Model
    from sgz_bench.tasks.types import Image


@dataclass(frozen=True)
class Cell:
    """The unit of work: one enhancer in front of one model on one data set.

    Attributes:
        key: hash of all that can change the result; the name of the cell's folder.
        label: canonical spec, or ``bright`` for the well-lit upper bound.
        enhancer: what images pass through.
        darken: what they pass through before, if anything.
        model: what sees them.
        twin: it takes the well-lit twins that the data set has, in place of its images.
        seed: that the model was trained with, under the protocol ``finetune``.
    """

    key: str
    label: str
    enhancer: Enhancer
    darken: Darken | None
    model: Model
    twin: bool = False
    seed: int | None = None

    def path(self, sample: Sample) -> Path:
        """The file that the cell's images come from."""
        return sample.bright if self.twin and sample.bright is not None else sample.path

    def see(self, image: Image, key: str, device: str) -> Image:
        """The image as the model sees it: darkened, enhanced, 8 bits."""
        return seen(image, key, self.darken, self.enhancer, device)


def seen(image: Image, key: str, darken: Darken | None, enhancer: Enhancer, device: str) -> Image:
    """The image as a model sees it, in training as in testing: darkened, enhanced, 8 bits."""
    if darken is not None:
        image = darken(image, key)
    return enhancer.enhance_image(image, key, device)


@dataclass(frozen=True)
class Plan:
    """Everything a run needs, loaded and checked before the first image.

    Attributes:
        config: as asked for.
        task: what is asked of the model.
        dataset: the samples, with class ids of the data set.
        dataset_fingerprint: sha256 over what was loaded.
        model: spec of the model, or of the set of models that were trained for the study.
        model_fingerprint: sha256 of the weights.
        class_map: ``(model classes,)`` data set class or −1.
        classes: data set class ids that are scored, ascending: the class list of the metrics.
        protocol: ``frozen``, or ``finetune`` for models that were trained on the enhanced images.
        metrics: of the user's own, besides the task's.
        cells: ``bright`` first where there is one, then ``raw``, then the enhancers in the order given; under
            ``finetune`` one for every seed.
    """

    config: StudyConfig
    task: Task
    dataset: Dataset
    dataset_fingerprint: str
    model: str
    model_fingerprint: str
    class_map: NDArray[np.int64]
    classes: tuple[int, ...]
    protocol: str
    metrics: tuple[Metric, ...]
    cells: tuple[Cell, ...]

    @property
    def class_names(self) -> list[str]:
        return [self.dataset.class_names[index] for index in self.classes]

    @property
    def terms(self) -> dict[str, str]:
        """Label → terms of the enhancer's weights, of those that leave out commercial use or are not known."""
        return {cell.label: terms for cell in self.cells if (terms := restricted(cell.enhancer))}

    @property
    def rows(self) -> list[tuple[Cell, ...]]:
        """The cells by row of the results: one cell, or those of all seeds."""
        groups: dict[str, list[Cell]] = {}
        for cell in self.cells:
            groups.setdefault(cell.label, []).append(cell)
        return [tuple(group) for group in groups.values()]


def make_plan(config: StudyConfig, device: str) -> Plan:
    """Load data set, models and enhancers.

    Raises:
        UserError: anything of the config that does not exist or does not fit.
    """
    from sgz_bench.core.files import file_sha256
    from sgz_bench.enhancer import create_enhancer
    from sgz_bench.enhancer.darken import parse_darken
    from sgz_bench.enhancer.runtime.choice import engine_of, use_engine
    from sgz_bench.tasks.classes import read_class_map

    task = create_task(config.task)
    metrics = create_metrics(config.metrics, config.task)
    darken = parse_darken(config.darken, seed=config.seed) if config.darken else None
    finetuned = Finetuned.find(config.model)
    # The models that were trained on well-lit images see those; bright is no enhancer.
    enhancers = [
        use_engine(create_enhancer(spec), device, config.engine, config.precision)
        for spec in config.enhancers
        if spec != "bright"
    ]
    chosen = read_class_map(config.class_map) if config.class_map else None
    dataset = task.load(config)
    _refuse_missing(enhancers, dataset)
    data_hash = task.fingerprint(dataset)
    if finetuned:
        images = {file_sha256(sample.path) for sample in dataset.samples}
        finetuned.check(config.task, images, darken.spec if darken else None)
    frozen = None if finetuned else task.create_model(config.model, device)

    def models(label: str, enhancer: Enhancer) -> list[tuple[int | None, Model]]:
        if finetuned:
            trained = finetuned.models(label, enhancer.fingerprint)
            return [(seed, task.create_model(spec, device)) for seed, spec in trained]
        assert frozen is not None
        return [(None, frozen)]

    # One enhancer under two specs, such as gamma and gamma(gamma=0.45), is one row, called as it was first.
    named = {enhancer.fingerprint: enhancer for enhancer in reversed(enhancers)}
    rows = [(each.spec, each, darken, False) for each in enhancers if named[each.fingerprint] is each]
    twins = dataset.aligned and all(sample.bright is not None for sample in dataset.samples)
    if (darken or twins) and (not finetuned or "bright" in finetuned.enhancers):
        rows.insert(0, ("bright", create_enhancer("raw"), None, twins))
    elif "bright" in config.enhancers:
        raise UserError(
            f"{dataset.name} has no well-lit twins, or no model for them; give --darken or leave bright out"
        )
    loaded = [(row, seed, model) for row in rows for seed, model in models(row[0], row[1])]
    _refuse_other_seeds(config.model, [(row[0], seed) for row, seed, _ in loaded])
    first = loaded[0][2]
    for _, _, model in loaded:
        if model.class_names != first.class_names:
            raise UserError(f"{config.model} holds models of different classes; train them in one go")
    mapping = task.map_classes(first.class_names, dataset.class_names, chosen)
    found = sorted({int(index) for index in mapping if index >= 0})
    classes = _only(config.classes, dataset.class_names, found) if config.classes else tuple(found)
    protocol = "finetune" if finetuned else "frozen"

    def cell(label: str, enhancer: Enhancer, darkening: Darken | None, twin: bool, seed: int | None, m: Model) -> Cell:
        identity = [
            data_hash,
            twin,
            enhancer.fingerprint,
            [darkening.spec, darkening.version] if darkening else None,
            [m.family, m.version, m.fingerprint, m.settings],
            [mapping.tolist(), list(classes)],
            [task.name, protocol, task.metric_version],
        ]
        if engine_of(enhancer) not in {"", "eager fp32"}:  # so that rows of earlier versions stay valid
            identity.append(engine_of(enhancer))
        key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
        return Cell(key, label, enhancer.to(device), darkening, m, twin, seed)

    return Plan(
        config,
        task,
        dataset,
        data_hash,
        finetuned.spec if finetuned else first.spec,
        finetuned.fingerprint if finetuned else first.fingerprint,
        mapping,
        classes,
        protocol,
        metrics,
        tuple(cell(*row, seed, model) for row, seed, model in loaded),
    )


def _refuse_missing(enhancers: Sequence[Enhancer], dataset: Dataset) -> None:
    """Refuse a folder of images enhanced elsewhere that lacks some; those that cannot be read need no enhanced ones.

    Raises:
        UserError: says how many, and names the first.
    """
    from sgz_bench.enhancer.folder import Folder
    from sgz_bench.tasks.datasets import undecodable

    for folder in (each for each in enhancers if isinstance(each, Folder)):
        missing = [sample for sample in dataset.samples if folder.lacks(sample.key)]
        broken = {problem.where for problem in undecodable(missing)}
        wanted = [sample.key for sample in missing if sample.key not in broken]
        if wanted:
            count = f"for {len(wanted)} of {len(dataset.samples)} images there is no single file"
            raise UserError(f"{count}: {folder.lacks(wanted[0])}")


def _refuse_other_seeds(model: str, trained: Sequence[tuple[str, int | None]]) -> None:
    """Refuse enhancers whose models were trained with other seeds, as seeds are compared in pairs.

    Raises:
        UserError: names the first such enhancer.
    """
    seeds: dict[str, list[int | None]] = {}
    for label, seed in trained:
        seeds.setdefault(label, []).append(seed)
    wanted = seeds["raw"]
    for label, own in seeds.items():
        if own != wanted:
            raise UserError(f"{model} has the seeds {own} of {label} and {wanted} of raw; train what is missing")


def _only(wanted: str, known: Sequence[str], found: Sequence[int]) -> tuple[int, ...]:
    """Ids of the classes in a named list or a list with commas.

    Raises:
        UserError: a class that the data set does not have, or that the model cannot find.
    """
    from sgz_bench.core.specs import split_list
    from sgz_bench.tasks.classes import CLASS_LISTS

    ids = []
    for name in CLASS_LISTS.get(wanted, split_list(wanted)):
        if name not in known:
            raise UserError(f"--classes: {name!r} is no class of the data set{suggest(name, [*known, *CLASS_LISTS])}")
        if known.index(name) not in found:
            raise UserError(f"--classes: the model has no class {name!r}; leave it out or give --class-map")
        ids.append(known.index(name))
    return tuple(sorted(set(ids)))
