"""Plan of a run: data set, models and enhancers of a config, laid out as cells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sgz_bench.core.errors import UserError
from sgz_bench.core.registry import suggest
from sgz_bench.core.text import pluralize
from sgz_bench.enhancer.composites import Both, Gate, Oracle
from sgz_bench.enhancer.weights import restricted
from sgz_bench.tasks.catalog import create_task
from sgz_bench.tasks.label_space import Dataset, LabelSpace
from sgz_bench.tasks.metric import create_metrics
from sgz_bench.tasks.task import Task

from .config import StudyConfig
from .finetuning.index import FinetunedModels
from .results import COLUMNS, is_bound
from .view import InputView, bright_view, enhanced_views

if TYPE_CHECKING:
    from sgz_bench.enhancer.base import Enhancer
    from sgz_bench.enhancer.darken import Darken
    from sgz_bench.tasks.metric import Metric
    from sgz_bench.tasks.models import Model

DEFAULT_ENGINE = {"", "eager fp32"}  # left out of a cell's key, so that rows of earlier versions stay valid


@dataclass(frozen=True)
class Cell:
    """Unit of work: one enhancer in front of one model on one data set.

    Attributes:
        key: hash of everything that can change the result; name of the cell's folder.
        view: preprocessing of the images.
        model: detector or segmenter.
        seed: training seed of the model, under the protocol ``finetune``.
        sources: cells whose predictions this one's are drawn from, raw first; empty for a cell that predicts itself.
    """

    key: str
    view: InputView
    model: Model
    seed: int | None = None
    sources: tuple[Cell, ...] = ()

    @property
    def label(self) -> str:
        """Canonical spec of the enhancer, or ``bright``."""
        return self.view.label


@dataclass(frozen=True)
class Plan:
    """Everything that a run needs, loaded and checked before the first image.

    Attributes:
        config: config of the study.
        task: task of the study.
        space: data set, class map and scored classes.
        dataset_fingerprint: sha256 over the loaded samples.
        model: spec of the model, or of the set of models that were trained for the study.
        model_fingerprint: sha256 of the weights.
        protocol: ``frozen``, or ``finetune`` for models that were trained on the enhanced images.
        metrics: custom metrics, besides the task's own.
        cells: ``bright`` first if there is one, then ``raw``, then the enhancers in the given order; under
            ``finetune`` one cell per seed.
    """

    config: StudyConfig
    task: Task[Any, Any]
    space: LabelSpace[Any]
    dataset_fingerprint: str
    model: str
    model_fingerprint: str
    protocol: str
    metrics: tuple[Metric, ...]
    cells: tuple[Cell, ...]

    @property
    def dataset(self) -> Dataset:
        dataset: Dataset = self.space.dataset
        return dataset

    @cached_property
    def terms(self) -> dict[str, str]:
        """Label → terms of the enhancer's weights, if they exclude commercial use or are unknown."""
        return {cell.label: terms for cell in self.cells if (terms := restricted(cell.view.enhancer))}

    @property
    def rows(self) -> list[tuple[Cell, ...]]:
        """Cells by row of the results: one cell, or one per training seed."""
        groups: dict[str, list[Cell]] = {}
        for cell in self.cells:
            groups.setdefault(cell.label, []).append(cell)
        return [tuple(group) for group in groups.values()]


def make_plan(config: StudyConfig, device: str) -> Plan:
    """Load data set, enhancers and models, and lay out the cells.

    Raises:
        UserError: a part of the config does not exist or does not fit.
    """
    from sgz_bench.tasks.classes import read_class_map

    task = create_task(config.task)
    metrics = create_metrics(config.metrics, config.task, COLUMNS)
    darken = _darken(config)
    finetuned = FinetunedModels.find(config.model)
    enhanced = enhanced_views(config.enhancers, darken, device, config.engine, config.precision)
    chosen = read_class_map(config.class_map) if config.class_map else None
    dataset = task.load(config.dataset, config.root, config.split, config.limit)
    _refuse_given_attributes(config.by, dataset)
    _refuse_missing([view.enhancer for view in enhanced], dataset)
    fingerprint = task.fingerprint(dataset)
    if finetuned is not None:
        finetuned.check(config.task, dataset, darken.spec if darken else None)
    models = _models(config, task, [*_bright(config, dataset, darken, finetuned), *enhanced], finetuned, device)
    space = label_space(task, dataset, models[0][2].class_names, chosen, config.classes)
    if config.until is not None and all(view.label == "raw" or is_bound(view.label) for view, _, _ in models):
        raise UserError("--until needs an enhancer to compare with raw; name one with --enhancers")
    return _laid_out(config, task, space, fingerprint, finetuned, metrics, models)


def rebuild_plan(config: StudyConfig, space: LabelSpace[Any], fingerprint: str, device: str) -> Plan:
    """Lay out a study again in another process: enhancers and models are loaded, the data set is as it was loaded once.

    Args:
        config: config of the study.
        space, fingerprint: ``space`` and ``dataset_fingerprint`` of its plan.
        device: torch device of the enhancers.

    Raises:
        UserError: an enhancer or a model does not exist here or does not fit.
    """
    task, darken, finetuned = create_task(config.task), _darken(config), FinetunedModels.find(config.model)
    views = [
        *_bright(config, space.dataset, darken, finetuned),
        *enhanced_views(config.enhancers, darken, device, config.engine, config.precision),
    ]
    models = _models(config, task, views, finetuned, device)
    return _laid_out(config, task, space, fingerprint, finetuned, (), models)


def _darken(config: StudyConfig) -> Darken | None:
    from sgz_bench.enhancer.darken import parse_darken

    return parse_darken(config.darken, seed=config.seed) if config.darken else None


def _laid_out(
    config: StudyConfig,
    task: Task[Any, Any],
    space: LabelSpace[Any],
    fingerprint: str,
    finetuned: FinetunedModels | None,
    metrics: tuple[Metric, ...],
    models: Sequence[tuple[InputView, int | None, Model]],
) -> Plan:
    """Return the plan whose cells are these views with their models."""
    protocol, first = "finetune" if finetuned else "frozen", models[0][2]
    cells = [
        Cell(_key(task, space, fingerprint, protocol, view, model), view, model, seed) for view, seed, model in models
    ]
    if finetuned is None:
        cells = [replace(cell, sources=_sources(task, cell, cells)) for cell in cells]
    return Plan(
        config,
        task,
        space,
        fingerprint,
        finetuned.spec if finetuned else first.spec,
        finetuned.fingerprint if finetuned else first.fingerprint,
        protocol,
        metrics,
        tuple(cells),
    )


def _first_fault(dataset: Dataset) -> str:
    """Return the first fault of a label for a message; empty if none is known."""
    fault = next((problem for problem in dataset.problems if not problem.lost), None)
    return "" if fault is None else f" (first fault: {fault})"


def label_space(
    task: Task[Any, Any],
    dataset: Dataset,
    model_classes: Sequence[str],
    class_map: Mapping[str, Sequence[str]] | None,
    classes: str | None,
) -> LabelSpace[Any]:
    """Return the label space of a data set and a model.

    Args:
        task: task of the study.
        dataset: data set with its samples.
        model_classes: names of the model's classes.
        class_map: data set class → model classes; None: by name.
        classes: classes to score, as in ``StudyConfig``; None: all that the model has.

    Raises:
        UserError: data set and model share no class, a class does not exist, or no image has a label of one.
    """
    mapping = task.map_classes(model_classes, dataset.class_names, class_map)
    mapped = sorted({int(index) for index in mapping if index >= 0})
    chosen = _chosen_classes(classes, dataset.class_names, mapped) if classes else tuple(mapped)
    space: LabelSpace[Any] = LabelSpace(dataset, mapping, chosen)
    if not task.labelled(space):
        scored = ", ".join(space.class_names[:5]) + (", …" if len(chosen) > 5 else "")
        raise UserError(
            f"{dataset.name}, split {dataset.split}, has no label of a scored class ({scored}) on its"
            f" {pluralize(len(dataset.samples), 'image')}, so nothing can be scored{_first_fault(dataset)}; check the"
            " labels (`sgz-bench data check`), --split, --classes and --class-map"
        )
    return space


def _bright(
    config: StudyConfig, dataset: Dataset, darken: Darken | None, finetuned: FinetunedModels | None
) -> list[InputView]:
    """Create the view of the well-lit images, if there are any and a model for them.

    Raises:
        UserError: the config asks for a view that cannot be created.
    """
    view = bright_view(dataset, darken)
    if view is not None and (finetuned is None or "bright" in finetuned.enhancers):
        return [view]
    if "bright" in config.enhancers:
        raise UserError(
            f"{dataset.name} has no well-lit twins, or no model for them; give --darken or leave bright out"
        )
    return []


def _models(
    config: StudyConfig,
    task: Task[Any, Any],
    views: Sequence[InputView],
    finetuned: FinetunedModels | None,
    device: str,
) -> list[tuple[InputView, int | None, Model]]:
    """Load the models: one for all views, or one per view and training seed.

    Raises:
        UserError: a model does not exist or fit, or the models differ in classes or seeds.
    """
    if finetuned is None:
        frozen = task.create_model(config.model, device)
        return [(view, None, _model_of(task, frozen, view, device)) for view in views]
    for view in views:
        if isinstance(view.enhancer, (Both, Oracle)):
            raise UserError(f"{view.label} needs one model for all rows, not one per enhancer; leave it out")
    default = (config.engine, config.precision) == ("auto", "fp32")
    models: list[tuple[InputView, int | None, Model]] = [
        (view, seed, task.create_model(spec, device))
        for view in views
        for seed, spec in finetuned.models(view.label, view.enhancer.fingerprint, view.engine, default_engine=default)
    ]
    _refuse_other_seeds(config.model, [(view.label, seed) for view, seed, _ in models])
    for _, _, model in models:
        if model.class_names != models[0][2].class_names:
            raise UserError(f"{config.model} holds models of different classes; train all models with one command")
    return models


def _model_of(task: Task[Any, Any], model: Model, view: InputView, device: str) -> Model:
    """Return the model of a cell: the study's, or one that also looks at the enhanced picture."""
    if not isinstance(view.enhancer, Both) or task.fuses_records:
        return model
    inner = view.enhancer.inner
    return task.two_pass_model(model, lambda image: inner.enhance_image(image, "", device))


def _sources(task: Task[Any, Any], cell: Cell, cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Return the cells from whose predictions a cell's are drawn, raw first; empty for a cell that predicts itself."""
    enhancer = cell.view.enhancer
    if isinstance(enhancer, Oracle) and enhancer.among:
        wanted = set(enhancer.among)
    elif isinstance(enhancer, (Gate, Oracle)) or (isinstance(enhancer, Both) and task.fuses_records):
        wanted = {enhancer.inner.fingerprint}
    else:
        return ()
    raw = next(each for each in cells if each.label == "raw")
    return raw, *(
        each for each in cells if each.view.enhancer.fingerprint in wanted and each.label not in {"raw", "bright"}
    )


def _key(
    task: Task[Any, Any], space: LabelSpace[Any], fingerprint: str, protocol: str, view: InputView, model: Model
) -> str:
    """Return the key of a cell; the fields keep their order, because kept results are looked up by it."""
    identity = [
        fingerprint,
        view.twin,
        view.enhancer.fingerprint,
        [view.darken.spec, view.darken.version] if view.darken else None,
        [model.family, model.version, model.fingerprint, model.settings],
        [space.class_map.tolist(), list(space.classes)],
        [task.name, protocol, task.metric_version],
    ]
    if view.engine not in DEFAULT_ENGINE:
        identity.append(view.engine)
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def _refuse_given_attributes(by: Sequence[str], dataset: Dataset) -> None:
    """Refuse a statistic whose name is an attribute of the images already: its values would replace those.

    Raises:
        UserError: an image has the attribute.
    """
    for name in by:
        if any(name in sample.attributes for sample in dataset.samples):
            raise UserError(
                f"--by {name}: the images of {dataset.name} have an attribute {name!r} of their own, by which tables"
                " come without --by; leave it out"
            )


def _refuse_missing(enhancers: Iterable[Enhancer], dataset: Dataset) -> None:
    """Refuse a folder of images enhanced elsewhere that lacks some; unreadable originals need no enhanced image.

    Raises:
        UserError: images are missing; the message counts them and names the first.
    """
    from sgz_bench.enhancer.folder import Folder
    from sgz_bench.tasks.datasets import undecodable

    for folder in (each for each in enhancers if isinstance(each, Folder)):
        missing = [sample for sample in dataset.samples if folder.lacks(sample.key)]
        broken = {problem.where for problem in undecodable(missing)}
        wanted = [sample.key for sample in missing if sample.key not in broken]
        if wanted:
            count = f"{len(wanted)} of {len(dataset.samples)} images have no single file"
            raise UserError(f"{count}: {folder.lacks(wanted[0])}")


def _refuse_other_seeds(model: str, trained: Sequence[tuple[str, int | None]]) -> None:
    """Refuse enhancers whose models were trained with other seeds than raw's, because seeds are compared in pairs.

    Raises:
        UserError: the seeds of an enhancer differ; the message names the first one.
    """
    seeds: dict[str, list[int | None]] = {}
    for label, seed in trained:
        seeds.setdefault(label, []).append(seed)
    wanted = seeds["raw"]
    for label, own in seeds.items():
        if own != wanted:
            raise UserError(f"{model} has seeds {own} for {label}, but {wanted} for raw; train the missing ones")


def _chosen_classes(wanted: str, known: Sequence[str], mapped: Sequence[int]) -> tuple[int, ...]:
    """Return the ids of the classes in a named list or a list with commas.

    Raises:
        UserError: a class is not in the data set, or the model cannot predict it.
    """
    from sgz_bench.core.specs import split_list
    from sgz_bench.tasks.classes import CLASS_LISTS

    ids = []
    for name in CLASS_LISTS.get(wanted, split_list(wanted)):
        if name not in known:
            raise UserError(
                f"--classes: {name!r} is not a class of the data set{suggest(name, [*known, *CLASS_LISTS])}"
            )
        if known.index(name) not in mapped:
            raise UserError(f"--classes: the model has no class {name!r}; leave it out or give --class-map")
        ids.append(known.index(name))
    return tuple(sorted(set(ids)))
