"""Segmentation task: label maps on disk, confusion matrices in the log, IoU as the metric."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError

from ..answers import ask
from ..label_space import LabelSpace
from ..task import ModelInput, Prediction, Records, Scored, Statistics, Task, plain
from ..types import Image
from .datasets.labels import read_invalid, read_labels
from .metrics import METRIC_VERSION, ConfusionTable, confusion_matrix, image_iou, uncertain_counts
from .types import VOID, LabelledImage, Labels, Segmentation, SegmentationDataset

if TYPE_CHECKING:
    from sgz_bench.core.registry import Registry

    from ..inventory import Inventory
    from ..models import Model
    from .models.base import Segmenter
    from .training import SegmentationTraining

Space = LabelSpace[SegmentationDataset]


class Truth(NamedTuple):
    """Label map of an image, if it has labels, and mask of invalid regions, if all images have one."""

    labels: Labels | None
    invalid: NDArray[np.bool_] | None


class SegmentationTask(Task[SegmentationDataset, LabelledImage]):
    """One class per pixel, scored over the whole set at the labels' resolution."""

    name = "segmentation"
    command = "segment"
    metric_version = METRIC_VERSION
    lead_metric = "mIoU"
    packages = ("segmentation-models-pytorch", "timm")

    @classmethod
    def datasets(cls) -> Registry[Any]:
        from .datasets import DATASETS

        return DATASETS

    @classmethod
    def families(cls) -> Registry[Any]:
        from .models import SEGMENTERS

        return SEGMENTERS

    @classmethod
    def shipped_models(cls) -> Sequence[str]:
        from .models import SHIPPED

        return list(SHIPPED)

    @classmethod
    def describes(cls, content: object) -> bool:
        """Return True for a mapping with ``masks``."""
        return isinstance(content, dict) and "masks" in content

    def load(self, dataset: str, root: Path | None, split: str | None, limit: int | None = None) -> SegmentationDataset:
        from .datasets import load_dataset

        return load_dataset(dataset, root, split, limit=limit)

    def inventory(self, dataset: SegmentationDataset, *, decode: bool) -> Inventory:
        from .datasets.check import take_inventory

        return take_inventory(dataset, decode=decode)

    def fingerprint(self, dataset: SegmentationDataset) -> str:
        from .datasets import fingerprint

        return fingerprint(dataset)

    def create_model(self, spec: str, device: str) -> Model:
        from .models import create_segmenter

        return create_segmenter(spec, device)

    def training(self, dataset: SegmentationDataset, model: str, settings: Mapping[str, str]) -> SegmentationTraining:
        from .training import SegmentationTraining

        return SegmentationTraining(dataset, model, settings)

    def map_classes(
        self, model_classes: Sequence[str], dataset_classes: Sequence[str], chosen: Mapping[str, Sequence[str]] | None
    ) -> NDArray[np.int64]:
        from ..classes import segmentation_class_map

        return segmentation_class_map(model_classes, dataset_classes, chosen)

    def open(self, space: Space, sample: LabelledImage) -> Truth:
        labels = _labels(space, sample)
        return Truth(labels, read_invalid(sample) if _has_invalid(space) else None)

    def predict(self, space: Space, model: Model, inputs: Sequence[ModelInput[LabelledImage]]) -> list[Prediction]:
        """Return each image's confusion matrix, and its label map as ``labels/KEY.png``.

        Raises:
            UserError: the model's map does not fit the image or the class names.
            ValueError: the model's map differs in size from the image's label map.
        """
        segmenter = cast("Segmenter", model)
        return [self._predict(space, segmenter, each) for each in inputs]

    def _predict(self, space: Space, model: Segmenter, each: ModelInput[LabelledImage]) -> Prediction:
        truth: Truth = each.truth
        several = len(model.class_names) > 1
        wanted = several and truth.labels is not None and truth.invalid is not None
        answer = ask(model, lambda: model.predict([each.image], confidence=wanted), 1, Segmentation)[0]
        _refuse_map(model, answer, each.image)
        predicted = _lookup(space.class_map)[answer.labels]
        files = dict.fromkeys(self.outputs(each.sample), _png(predicted))
        if truth.labels is None:
            return Prediction({}, files)
        index, n_classes = _indices(space), len(space.classes)
        true_index, predicted_index = index[truth.labels], index[predicted]
        record = {"confusion": confusion_matrix(true_index, predicted_index, n_classes).tolist()}
        if truth.invalid is not None and answer.confidence is not None:
            lowest = 1 / len(model.class_names)
            counts = uncertain_counts(true_index, truth.invalid, predicted_index, answer.confidence, n_classes, lowest)
            record["uncertain"] = counts.tolist()
        return Prediction(record, files)

    def answer(
        self, space: Space, sample: LabelledImage, record: dict[str, Any], folder: Path
    ) -> tuple[Labels, Labels] | None:
        """Return predicted and true label map in class ids of the data set, VOID for classes that are not scored."""
        del record
        truth = _labels(space, sample)
        if truth is None:
            return None
        scored = _only_scored(space)
        return scored[_read_png(folder / "labels" / f"{sample.key}.png")], scored[truth]

    def outputs(self, sample: LabelledImage) -> tuple[str, ...]:
        return (f"labels/{sample.key}.png",)

    def two_pass_model(self, model: Model, enhance: Callable[[Image], Image]) -> Model:
        from .models.two_pass import TwoPassSegmenter

        return TwoPassSegmenter(model, enhance)

    def labelled(self, space: Space) -> bool:
        readable = False
        for sample in space.dataset.samples:
            try:
                labels = _labels(space, sample)
            except UserError:  # the run names it
                continue
            readable |= labels is not None
            if labels is not None and np.isin(labels, space.classes).any():
                return True
        return not readable

    def predicted(self, space: Space, records: Records) -> bool:
        """Return False if no labelled pixel is predicted as a scored class; True also where truth is withheld."""
        counts = [record["confusion"] for record in records.values() if "confusion" in record]
        return not counts or any(np.any(np.asarray(each)[:, : len(space.classes)]) for each in counts)

    def truth(self, space: Space, without: set[int]) -> dict[str, Any]:
        """Return the images with their sizes and attributes; label maps stay in their files."""
        return {
            "task": self.name,
            "classes": space.class_names,
            "class_ids": list(space.classes),
            "images": [
                {
                    "id": sample.id,
                    "key": sample.key,
                    "file_name": sample.path.name,
                    "width": sample.width,
                    "height": sample.height,
                    "attributes": dict(sample.attributes),
                }
                for sample in space.dataset.samples
                if sample.id not in without
            ],
        }

    def score(self, truth: dict[str, Any], records: Records) -> Scored:
        ids, k = [image["id"] for image in truth["images"]], len(truth["classes"])
        nothing = np.zeros((k, k + 1), dtype=np.int64).tolist()
        counts = np.array([records[each].get("confusion", nothing) for each in ids], dtype=np.int64)
        uncertain = None
        if all("uncertain" in records[each] for each in ids):
            uncertain = np.array([records[each]["uncertain"] for each in ids], dtype=np.int64)
        table = ConfusionTable(np.array(ids, dtype=np.int64), counts, uncertain)
        scores = table.scores(np.ones((1, len(ids)), dtype=np.int64))
        pixels = table.truth.sum(axis=0)
        per_class: dict[str, dict[str, float | int | None]] = {
            name: {metric: plain(values[0, index]) for metric, values in scores.per_class.items()}
            | {"pixels": int(pixels[index])}
            for index, name in enumerate(truth["classes"])
        }
        metrics = {metric: plain(values[0]) for metric, values in scores.overall.items()}
        return Scored(metrics, per_class, table, {"confusion.npz": table.to_bytes()})

    def statistics(self, folder: Path) -> Statistics:
        return ConfusionTable.from_bytes((folder / "confusion.npz").read_bytes())

    def gains(self, raw: Statistics, other: Statistics) -> NDArray[np.float64]:
        """Return, per image, the mean IoU over the classes of its truth: the other's minus raw's."""
        return image_iou(cast(ConfusionTable, other)) - image_iou(cast(ConfusionTable, raw))

    def pictures(self, space: Space, sample: LabelledImage, cells: Mapping[str, Path]) -> dict[str, bytes]:
        truth = _labels(space, sample)
        maps = {} if truth is None else {"truth": _png(_only_scored(space)[truth])}
        for prefix, folder in cells.items():
            maps[f"{prefix}_labels"] = (folder / "labels" / f"{sample.key}.png").read_bytes()
        return maps


def _refuse_map(model: Segmenter, answer: Segmentation, image: Image) -> None:
    """Refuse a label map of another size, type or range than the image and the class names have.

    Raises:
        UserError: names the model, what it returned, and the rule.
    """
    labels, size = np.asarray(answer.labels), image.shape[:2]
    if labels.shape != size or labels.dtype.kind not in "iu":
        raise UserError(f"{model.label} returned labels {labels.shape} {labels.dtype}; return {size} uint8")
    wrong = labels[(labels >= len(model.class_names)) & (labels != VOID)]
    if wrong.size:
        raise UserError(
            f"{model.label} returned the label {wrong[0]}; it has {len(model.class_names)} class names, with ids from 0"
        )
    if answer.confidence is not None and np.shape(answer.confidence) != size:
        raise UserError(f"{model.label} returned confidence {np.shape(answer.confidence)}; return {size} float32")


def _has_invalid(space: Space) -> bool:
    """Return True if UIoU is defined: every image has its mask of invalid regions."""
    return all(sample.invalid is not None for sample in space.dataset.samples)


def _labels(space: Space, sample: LabelledImage) -> Labels | None:
    return None if sample.labels is None else read_labels(space.dataset, sample)


def _lookup(class_map: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return ``(256,)`` data set class of each model class, VOID for none."""
    table = np.full(256, VOID, dtype=np.uint8)
    table[: len(class_map)] = np.where(class_map >= 0, class_map, VOID)
    return table


def _indices(space: Space) -> NDArray[np.uint8]:
    """Return ``(256,)`` index of each data set class in the class list, VOID for classes outside it."""
    table = np.full(256, VOID, dtype=np.uint8)
    table[list(space.classes)] = np.arange(len(space.classes))
    return table


def _only_scored(space: Space) -> NDArray[np.uint8]:
    """Return ``(256,)`` each class id as it is, VOID for classes that are not scored."""
    table = np.full(256, VOID, dtype=np.uint8)
    table[list(space.classes)] = space.classes
    return table


def _read_png(path: Path) -> Labels:
    from PIL import Image as Pillow

    with Pillow.open(path) as image:
        return np.array(image, dtype=np.uint8)


def _png(labels: Labels) -> bytes:
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.fromarray(labels).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
