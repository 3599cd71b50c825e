"""A folder of models that were trained for a study, each on images as one enhancer makes them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from sgz_bench.enhancer.errors import UserError

INDEX = "finetuned.json"


class Finetuned:
    """The index that ``sgz-bench finetune`` left.

    Args:
        folder: what holds it.

    Raises:
        UserError: the index is damaged, or names no model.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / INDEX
        try:
            self._index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            self._models = [
                (str(each["enhancer"]), int(each["seed"]), str(each["model"]), str(each["sha256"]))
                for each in self._index["models"]
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is damaged ({error!r}); repeat `sgz-bench finetune`") from error
        if not self._models:
            raise UserError(f"{path} names no trained model; repeat `sgz-bench finetune`")
        self._folder = folder

    @staticmethod
    def find(model: str) -> Finetuned | None:
        """The folder that a ``--model`` names, if it names one."""
        folder = Path(model).expanduser()
        return Finetuned(folder) if (folder / INDEX).is_file() else None

    @property
    def spec(self) -> str:
        return f"finetuned:{self._folder.resolve().name}"

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) over the weights of all models."""
        return hashlib.sha256(json.dumps(sorted(self._models)).encode()).hexdigest()

    @property
    def enhancers(self) -> list[str]:
        """The enhancers that models were trained with, in their order."""
        return list(dict.fromkeys(enhancer for enhancer, *_ in self._models))

    def check(self, task: str, dataset_fingerprint: str, darken: str | None) -> None:
        """Refuse a study that the models were not trained for.

        Raises:
            UserError: another task or darkening, or the images that they were trained on.
        """
        if self._index.get("task") != task:
            raise UserError(f"{self._folder} holds models for {self._index.get('task')}, this is {task}")
        if self._index.get("dataset_fingerprint") == dataset_fingerprint:
            raise UserError(f"{self._folder} was trained on this very split; name another --split to test on")
        if self._index.get("darken") != darken:
            trained = self._index.get("darken")
            raise UserError(
                f"{self._folder} was trained {f'with --darken {trained!r}' if trained else 'without --darken'}; "
                "test it the same way"
            )

    def models(self, enhancer: str) -> list[tuple[int, str]]:
        """Seed and model spec of every model of an enhancer, by seed.

        Raises:
            UserError: none was trained with it.
        """
        found = sorted((seed, model) for name, seed, model, _ in self._models if name == enhancer)
        if not found:
            raise UserError(
                f"{self._folder} has no model trained with {enhancer}; it has {', '.join(self.enhancers)}: "
                "name these in --enhancers, or train one with `sgz-bench finetune`"
            )
        specs = []
        for seed, model in found:
            family, _, file = model.partition(":")
            specs.append((seed, f"{family}:{self._folder / file}"))
        return specs
