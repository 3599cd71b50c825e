"""Training of Ultralytics detectors for the finetuning protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..training import TrainedModel, Training, checked_recipe, per_image, start_record

if TYPE_CHECKING:
    from .types import DetectionDataset, Sample, Truth


class DetectionTraining(Training["Sample"]):
    """Trains an Ultralytics detector with Ultralytics' trainer."""

    family, file = "ultralytics", "model.pt"
    packages = ("torch", "ultralytics")

    def __init__(self, dataset: DetectionDataset, model: str, settings: Mapping[str, str]) -> None:
        from .trainer import DetectionRecipe

        self._recipe = checked_recipe(DetectionRecipe, settings)
        self._classes = dataset.class_names
        file = Path(model.removeprefix("ultralytics:")).expanduser()
        self._start = str(file)
        self.start = start_record(model, file if file.is_file() else None)
        self.recipe = self._recipe.model_dump(mode="json")

    def truth(self, sample: Sample) -> Truth:
        return sample.truth

    def train(
        self,
        pairs: Sequence[Any],
        seed: int,
        folder: Path,
        provenance: Mapping[str, Any],
        device: str,
        progress: Callable[[int, int], None],
    ) -> TrainedModel:
        from .trainer import train_detector

        return train_detector(
            pairs,
            self._classes,
            self._start,
            self._recipe,
            seed,
            folder / self.file,
            provenance=provenance,
            device=device,
            progress=per_image(progress, self._recipe.batch),
        )
