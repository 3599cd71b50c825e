"""Interface of a task's training, through which all tasks share the finetuning loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from sgz_bench.core.errors import UserError
from sgz_bench.core.faults import first_fault
from sgz_bench.core.registry import refuse_unknown
from sgz_bench.core.specs import parse_spec

from .label_space import Sample
from .models import file_fingerprint

if TYPE_CHECKING:
    from .training_state import TrainingState

Progress = Callable[[int, int, float], None]  # step, steps, loss of the step
S = TypeVar("S", bound=Sample, contravariant=True)
R = TypeVar("R", bound=BaseModel)


@dataclass(frozen=True)
class TrainedModel:
    """Result of one training.

    Attributes:
        path: path of the weights.
        loss: loss at the end, averaged over some steps.
        taken: ``(tensors taken from the start weights, tensors of the network)``.
    """

    path: Path
    loss: float
    taken: tuple[int, int]


@dataclass(frozen=True)
class TrainingJob:
    """One model to train.

    Attributes:
        pairs: images as the model will see them, each with its target.
        seed: of initialisation, order and augmentation.
        folder: for the files of the model.
        provenance: written into the weights.
        device: torch device.
        progress: gets the images seen so far and the images in all.
        conditions: JSON values that decide the weights, besides seed and provenance; a checkpoint of others is unused.
        say: receives notes, one line each.
    """

    pairs: Sequence[Any]
    seed: int
    folder: Path
    provenance: Mapping[str, Any]
    device: str
    progress: Callable[[int, int], None]
    conditions: Mapping[str, Any] = field(default_factory=dict)
    say: Callable[[str], None] = lambda _line: None

    def state(self, **further: Any) -> TrainingState:
        """Return checkpoint and log of this training; ``further`` are conditions that only its task knows."""
        from .training_state import TrainingState

        return TrainingState(
            self.folder, {**self.provenance, **self.conditions, **further, "seed": self.seed}, self.say
        )

    def on_step(self, batch: int) -> Progress:
        """Return a callback per training step, of ``batch`` images each."""

        def report(step: int, steps: int, _loss: float) -> None:
            self.progress(step * batch, steps * batch)

        return report


class Training(ABC, Generic[S]):
    """Training of the models of one task.

    Attributes:
        family: family of the trained models, as in ``--model``.
        file: name of a model's file in its folder.
        packages: packages whose versions the provenance records.
        recipe: JSON values of everything that determines the weights, besides seed and images.
        start: start of the training: a name or spec without its folder, and the sha256 of its file if it is one.
    """

    family: ClassVar[str]
    file: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    recipe: dict[str, Any]
    start: dict[str, str]

    @abstractmethod
    def truth(self, sample: S) -> Any:
        """Read the training target of an image."""

    @abstractmethod
    def train(self, job: TrainingJob) -> TrainedModel:
        """Train one model."""


def checked_recipe(recipe: type[R], settings: Mapping[str, str]) -> R:
    """Build a recipe from the texts of ``--set key=value``.

    Raises:
        UserError: a key is unknown, or a value does not fit.
    """
    refuse_unknown("the recipe (--set)", settings, list(recipe.model_fields))
    try:
        return recipe.model_validate(dict(settings))
    except ValidationError as error:
        raise UserError(f"--set {first_fault(error, recipe)}") from error


def start_record(name: str, file: Path | None) -> dict[str, str]:
    """Return the ``start`` entry of a model: its canonical spec, or its file's name and sha256."""
    if file is None:
        return {"name": str(parse_spec(name))}
    return {"name": Path(name).name, "sha256": file_fingerprint(file)}
