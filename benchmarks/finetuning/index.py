"""Index of a folder of finetuned models, each trained on the images of one enhancer."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import file_sha256, read_json

if TYPE_CHECKING:
    from sgz_bench.tasks.label_space import Dataset

INDEX = "finetuned.json"
ENTRY = "entry.json"  # in a model's folder: the index as if it held this model alone, to rebuild a damaged index
_REBUILD = "repeat the `sgz-bench finetune` command, which rebuilds it from the models"


class IndexEntry(NamedTuple):
    """One model of the index."""

    enhancer: str
    enhancer_fingerprint: str
    seed: int
    model: str  # FAMILY:path below the folder
    sha256: str


class FinetunedModels:
    """Models of a folder that ``sgz-bench finetune`` wrote.

    Args:
        folder: path of the folder.

    Raises:
        UserError: the index is damaged, or names no model.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / INDEX
        try:
            self._index: dict[str, Any] = read_json(path, _REBUILD)
            self._models = [
                IndexEntry(
                    str(each["enhancer"]),
                    str(each["enhancer_fingerprint"]),
                    int(each["seed"]),
                    str(each["model"]),
                    str(each["sha256"]),
                )
                for each in self._index["models"]
            ]
            self._entries: dict[tuple[str, int], Mapping[str, Any]] = {
                (model.enhancer, model.seed): entry
                for model, entry in zip(self._models, self._index["models"], strict=True)
            }
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise UserError(f"{path} is damaged ({error!r}); {_REBUILD}") from error
        if not self._models:
            raise UserError(f"{path} names no trained model; {_REBUILD}")
        self._folder = folder

    @staticmethod
    def find(model: str) -> FinetunedModels | None:
        """Open the folder that a ``--model`` names, if it names one.

        Raises:
            UserError: the folder holds trained models and no index.
        """
        folder = Path(os.path.expanduser(model))  # noqa: PTH111 - leaves an unknown user as it is
        if not (folder / INDEX).is_file() and any(folder.glob(f"*/{ENTRY}")):
            raise UserError(f"{folder / INDEX} is missing; {_REBUILD}")
        return FinetunedModels(folder) if (folder / INDEX).is_file() else None

    @property
    def spec(self) -> str:
        return f"finetuned:{self._folder.resolve().name}"

    @property
    def fingerprint(self) -> str:
        """Sha256 (hex) over the weights of all models."""
        return hashlib.sha256(json.dumps(sorted(self._models)).encode()).hexdigest()

    @property
    def enhancers(self) -> list[str]:
        """Enhancers of the models, in the order of training."""
        return list(dict.fromkeys(each.enhancer for each in self._models))

    def check(self, task: str, dataset: Dataset, darken: str | None) -> None:
        """Refuse a study that the models were not trained for.

        Args:
            task, darken: task and darkening of the study.
            dataset: test images of the study.

        Raises:
            UserError: the task or darkening differs, or the models were trained on some of the images.
        """
        if self._index.get("task") != task:
            raise UserError(
                f"{self._folder} holds models for {self._index.get('task')}, not {task}; choose another --model"
            )
        both = set(self._index.get("images", ())) & {file_sha256(sample.path) for sample in dataset.samples}
        if both:
            raise UserError(
                f"{self._folder} was trained on {len(both)} of these images; name another --split to test on"
            )
        if self._index.get("darken") != darken:
            trained = self._index.get("darken")
            raise UserError(
                f"{self._folder} was trained {f'with --darken {trained!r}' if trained else 'without --darken'}; "
                "darken the test images in the same way"
            )

    def models(self, enhancer: str, fingerprint: str, engine: str, *, default_engine: bool) -> list[tuple[int, str]]:
        """Return seed and model spec of every model of an enhancer, by seed.

        Args:
            enhancer: canonical spec, or ``bright``.
            fingerprint: fingerprint of the enhancer; must equal that of the training.
            engine: engine of the enhancer in the study; must equal that of the training.
            default_engine: True if the study uses the default engine.

        Raises:
            UserError: no model was trained with this enhancer or engine, or a file has changed since.
        """
        named = [each for each in self._models if (each.enhancer == "bright") == (enhancer == "bright")]
        entries = sorted((each for each in named if each.enhancer_fingerprint == fingerprint), key=lambda e: e.seed)
        if not entries and enhancer == "raw":
            raise UserError(
                f"{self._folder} has no model trained with raw, which the others are compared with; train it too"
            )
        if not entries and any(each.enhancer == enhancer for each in named):
            raise UserError(f"{self._folder} was trained with another version of {enhancer}; train it again")
        if not entries:
            raise UserError(
                f"{self._folder} has no model trained with {enhancer}; it has {', '.join(self.enhancers)}: "
                "choose among these with --enhancers, or train one with `sgz-bench finetune`"
            )
        specs = []
        for each in entries:
            entry = self._entries[each.enhancer, each.seed]
            if not same_engine(entry, engine, default_engine=default_engine):
                trained = entry.get("engine") or "auto fp32"
                raise UserError(
                    f"{self._folder}: the model of {enhancer} was trained through the engine {trained}, "
                    f"this study runs {engine}; give the same --engine and --precision"
                )
            family, _, file = each.model.partition(":")
            path = self._folder / file
            if not path.is_file():
                raise UserError(f"{path} is missing; repeat the `sgz-bench finetune` command to train it again")
            if file_sha256(path) != each.sha256:
                raise UserError(
                    f"{path} differs from what `sgz-bench finetune` wrote; restore it, or repeat the command to train"
                    " it again"
                )
            specs.append((each.seed, f"{family}:{path}"))
        return specs


def read_index(out: Path, study: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Mapping[str, Any]], str]:
    """Return the index of a folder and its entries; a damaged or missing index is rebuilt from the models' own entries.

    Args:
        out: folder of the models.
        study: settings that all models share; entries of another study are left out, unless all are.

    Returns:
        The index without models, the entries of the models, and the reason of a rebuild; empty without one.

    Raises:
        UserError: the index is damaged, and no model has an entry of its own.
    """
    path, reason = out / INDEX, "is missing"
    if path.is_file():
        try:
            index = read_json(path, kind=dict)
            for each in index["models"]:
                _ = str(each["enhancer"]), int(each["seed"]), str(each["model"]), str(each["sha256"])
            return index, index["models"], ""
        except (UserError, ValueError, KeyError, TypeError, OverflowError) as error:
            reason = "is damaged" if isinstance(error, UserError) else f"is damaged ({error!r})"
    entries = [read_json(file, "remove its folder", dict) for file in sorted(out.glob(f"*/{ENTRY}"))]
    if not entries and not path.is_file():
        return {}, [], ""
    if not entries:
        raise UserError(f"{path} {reason}, and no model of {out} has an {ENTRY}; remove the folder and train again")
    fitting = [each for each in entries if all(each.get(key) == value for key, value in study.items())] or entries[:1]
    return fitting[0], [model for each in fitting for model in each.get("models", [])], f"{path} {reason}"


def same_engine(entry: Mapping[str, Any], engine: str, *, default_engine: bool) -> bool:
    """Return True if a model was trained through this engine, or if both engines are the default choice.

    The default engine depends on the device; results of engines lie within one 8-bit level of each other.

    Args:
        entry: of the index; folders of earlier versions record no engine, and always took the default one.
        engine: engine to compare; empty for methods without a network.
        default_engine: True if ``engine`` is the default choice.
    """
    by_default = bool(entry.get("default_engine", True))
    return not engine or entry.get("engine") == engine or (by_default and default_engine)
