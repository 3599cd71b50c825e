"""Training of SMP segmenters for the finetuning protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sgz_bench.core.errors import UserError

from ..custom_models import refuse_training
from ..models import require_file
from ..training import TrainedModel, Training, TrainingJob, checked_recipe, start_record

if TYPE_CHECKING:
    from .types import LabelledImage, Labels, SegmentationDataset


class SegmentationTraining(Training["LabelledImage"]):
    """Training of an SMP network with the trainer of this package."""

    family, file = "smp", "model.safetensors"
    packages = ("torch", "segmentation-models-pytorch", "timm")

    def __init__(self, dataset: SegmentationDataset, model: str, settings: Mapping[str, str]) -> None:
        from .start import network_plan
        from .trainer import SegmentationRecipe

        refuse_training(model, "SMP networks (smp:ARCHITECTURE or smp:FILE.safetensors)")
        self._dataset = dataset
        self._recipe = checked_recipe(SegmentationRecipe, settings)
        self._plan, weights = network_plan(model, dataset.class_names)
        self.start = start_record(model, weights)
        self.recipe = self._recipe.model_dump(mode="json")
        if self._recipe.init is not None:
            if weights is not None:
                raise UserError(
                    f"training starts from {model} or from init={self._recipe.init}, not both; drop one of them"
                )
            weights = require_file(str(self._recipe.init.expanduser()), "checkpoint")
            self.recipe["init"] = start_record(str(weights), weights)
        self._recipe = self._recipe.model_copy(update={"init": weights})

    def truth(self, sample: LabelledImage) -> Labels:
        from .datasets.labels import read_labels

        return read_labels(self._dataset, sample)

    def train(self, job: TrainingJob) -> TrainedModel:
        from .trainer import train_segmenter

        return train_segmenter(
            job.pairs,
            self._plan,
            self._recipe,
            job.seed,
            job.folder / "model",
            provenance=job.provenance,
            device=job.device,
            progress=job.on_step(self._recipe.batch),
            state=job.state(plan=self._plan),
        )
