"""A folder of models that were trained for a study, each on images as one enhancer makes them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.models import file_fingerprint

INDEX = "finetuned.json"


class Trained(NamedTuple):
    """A model of the index."""

    enhancer: str
    enhancer_fingerprint: str
    seed: int
    model: str  # FAMILY:path below the folder
    sha256: str


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
                Trained(
                    str(each["enhancer"]),
                    str(each["enhancer_fingerprint"]),
                    int(each["seed"]),
                    str(each["model"]),
                    str(each["sha256"]),
                )
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
        folder = Path(os.path.expanduser(model))  # noqa: PTH111 - leaves an unknown user as it is
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
        return list(dict.fromkeys(each.enhancer for each in self._models))

    def check(self, task: str, images: Iterable[str], darken: str | None) -> None:
        """Refuse a study that the models were not trained for.

        Args:
            task, darken: of the study.
            images: sha256 of the study's image files.

        Raises:
            UserError: another task or darkening, or images that they were trained on.
        """
        if self._index.get("task") != task:
            raise UserError(f"{self._folder} holds models for {self._index.get('task')}, this is {task}")
        both = set(self._index.get("images", ())) & set(images)
        if both:
            raise UserError(
                f"{self._folder} was trained on {len(both)} of these images; name another --split to test on"
            )
        if self._index.get("darken") != darken:
            trained = self._index.get("darken")
            raise UserError(
                f"{self._folder} was trained {f'with --darken {trained!r}' if trained else 'without --darken'}; "
                "test it the same way"
            )

    def models(self, enhancer: str, fingerprint: str) -> list[tuple[int, str]]:
        """Seed and model spec of every model of an enhancer, by seed.

        Args:
            enhancer: canonical spec, or ``bright``.
            fingerprint: of the enhancer, which must be what it was in training.

        Raises:
            UserError: none was trained with it, or a file is not what ``finetune`` wrote.
        """
        named = [each for each in self._models if (each.enhancer == "bright") == (enhancer == "bright")]
        found = sorted((each for each in named if each.enhancer_fingerprint == fingerprint), key=lambda each: each.seed)
        if not found and enhancer == "raw":
            raise UserError(f"{self._folder} has no model trained with raw; train it too: the comparison is with it")
        if not found and any(each.enhancer == enhancer for each in named):
            raise UserError(f"{self._folder} was trained with another version of {enhancer}; train it anew")
        if not found:
            raise UserError(
                f"{self._folder} has no model trained with {enhancer}; it has {', '.join(self.enhancers)}: "
                "name these in --enhancers, or train one with `sgz-bench finetune`"
            )
        specs = []
        for each in found:
            family, _, file = each.model.partition(":")
            path = self._folder / file
            if not path.is_file() or file_fingerprint(path) != each.sha256:
                raise UserError(f"{path} is not what `sgz-bench finetune` wrote; repeat it")
            specs.append((each.seed, f"{family}:{path}"))
        return specs
