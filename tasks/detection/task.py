"""Detection task: boxes in the log, average precision as the metric."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sgz_bench.core.errors import UserError

from ..answers import ask
from ..label_space import LabelSpace
from ..task import ModelInput, Prediction, Records, Scored, Statistics, Task
from .doubts import implausible_boxes
from .metrics import METRIC_VERSION, CellMatches, coco_truth, evaluate, net_true_positives
from .types import DetectionDataset, Detections, Sample, Truth

if TYPE_CHECKING:
    from sgz_bench.core.registry import Registry

    from ..inventory import Inventory
    from ..models import Model
    from .models.base import Detector
    from .training import DetectionTraining


class DetectionTask(Task[DetectionDataset, Sample]):
    """Boxes with classes and scores, scored as COCO and VOC do."""

    name = "detection"
    command = "detect"
    metric_version = METRIC_VERSION
    lead_metric = "AP50"
    fuses_records = True
    analyses = (*Task.analyses, "detection_errors")

    @classmethod
    def datasets(cls) -> Registry[Any]:
        from .datasets import DATASETS

        return DATASETS

    @classmethod
    def families(cls) -> Registry[Any]:
        from .models import DETECTORS

        return DETECTORS

    @classmethod
    def shipped_models(cls) -> Sequence[str]:
        from .models import SHIPPED

        return list(SHIPPED)

    @classmethod
    def describes(cls, content: object) -> bool:
        """Return True for a mapping without ``masks``: an Ultralytics ``data.yaml``."""
        return not (isinstance(content, dict) and "masks" in content)

    def load(self, dataset: str, root: Path | None, split: str | None, limit: int | None = None) -> DetectionDataset:
        from .datasets import load_dataset

        return load_dataset(dataset, root, split, limit=limit)

    def inventory(self, dataset: DetectionDataset, *, decode: bool) -> Inventory:
        from .datasets.check import take_inventory

        return take_inventory(dataset, decode=decode)

    def fingerprint(self, dataset: DetectionDataset) -> str:
        from .datasets import fingerprint

        return fingerprint(dataset)

    def create_model(self, spec: str, device: str) -> Model:
        from .models import create_detector

        return create_detector(spec, device)

    def training(self, dataset: DetectionDataset, model: str, settings: Mapping[str, str]) -> DetectionTraining:
        from .training import DetectionTraining

        return DetectionTraining(dataset, model, settings)

    def map_classes(
        self, model_classes: Sequence[str], dataset_classes: Sequence[str], chosen: Mapping[str, Sequence[str]] | None
    ) -> NDArray[np.int64]:
        from ..classes import map_classes

        return map_classes(model_classes, dataset_classes, chosen)

    def predict(
        self, space: LabelSpace[DetectionDataset], model: Model, inputs: Sequence[ModelInput[Sample]]
    ) -> list[Prediction]:
        """Return COCO results per image: class ids of the data set from 1, boxes as xywh, nothing rounded.

        Records of raw images also hold the brightness of each labelled box, by which objects are grouped.

        Raises:
            UserError: the model's answers have wrong types, shapes or class ids.
            ValueError: a box or score is not finite, or a box ends before it begins.
        """
        images = [each.image for each in inputs]
        answers = ask(model, lambda: cast("Detector", model).predict(images), len(images), Detections)
        for answer in answers:
            _refuse_shapes(model, answer)
        return [Prediction(_record(space, each, found)) for each, found in zip(inputs, answers, strict=True)]

    def enhanced_record(self, record: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in record.items() if name != "luminance"}

    def fuse(self, sample: Sample, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Fuse detections by weighted boxes fusion (:func:`.fusion.fused_detections`)."""
        from .fusion import fused_detections

        return {"detections": fused_detections([each["detections"] for each in records], sample.width, sample.height)}

    def answer(
        self, space: LabelSpace[DetectionDataset], sample: Sample, record: dict[str, Any], folder: Path
    ) -> tuple[Detections, Truth] | None:
        """Return detections, best score first, and truth, both in the scored classes."""
        del folder
        results = sorted(record.get("detections", []), key=lambda each: -each["score"])
        boxes = np.array([each["bbox"] for each in results], dtype=np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        scores = np.array([each["score"] for each in results], dtype=np.float64)
        class_ids = np.array([each["category_id"] - 1 for each in results], dtype=np.int64)
        truth = sample.truth
        kept = np.isin(truth.class_ids, space.classes)
        truth = Truth(truth.boxes[kept], truth.class_ids[kept], truth.areas[kept], truth.crowd[kept])
        return Detections(boxes, scores, class_ids), truth

    def labelled(self, space: LabelSpace[DetectionDataset]) -> bool:
        return any(
            (np.isin(sample.truth.class_ids, space.classes) & ~sample.truth.crowd).any()
            for sample in space.dataset.samples
        )

    def predicted(self, space: LabelSpace[DetectionDataset], records: Records) -> bool:
        del space
        return any(record.get("detections") for record in records.values())

    def doubts(self, truth: dict[str, Any], records: Records) -> list[str]:
        """Return a doubt about boxes that are no pixels of their images."""
        sizes = {image["id"]: (image["width"], image["height"]) for image in truth["images"] if "width" in image}
        rows = [
            (*each["bbox"], *sizes[image_id])
            for image_id, record in records.items()
            if image_id in sizes
            for each in record.get("detections", ())
        ]
        numbers = np.array(rows, dtype=np.float64).reshape(-1, 6)
        corners = np.concatenate([numbers[:, :2], numbers[:, :2] + numbers[:, 2:4]], axis=1)
        reason = implausible_boxes(corners, numbers[:, 4:])
        return [reason] if reason else []

    def truth(self, space: LabelSpace[DetectionDataset], without: set[int]) -> dict[str, Any]:
        """Return COCO truth in the scored classes."""
        truth = coco_truth(space.dataset)
        categories = {class_id + 1 for class_id in space.classes}
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

    def lead_scores(self, statistics: Statistics, weights: ArrayLike) -> NDArray[np.float64]:
        """Return ``(B,)`` AP50, without the other IoU thresholds and VOC's rule: a tenth of the work."""
        if isinstance(statistics, CellMatches):
            return statistics.ap50(weights)
        return super().lead_scores(statistics, weights)

    def gains(self, raw: Statistics, other: Statistics) -> NDArray[np.float64]:
        """Return, per image, true minus false positives at score ≥ 0.25 and IoU 0.5: the other's minus raw's."""
        after, before = (net_true_positives(cast(CellMatches, each).coco) for each in (other, raw))
        return (after - before).astype(np.float64)


def _luminance(each: ModelInput[Sample], classes: Sequence[int]) -> list[float]:
    """Return the mean luma (ITU-R BT.601, 0 to 255) of each scored box of the truth; of the image for an empty box."""
    truth = each.sample.truth
    luma = each.image @ np.array([0.299, 0.587, 0.114])
    height, width = luma.shape
    means = []
    for left, top, right, bottom in truth.boxes[np.isin(truth.class_ids, classes)]:
        part = luma[max(int(top), 0) : min(math.ceil(bottom), height), max(int(left), 0) : min(math.ceil(right), width)]
        means.append(round(float(part.mean() if part.size else luma.mean()), 2))
    return means


def _refuse_shapes(model: Model, answer: Detections) -> None:
    """Refuse detections whose arrays do not fit together.

    Raises:
        UserError: names the model, what it returned, and the rule.
    """
    shapes = [np.shape(each) for each in (answer.boxes, answer.scores, answer.class_ids)]
    count = shapes[1][0] if len(shapes[1]) == 1 else -1
    if shapes != [(count, 4), (count,), (count,)]:
        raise UserError(
            f"{model.label} returned boxes, scores and class ids of shapes {', '.join(map(str, shapes))}; "
            "return (N, 4), (N,) and (N,)"
        )
    ids = np.asarray(answer.class_ids)
    if count and (ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= len(model.class_names)):
        wrong = next((each for each in ids.tolist() if each not in range(len(model.class_names))), ids.tolist()[0])
        raise UserError(
            f"{model.label} returned the class id {wrong!r} ({ids.dtype}); return integers from 0 to "
            f"{len(model.class_names) - 1}, the indices of its {len(model.class_names)} class names"
        )


def _record(space: LabelSpace[DetectionDataset], each: ModelInput[Sample], detections: Detections) -> dict[str, Any]:
    """Return one image's line in the log, without its id."""
    finite = np.isfinite(detections.boxes).all() and np.isfinite(detections.scores).all()
    if not finite or (detections.boxes[:, 2:] < detections.boxes[:, :2]).any():
        raise ValueError("the model returned boxes or scores that are not finite or not in order")
    results = []
    for box, score, model_class in zip(detections.boxes, detections.scores, detections.class_ids, strict=True):
        class_id = int(space.class_map[model_class])
        if class_id in space.classes:
            x1, y1, x2, y2 = (float(value) for value in box)
            results.append({"category_id": class_id + 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": float(score)})
    luminance = {"luminance": _luminance(each, space.classes)} if each.raw else {}
    return {"detections": results} | luminance


def predictions_of(records: Records, truth: dict[str, Any]) -> list[dict[str, Any]]:
    """Return COCO results on the images of ``truth``, in the order of their ids, best first within an image."""
    return [
        {"image_id": image["id"]} | detection
        for image in truth["images"]
        for detection in records[image["id"]].get("detections", [])
    ]
