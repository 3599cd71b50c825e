"""Training of Ultralytics detectors for the finetuning protocol."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..custom_models import refuse_training
from ..training import TrainedModel, Training, TrainingJob, checked_recipe, start_record

if TYPE_CHECKING:
    from .types import DetectionDataset, Sample, Truth


class DetectionTraining(Training["Sample"]):
    """Training of an Ultralytics detector with Ultralytics' trainer."""

    family, file = "ultralytics", "model.pt"
    packages = ("torch", "ultralytics")

    def __init__(self, dataset: DetectionDataset, model: str, settings: Mapping[str, str]) -> None:
        from .trainer import DetectionRecipe

        refuse_training(model, "Ultralytics .pt files")
        self._recipe = checked_recipe(DetectionRecipe, settings)
        self._classes = dataset.class_names
        file = Path(model.removeprefix("ultralytics:")).expanduser()
        self._start = str(file)
        self.start = start_record(model, file if file.is_file() else None)
        self.recipe = self._recipe.model_dump(mode="json")

    def truth(self, sample: Sample) -> Truth:
        return sample.truth

    def train(self, job: TrainingJob) -> TrainedModel:
        from .trainer import train_detector

        return train_detector(
            job.pairs,
            self._classes,
            self._start,
            self._recipe,
            job.seed,
            job.folder / self.file,
            provenance=job.provenance,
            device=job.device,
            progress=job.on_step(self._recipe.batch),
            state=job.state(classes=self._classes),
        )
