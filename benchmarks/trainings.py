"""What training asks of a task, so that the loop over enhancers and seeds is the same for all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from pydantic import BaseModel, ValidationError

from sgz_bench.core.errors import UserError
from sgz_bench.core.registry import refuse_unknown
from sgz_bench.core.specs import parse_spec
from sgz_bench.tasks.models import file_fingerprint, require_file
from sgz_bench.tasks.task import Dataset, Sample
from sgz_bench.tasks.training import Progress, Trained

if TYPE_CHECKING:
    from sgz_bench.tasks.detection.types import Sample as DetectionSample
    from sgz_bench.tasks.segmentation.types import LabelledImage, SegmentationDataset

R = TypeVar("R", bound=BaseModel)


class Training(ABC):
    """How models of one task are trained.

    Attributes:
        family: of the trained models, as ``--model`` names it.
        file: name of a model's file in its folder.
        packages: whose versions belong to the provenance.
        recipe: JSON values of what decides the weights, besides the seed and the images.
        start: what training starts from: a name or spec without its folder, and the sha256 of its file if it is one.
    """

    family: ClassVar[str]
    file: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    recipe: dict[str, Any]
    start: dict[str, str]

    @abstractmethod
    def truth(self, sample: Sample) -> Any:
        """What is to be learnt of an image."""

    @abstractmethod
    def train(
        self,
        pairs: Sequence[Any],
        seed: int,
        folder: Path,
        provenance: Mapping[str, Any],
        device: str,
        progress: Callable[[int, int], None],
    ) -> Trained:
        """Train one model; ``progress`` is told of images seen and to be seen."""


class SegmentationTraining(Training):
    """An SMP network, by our own trainer."""

    family, file = "smp", "model.safetensors"
    packages = ("torch", "segmentation-models-pytorch", "timm")

    def __init__(self, dataset: Dataset, model: str, settings: Mapping[str, str]) -> None:
        from sgz_bench.tasks.segmentation.start import network_plan
        from sgz_bench.tasks.segmentation.trainer import SegmentationRecipe

        self._dataset = cast("SegmentationDataset", dataset)
        self._recipe = checked_recipe(SegmentationRecipe, settings)
        self._plan, weights = network_plan(model, dataset.class_names)
        self.start = _described(model, weights)
        self.recipe = self._recipe.model_dump(mode="json")
        if self._recipe.init is not None:
            if weights is not None:
                raise UserError(f"training starts from {model} or from init={self._recipe.init}; give one of them")
            weights = require_file(str(self._recipe.init.expanduser()), "checkpoint")
            self.recipe["init"] = _described(str(weights), weights)
        self._recipe = self._recipe.model_copy(update={"init": weights})

    def truth(self, sample: Sample) -> Any:
        from sgz_bench.tasks.segmentation.datasets.labels import read_labels

        return read_labels(self._dataset, cast("LabelledImage", sample))

    def train(
        self,
        pairs: Sequence[Any],
        seed: int,
        folder: Path,
        provenance: Mapping[str, Any],
        device: str,
        progress: Callable[[int, int], None],
    ) -> Trained:
        from sgz_bench.tasks.segmentation.trainer import train_segmenter

        return train_segmenter(
            pairs,
            self._plan,
            self._recipe,
            seed,
            folder / "model",
            provenance=provenance,
            device=device,
            progress=_in_images(progress, self._recipe.batch),
        )


class DetectionTraining(Training):
    """An Ultralytics detector, by Ultralytics' trainer."""

    family, file = "ultralytics", "model.pt"
    packages = ("torch", "ultralytics")

    def __init__(self, dataset: Dataset, model: str, settings: Mapping[str, str]) -> None:
        from sgz_bench.tasks.detection.trainer import DetectionRecipe

        self._recipe = checked_recipe(DetectionRecipe, settings)
        self._classes = dataset.class_names
        file = Path(model.removeprefix("ultralytics:")).expanduser()
        self._start = str(file)
        self.start = _described(model, file if file.is_file() else None)
        self.recipe = self._recipe.model_dump(mode="json")

    def truth(self, sample: Sample) -> Any:
        return cast("DetectionSample", sample).truth

    def train(
        self,
        pairs: Sequence[Any],
        seed: int,
        folder: Path,
        provenance: Mapping[str, Any],
        device: str,
        progress: Callable[[int, int], None],
    ) -> Trained:
        from sgz_bench.tasks.detection.trainer import train_detector

        return train_detector(
            pairs,
            self._classes,
            self._start,
            self._recipe,
            seed,
            folder / self.file,
            provenance=provenance,
            device=device,
            progress=_in_images(progress, self._recipe.batch),
        )


TRAININGS: Mapping[str, type[SegmentationTraining] | type[DetectionTraining]] = {
    "segmentation": SegmentationTraining,
    "detection": DetectionTraining,
}


def checked_recipe(recipe: type[R], settings: Mapping[str, str]) -> R:
    """A recipe from the texts of ``--set key=value``.

    Raises:
        UserError: an unknown key, or a value that it cannot have.
    """
    refuse_unknown("the recipe (--set)", settings, list(recipe.model_fields))
    try:
        return recipe.model_validate(dict(settings))
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"--set {first['loc'][0]}={first['input']}: {first['msg']}") from error


def _described(name: str, file: Path | None) -> dict[str, str]:
    if file is None:
        return {"name": str(parse_spec(name))}
    return {"name": Path(name).name, "sha256": file_fingerprint(file)}


def _in_images(progress: Callable[[int, int], None], batch: int) -> Progress:
    def told(step: int, steps: int, _loss: float) -> None:
        progress(step * batch, steps * batch)

    return told
