"""Score predictions against truth: COCO metrics by pycocotools, VOC AP50, per class, and the cached matches."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cell import CellMatches
from .matches import MatchTable
from .precision import RECALLS, average_precision, mean_over_classes
from .truth import checked_predictions, checked_truth
from .voc import voc_matches

METRIC_VERSION = 1  # raise it when any number that is computed here changes its meaning

_COCO_STATS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


@dataclass(frozen=True)
class Curves:
    """Interpolated precision at 101 recalls, IoU 0.5; classes without truth are left out."""

    recall: list[float]
    mean: list[float]  # over the classes; empty where there are none
    per_class: dict[str, list[float]]


@dataclass(frozen=True)
class Evaluation:
    """What one set of predictions scored.

    Attributes:
        metrics: ``AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl VOC_AP50`` in [0, 1], None where undefined.
        per_class: class name → ``{"AP", "AP50", "VOC_AP50", "boxes"}``.
        curves: precision against recall.
        matches: the sufficient statistics that bootstrap and slices work from.
    """

    metrics: dict[str, float | None]
    per_class: dict[str, dict[str, float | int | None]]
    curves: Curves
    matches: CellMatches


def evaluate(truth: Mapping[str, Any], predictions: Sequence[Mapping[str, Any]]) -> Evaluation:
    """Score COCO predictions (``image_id``, ``category_id``, ``bbox`` xywh, ``score``) against COCO truth.

    Images without truth count: their detections are false positives. Neither argument is changed.

    Raises:
        UserError: truth or predictions are malformed, or a prediction names an image or category the truth lacks.
    """
    checked = checked_truth(truth)
    found = checked_predictions(predictions, checked)
    coco_eval = _run_pycocotools(checked, found)
    coco = _coco_matches(coco_eval, checked)
    voc = voc_matches(checked, found, coco.image_ids, coco.n_truth)
    voc_ap = average_precision(voc, np.ones((1, len(voc.image_ids)), dtype=np.int32))[..., 0]
    precision = np.where(coco_eval.eval["precision"][..., 0, -1] < 0, np.nan, coco_eval.eval["precision"][..., 0, -1])

    metrics = {name: _defined(value) for name, value in zip(_COCO_STATS, coco_eval.stats, strict=True)}
    metrics["VOC_AP50"] = _defined(mean_over_classes(voc_ap)[0])
    names = [category["name"] for category in checked["categories"]]
    per_class: dict[str, dict[str, float | int | None]] = {
        name: {
            "AP": _defined(precision[:, :, k].mean()),
            "AP50": _defined(precision[0, :, k].mean()),
            "VOC_AP50": _defined(voc_ap[0, k]),
            "boxes": int(coco.n_truth[:, k].sum()),
        }
        for k, name in enumerate(names)
    }
    return Evaluation(metrics, per_class, _curves(precision[0], names), CellMatches(coco, voc))


def _run_pycocotools(truth: dict[str, Any], predictions: list[dict[str, Any]]) -> Any:
    """A COCOeval that has evaluated, accumulated and summarised."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        # Not loadRes: it raises on an empty list. All that it adds to a box is an id, its area and iscrowd = 0.
        sides = []
        for annotations in (truth["annotations"], predictions):
            side = COCO()
            side.dataset = {**truth, "annotations": annotations}
            side.createIndex()
            sides.append(side)
        coco_eval = COCOeval(*sides, iouType="bbox")
        coco_eval.evaluate()
        coco_eval.accumulate()
        coco_eval.summarize()
    return coco_eval


def _coco_matches(coco_eval: Any, truth: Mapping[str, Any]) -> MatchTable:
    """The matches of COCOeval at area "all", which is the first area range."""
    image_ids = np.array([image["id"] for image in truth["images"]], dtype=np.int64)
    n_images, n_classes, n_areas = len(image_ids), len(truth["categories"]), len(coco_eval.params.areaRng)
    thresholds = len(coco_eval.params.iouThrs)
    n_truth = np.zeros((n_images, n_classes), dtype=np.int32)
    image, class_id = [np.zeros(0, dtype=np.int32)], [np.zeros(0, dtype=np.int32)]
    score = [np.zeros(0)]
    tp, ignored = [np.zeros((thresholds, 0), dtype=bool)], [np.zeros((thresholds, 0), dtype=bool)]
    for k in range(n_classes):
        for i, record in enumerate(coco_eval.evalImgs[k * n_areas * n_images :][:n_images]):
            if record is None:
                continue
            n_truth[i, k] = np.count_nonzero(np.asarray(record["gtIgnore"]) == 0)
            found = len(record["dtScores"])
            image.append(np.full(found, i, dtype=np.int32))
            class_id.append(np.full(found, k, dtype=np.int32))
            score.append(np.array(record["dtScores"], dtype=np.float64))
            skip = record["dtIgnore"].astype(bool)
            tp.append((record["dtMatches"] > 0) & ~skip)
            ignored.append(skip)
    return MatchTable.ordered(
        "coco",
        image_ids,
        n_truth,
        np.concatenate(image),
        np.concatenate(class_id),
        np.concatenate(score),
        np.concatenate(tp, axis=1),
        np.concatenate(ignored, axis=1),
    )


def _curves(precision: NDArray[np.float64], names: Sequence[str]) -> Curves:
    """From ``(101, K)`` precision at IoU 0.5."""
    present = [k for k in range(len(names)) if not np.isnan(precision[0, k])]
    mean = precision[:, present].mean(axis=1).tolist() if present else []
    return Curves(RECALLS.tolist(), mean, {names[k]: precision[:, k].tolist() for k in present})


def _defined(value: float) -> float | None:
    """A plain float; None for NaN and for pycocotools' −1."""
    return None if np.isnan(value) or value < 0 else float(value)
