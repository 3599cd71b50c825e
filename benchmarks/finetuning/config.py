"""Config of a finetuning, and what one model of it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..config import known_task


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
        failure: reason why there is no model, after an executor went on without it; empty for a model.
    """

    enhancer: str
    seed: int
    file: Path
    loss: float | None = None
    taken: tuple[int, int] = (0, 0)
    images: int = 0
    seconds: float = 0.0
    failure: str = ""
