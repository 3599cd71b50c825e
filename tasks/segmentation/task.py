"""Semantic segmentation on the grid: a label map on disk and a confusion matrix in the log, IoU as the metric."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from sgz_bench.benchmarks.config import StudyConfig
from sgz_bench.benchmarks.statistics import plain
from sgz_bench.benchmarks.store import write_atomic

from ..task import Dataset, Records, Sample, Scored, Shown, Task
from .datasets.labels import read_invalid, read_labels
from .metrics import METRIC_VERSION, ConfusionTable, confusion_matrix, image_iou, uncertain_counts
from .types import VOID, LabelledImage, Labels, SegmentationDataset

if TYPE_CHECKING:
    from sgz_bench.benchmarks.plan import Cell, Plan
    from sgz_bench.benchmarks.statistics import Statistics

    from ..models import Model
    from .models.base import Segmenter


class Truth(NamedTuple):
    """One image's label map, where labels are given, and its mask of invalid regions, where all images have one."""

    labels: Labels | None
    invalid: NDArray[np.bool_] | None


class SegmentationTask(Task):
    """A class for every pixel, scored over the whole set at the labels' resolution."""

    name = "segmentation"
    metric_version = METRIC_VERSION

    def load(self, config: StudyConfig) -> Dataset:
        from .datasets import load_dataset

        return load_dataset(config.dataset, config.root, config.split, limit=config.limit)

    def fingerprint(self, dataset: Dataset) -> str:
        from .datasets import fingerprint

        return fingerprint(cast(SegmentationDataset, dataset))

    def create_model(self, spec: str, device: str) -> Model:
        from .models import create_segmenter

        return create_segmenter(spec, device)

    def map_classes(
        self, model_classes: Sequence[str], dataset_classes: Sequence[str], chosen: Mapping[str, Sequence[str]] | None
    ) -> NDArray[np.int64]:
        from ..classes import segmentation_class_map

        return segmentation_class_map(model_classes, dataset_classes, chosen)

    def open(self, plan: Plan, sample: Sample) -> Truth:
        labelled = cast(LabelledImage, sample)
        labels = _labels(plan, labelled)
        return Truth(labels, read_invalid(labelled) if _has_invalid(plan) else None)

    def predict(self, plan: Plan, cell: Cell, shown: Sequence[Shown]) -> list[dict[str, Any]]:
        """Each image's confusion matrix; its label map goes to ``labels/KEY.png`` first.

        Raises:
            ValueError: the model's map is of another size than the image's label map.
        """
        return [self._predict(plan, cell, each) for each in shown]

    def _predict(self, plan: Plan, cell: Cell, shown: Shown) -> dict[str, Any]:
        truth: Truth = shown.truth
        several = len(cell.model.class_names) > 1
        wanted = several and truth.labels is not None and truth.invalid is not None
        answer = cast("Segmenter", cell.model).predict([shown.image], confidence=wanted)[0]
        predicted = _lookup(plan.class_map)[answer.labels]
        write_atomic(shown.folder / "labels" / f"{shown.sample.key}.png", _png(predicted))
        if truth.labels is None:
            return {}
        place, n_classes = _places(plan), len(plan.classes)
        scored, found = place[truth.labels], place[predicted]
        record = {"confusion": confusion_matrix(scored, found, n_classes).tolist()}
        if truth.invalid is not None and answer.confidence is not None:
            lowest = 1 / len(cell.model.class_names)
            counts = uncertain_counts(scored, truth.invalid, found, answer.confidence, n_classes, lowest)
            record["uncertain"] = counts.tolist()
        return record

    def answer(self, plan: Plan, sample: Sample, record: dict[str, Any], folder: Path) -> tuple[Labels, Labels] | None:
        """Two label maps in ids of the data set, VOID for what is not scored."""
        del record
        truth = _labels(plan, cast(LabelledImage, sample))
        if truth is None:
            return None
        scored = _only_scored(plan)
        return scored[_read_png(folder / "labels" / f"{sample.key}.png")], scored[truth]

    def kept(self, folder: Path, sample: Sample) -> bool:
        return (folder / "labels" / f"{sample.key}.png").is_file()

    def truth(self, plan: Plan, without: set[int]) -> dict[str, Any]:
        """The images with their sizes and attributes; the label maps stay where they are."""
        samples = cast(SegmentationDataset, plan.dataset).samples
        return {
            "task": self.name,
            "classes": plan.class_names,
            "class_ids": list(plan.classes),
            "images": [
                {
                    "id": sample.id,
                    "key": sample.key,
                    "file_name": sample.path.name,
                    "width": sample.width,
                    "height": sample.height,
                    "attributes": dict(sample.attributes),
                }
                for sample in samples
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
        """Mean IoU over the classes of each image's truth, the other's minus raw's."""
        return image_iou(cast(ConfusionTable, other)) - image_iou(cast(ConfusionTable, raw))

    def pictures(self, plan: Plan, sample: Sample, cells: Mapping[str, Path]) -> dict[str, bytes]:
        truth = _labels(plan, cast(LabelledImage, sample))
        maps = {} if truth is None else {"truth": _png(_only_scored(plan)[truth])}
        for prefix, folder in cells.items():
            maps[f"{prefix}_labels"] = (folder / "labels" / f"{sample.key}.png").read_bytes()
        return maps


def _has_invalid(plan: Plan) -> bool:
    """Whether UIoU can be given: every image has its mask of invalid regions."""
    return all(sample.invalid is not None for sample in cast(SegmentationDataset, plan.dataset).samples)


def _labels(plan: Plan, sample: LabelledImage) -> Labels | None:
    return None if sample.labels is None else read_labels(cast(SegmentationDataset, plan.dataset), sample)


def _lookup(class_map: NDArray[np.int64]) -> NDArray[np.uint8]:
    """``(256,)`` the data set class of each model class, VOID for none."""
    table = np.full(256, VOID, dtype=np.uint8)
    table[: len(class_map)] = np.where(class_map >= 0, class_map, VOID)
    return table


def _places(plan: Plan) -> NDArray[np.uint8]:
    """``(256,)`` the place of each data set class in the class list, VOID for what is not in it."""
    table = np.full(256, VOID, dtype=np.uint8)
    table[list(plan.classes)] = np.arange(len(plan.classes))
    return table


def _only_scored(plan: Plan) -> NDArray[np.uint8]:
    """``(256,)`` each class id itself, VOID for what is not scored."""
    table = np.full(256, VOID, dtype=np.uint8)
    table[list(plan.classes)] = plan.classes
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
