"""Detection on the grid: boxes in the log, average precision as the metric."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from sgz_bench.benchmarks.analyses.detection_errors import write_errors
from sgz_bench.benchmarks.config import StudyConfig

from ..task import Dataset, Records, Sample, Scored, Shown, Task
from .metrics import METRIC_VERSION, CellMatches, coco_truth, evaluate, net_true_positives
from .types import DetectionDataset, Detections, Truth
from .types import Sample as DetectionSample

if TYPE_CHECKING:
    from sgz_bench.benchmarks.plan import Cell, Plan
    from sgz_bench.benchmarks.results import ResultRow
    from sgz_bench.benchmarks.statistics import Statistics

    from ..models import Model
    from .models.base import Detector


class DetectionTask(Task):
    """Boxes with classes and scores, scored as COCO and VOC do."""

    name = "detection"
    metric_version = METRIC_VERSION

    def load(self, config: StudyConfig) -> Dataset:
        from .datasets import load_dataset

        return load_dataset(config.dataset, config.root, config.split, limit=config.limit)

    def fingerprint(self, dataset: Dataset) -> str:
        from .datasets import fingerprint

        return fingerprint(cast(DetectionDataset, dataset))

    def create_model(self, spec: str, device: str) -> Model:
        from .models import create_detector

        return create_detector(spec, device)

    def map_classes(
        self, model_classes: Sequence[str], dataset_classes: Sequence[str], chosen: Mapping[str, Sequence[str]] | None
    ) -> NDArray[np.int64]:
        from ..classes import map_classes

        return map_classes(model_classes, dataset_classes, chosen)

    def predict(self, plan: Plan, cell: Cell, shown: Sequence[Shown]) -> list[dict[str, Any]]:
        """COCO results: class ids of the data set, from 1, boxes as xywh; nothing is rounded.

        Of raw images also how bright each labelled box is, which tells where in the dark an enhancer helps.

        Raises:
            ValueError: a box or score that is not finite, or a box that ends before it begins.
        """
        answers = cast("Detector", cell.model).predict([each.image for each in shown])
        return [_record(plan, cell, each, found) for each, found in zip(shown, answers, strict=True)]

    def answer(
        self, plan: Plan, sample: Sample, record: dict[str, Any], folder: Path
    ) -> tuple[Detections, Truth] | None:
        """Best score first; both in the classes that the model can find."""
        del folder
        found = sorted(record.get("detections", []), key=lambda each: -each["score"])
        boxes = np.array([each["bbox"] for each in found], dtype=np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        scores = np.array([each["score"] for each in found], dtype=np.float64)
        class_ids = np.array([each["category_id"] - 1 for each in found], dtype=np.int64)
        truth = cast(DetectionSample, sample).truth
        kept = np.isin(truth.class_ids, plan.classes)
        truth = Truth(truth.boxes[kept], truth.class_ids[kept], truth.areas[kept], truth.crowd[kept])
        return Detections(boxes, scores, class_ids), truth

    def truth(self, plan: Plan, without: set[int]) -> dict[str, Any]:
        """COCO truth in the classes that the model can find."""
        truth = coco_truth(cast(DetectionDataset, plan.dataset))
        categories = {class_id + 1 for class_id in plan.classes}
        return {
            "images": [image for image in truth["images"] if image["id"] not in without],
            "annotations": [
                each
                for each in truth["annotations"]
                if each["image_id"] not in without and each["category_id"] in categories
            ],
            "categories": [each for each in truth["categories"] if each["id"] in categories],
        }

    def score(self, truth: dict[str, Any], records: Records) -> Scored:
        predictions = predictions_of(records, truth)
        result = evaluate(truth, predictions)
        curves = {
            "recall": result.curves.recall,
            "precision": ({"all": result.curves.mean} if result.curves.mean else {}) | result.curves.per_class,
        }
        files: dict[str, bytes | str] = {
            "predictions.json": json.dumps(predictions) + "\n",
            "matches.npz": result.matches.to_bytes(),
            "curves.json": json.dumps(curves) + "\n",
        }
        return Scored(result.metrics, result.per_class, result.matches, files)

    def statistics(self, folder: Path) -> Statistics:
        return CellMatches.from_bytes((folder / "matches.npz").read_bytes())

    def analyse(self, plan: Plan, run: Path, rows: Sequence[ResultRow]) -> None:
        """``errors.json``."""
        write_errors(run, rows, seed=plan.config.seed, replicates=plan.config.replicates)

    def gains(self, raw: Statistics, other: Statistics) -> NDArray[np.float64]:
        """True minus false positives of each image at score ≥ 0.25 and IoU 0.5, the other's minus raw's."""
        after, before = (net_true_positives(cast(CellMatches, each).coco) for each in (other, raw))
        return (after - before).astype(np.float64)


def _luminance(shown: Shown, classes: Sequence[int]) -> list[float]:
    """Mean luma (ITU-R BT.601, 0 to 255) of each scored box of the truth; of the image where it has no pixel."""
    truth = cast(DetectionSample, shown.sample).truth
    luma = shown.image @ np.array([0.299, 0.587, 0.114])
    height, width = luma.shape
    found = []
    for left, top, right, bottom in truth.boxes[np.isin(truth.class_ids, classes)]:
        part = luma[max(int(top), 0) : min(math.ceil(bottom), height), max(int(left), 0) : min(math.ceil(right), width)]
        found.append(round(float(part.mean() if part.size else luma.mean()), 2))
    return found


def _record(plan: Plan, cell: Cell, shown: Shown, found: Detections) -> dict[str, Any]:
    whole = np.isfinite(found.boxes).all() and np.isfinite(found.scores).all()
    if not whole or (found.boxes[:, 2:] < found.boxes[:, :2]).any():
        raise ValueError("the model returned boxes or scores that are not finite or not in order")
    records = []
    for box, score, model_class in zip(found.boxes, found.scores, found.class_ids, strict=True):
        class_id = int(plan.class_map[model_class])
        if class_id in plan.classes:
            x1, y1, x2, y2 = (float(value) for value in box)
            records.append({"category_id": class_id + 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": float(score)})
    seen = {"luminance": _luminance(shown, plan.classes)} if cell.label == "raw" else {}
    return {"detections": records} | seen


def predictions_of(records: Records, truth: dict[str, Any]) -> list[dict[str, Any]]:
    """COCO results on the images of ``truth``, in the order of their ids, best first within an image."""
    return [
        {"image_id": image["id"]} | detection
        for image in truth["images"]
        for detection in records[image["id"]].get("detections", [])
    ]
