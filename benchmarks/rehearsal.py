"""Rehearsal of studies: data set, model and classes are opened and compared, and nothing is run."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from sgz_bench.core.errors import UserError
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.darken import parse_darken
from sgz_bench.tasks.catalog import create_task
from sgz_bench.tasks.classes import read_class_map

from .config import StudyConfig
from .finetuning.index import FinetunedModels
from .plan import label_space

RENDERED = "nightscene"  # loading it without a folder would render it


class Rehearsal:
    """Rehearsal of several studies, which opens each data set and each model once."""

    def __init__(self) -> None:
        self._opened: dict[Hashable, Any] = {}

    def faults(self, config: StudyConfig) -> list[str]:
        """Return one line for each reason why a study cannot run; enhancers are not looked at."""
        faults: list[str] = []

        def attempt(fault: str, key: Hashable, opening: Callable[[], Any]) -> Any:
            if key not in self._opened:
                try:
                    self._opened[key] = opening()
                except UserError as error:
                    self._opened[key] = error
            opened = self._opened[key]
            if isinstance(opened, UserError):
                faults.append(f"{fault}: {opened}")
                return None
            return opened

        if config.root and not config.root.expanduser().exists():
            faults.append(f"missing data set: {config.root} does not exist")
            dataset = None
        elif config.root is None and config.dataset.partition("(")[0] == RENDERED:
            dataset = None
        else:
            data = (config.task, config.dataset, config.root, config.split, config.limit)
            dataset = attempt("missing data set", data, lambda: _dataset(config))
        model = (config.task, config.model)
        names = attempt("missing model", (*model, "names"), lambda: _class_names(config))
        if dataset is not None and names is not None:
            study = (*data, config.model, config.class_map, config.classes, config.darken)
            attempt("classes or models do not fit", study, lambda: _fit(config, dataset, names))
        return faults


def _dataset(config: StudyConfig) -> Any:
    return create_task(config.task).load(config.dataset, config.root, config.split, config.limit)


def _class_names(config: StudyConfig) -> tuple[str, ...]:
    """Return the classes of a study's model, or of its first finetuned one, after a check of all their files.

    Raises:
        UserError: a model does not exist, or cannot be read.
    """
    finetuned, task = FinetunedModels.find(config.model), create_task(config.task)
    if finetuned is None:
        return task.create_model(config.model, "cpu").class_names
    specs: list[str] = []
    for spec in config.enhancers:
        fingerprint = create_enhancer("raw" if spec == "bright" else spec).fingerprint
        specs += [model for _, model in finetuned.models(spec, fingerprint, "", default_engine=True)]
    return task.create_model(specs[0], "cpu").class_names


def _fit(config: StudyConfig, dataset: Any, names: tuple[str, ...]) -> bool:
    """Compare classes and labels of a data set with those of a model.

    Raises:
        UserError: they do not fit.
    """
    task, finetuned = create_task(config.task), FinetunedModels.find(config.model)
    if finetuned is not None:
        finetuned.check(config.task, dataset, parse_darken(config.darken).spec if config.darken else None)
    label_space(task, dataset, names, read_class_map(config.class_map) if config.class_map else None, config.classes)
    return True
