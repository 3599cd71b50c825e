"""Score predictions against truth: COCO metrics, VOC AP50, per class, and the cached matches.

COCO's rules are those of pycocotools' ``COCOeval``, bit for bit (tests check it), computed by our own kernels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .boxes import LabelledBoxes, PredictedBoxes
from .cell import CellMatches
from .matches import MatchTable
from .precision import RECALLS, average_precision, mean_over_classes
from .truth import checked_truth

METRIC_VERSION = 1  # raise it when any number computed here changes its meaning

_IOUS = np.linspace(0.5, 0.95, 10)  # pycocotools' iouThrs, to the last bit
_AREAS = {"all": (0, 1e10), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}  # pixels
_LIMITS = (1, 10, 100)  # detections that count per image and class
_VOC_IOU = 0.5
_COCO_STATS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


@dataclass(frozen=True)
class Curves:
    """Interpolated precision at 101 recalls, IoU 0.5; classes without truth are left out."""

    recall: list[float]
    mean: list[float]  # over the classes; empty without any
    per_class: dict[str, list[float]]


@dataclass(frozen=True)
class Evaluation:
    """Scores of one set of predictions.

    Attributes:
        metrics: ``AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl VOC_AP50`` in [0, 1], None where undefined.
        per_class: class name → ``{"AP", "AP50", "VOC_AP50", "boxes"}``.
        curves: precision against recall.
        matches: sufficient statistics for bootstrap and slices.
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
    labelled, predicted = LabelledBoxes.of(checked), PredictedBoxes.of(predictions, checked)
    image_ids = np.array([image["id"] for image in checked["images"]], dtype=np.int64)
    n_classes = len(checked["categories"])
    coco, stats, precision = _coco(labelled, predicted, image_ids, n_classes)
    voc = _voc(labelled, predicted, image_ids, coco.n_truth)
    voc_ap = average_precision(voc, np.ones((1, len(image_ids)), dtype=np.int32))[..., 0]
    precision = np.where(precision < 0, np.nan, precision)

    metrics = {name: _defined(value) for name, value in zip(_COCO_STATS, stats, strict=True)}
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


def _coco(
    labelled: LabelledBoxes, predicted: PredictedBoxes, image_ids: NDArray[np.int64], n_classes: int
) -> tuple[MatchTable, list[float], NDArray[np.float64]]:
    """Return the matches at area "all", the twelve numbers of ``COCOeval.summarize``, and ``(T, R, K)`` precision."""
    from .kernels import IGNORED, LEFT_OUT, RIGHT, curves, match_coco

    limit, n_images = _LIMITS[-1], len(image_ids)
    verdict = np.empty((len(_AREAS), len(_IOUS), len(predicted.image)), dtype=np.uint8)
    counted = np.empty((len(_AREAS), n_images * n_classes), dtype=np.int32)
    lows, highs = np.array([*_AREAS.values()]).T.copy()
    match_coco(
        predicted.start, labelled.start, predicted.box, labelled.box, labelled.area, labelled.crowd, lows, highs, _IOUS,
        limit, verdict, counted,
    )  # fmt: skip
    n_truth = counted.reshape(len(_AREAS), n_classes, n_images)
    order = np.lexsort(
        (predicted.image, -predicted.score, predicted.class_id)
    )  # stable: equal keys keep the detector's order
    order = order[predicted.rank[order] < limit]
    verdict, rank = verdict[:, :, order], predicted.rank[order]
    start = np.searchsorted(predicted.class_id[order], np.arange(n_classes + 1))

    def accumulated(area: int, limit: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        precision = np.empty((len(_IOUS), len(RECALLS), n_classes))
        recall = np.empty((len(_IOUS), n_classes))
        curves(start, verdict[area], rank, limit, n_truth[area].sum(axis=1), RECALLS, precision, recall)
        return precision, recall

    by_area = [accumulated(area, limit) for area in range(len(_AREAS))]
    precision = by_area[0][0]
    averages = [precision, precision[0], precision[5], *(each for each, _ in by_area[1:])]
    recalls = [accumulated(0, each)[1] for each in _LIMITS[:-1]] + [recall for _, recall in by_area]
    table = MatchTable(
        "coco",
        image_ids,
        np.ascontiguousarray(n_truth[0].T),
        predicted.image[order].astype(np.int32),
        predicted.class_id[order].astype(np.int32),
        predicted.score[order],
        verdict[0] == RIGHT,
        verdict[0] == IGNORED,
    )
    assert not (verdict == LEFT_OUT).any()
    return table, [_mean(each) for each in averages + recalls], precision


def _voc(
    labelled: LabelledBoxes, predicted: PredictedBoxes, image_ids: NDArray[np.int64], n_truth: NDArray[np.int32]
) -> MatchTable:
    """Return the matches by VOC's rule: all detections of an image count, not only 100.

    IoU uses continuous coordinates, as in COCO; the devkit adds one pixel to widths and heights.
    """
    from .kernels import IGNORED, RIGHT, match_voc

    verdict = np.empty(len(predicted.image), dtype=np.uint8)
    match_voc(predicted.start, labelled.start, predicted.box, labelled.box, labelled.crowd, _VOC_IOU, verdict)
    return MatchTable.ordered(
        "voc",
        image_ids,
        n_truth,
        predicted.image.astype(np.int32),
        predicted.class_id.astype(np.int32),
        predicted.score,
        (verdict == RIGHT)[None],
        (verdict == IGNORED)[None],
    )


def _mean(values: NDArray[np.float64]) -> float:
    """Return the mean of the defined values, as ``summarize`` does; −1 if none is defined."""
    defined = values[values > -1]
    return float(np.mean(defined)) if defined.size else -1.0


def _curves(precision: NDArray[np.float64], names: Sequence[str]) -> Curves:
    """Build curves from ``(101, K)`` precision at IoU 0.5."""
    present = [k for k in range(len(names)) if not np.isnan(precision[0, k])]
    mean = precision[:, present].mean(axis=1).tolist() if present else []
    return Curves(RECALLS.tolist(), mean, {names[k]: precision[:, k].tolist() for k in present})


def _defined(value: float) -> float | None:
    """Return a plain float; None for NaN and for pycocotools' −1."""
    return None if np.isnan(value) or value < 0 else float(value)
