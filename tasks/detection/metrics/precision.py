"""Average precision of any weighting of the images, from cached matches; resampling needs no second matching."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .matches import MatchTable

RECALLS = np.linspace(0.0, 1.0, 101)  # pycocotools' recThrs, to the last bit
_EPS = np.spacing(1)  # pycocotools' guard of precision against 0 / 0
_CHUNK = 1 << 20  # weights × detections held at once: four arrays of at most 8 MB


def average_precision(table: MatchTable, weights: ArrayLike) -> NDArray[np.float64]:
    """AP of every class and IoU threshold when image ``n`` occurs ``weights[b, n]`` times.

    It equals pycocotools' ``accumulate`` (or the VOC devkit, by the table's rule) on the image list that literally
    repeats the images. Equal scores are ordered by image, then by the detector's own rank, and the copies of one
    detection stay together.

    Args:
        table: the matches, N images.
        weights: ``(B, N)`` non-negative integers.

    Returns:
        ``(B, K, T)`` float64 in [0, 1]; NaN where the class has no truth in that weighting.

    Raises:
        ValueError: weights of another shape or sign.
    """
    counts = np.asarray(weights)
    n_images, n_classes = table.n_truth.shape
    if counts.ndim != 2 or counts.shape[1] != n_images or (counts.size and counts.min() < 0):
        raise ValueError(f"weights must be non-negative and (B, {n_images}), got {counts.shape}")
    counts = np.ascontiguousarray(counts, dtype=np.int32)
    # Sums of integers below 2**53 are exact in float64, in whatever order BLAS takes them.
    n_truth = counts.astype(np.float64) @ table.n_truth.astype(np.float64)
    result = np.full((len(counts), n_classes, len(table.tp)), np.nan)
    bounds = np.searchsorted(table.class_id, np.arange(n_classes + 1))
    for k, (start, stop) in enumerate(itertools.pairwise(bounds)):
        result[:, k] = _one_class(table, slice(start, stop), counts, n_truth[:, k])
    return result


def _one_class(
    table: MatchTable, span: slice, weights: NDArray[np.int32], n_truth: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``(B, T)`` AP of the detections in ``span``, all of one class and best first.

    Only the positions of true positives matter. Interpolated precision is the maximum of precision at this or any
    greater recall, and precision can only rise with a true positive. So no false positive and no ignored detection
    attains the maximum first, and of the w copies of a true positive, which lie together, the last has the highest
    precision, (h+w)/(n+w) ≥ (h+i)/(n+i) for i ≤ w, h ≤ n: all w copies get the interpolated precision of the last.
    A true positive of weight 0 adds no recall, and its precision is not above that of the one before it.
    """
    tp, ignored = table.tp[:, span], table.ignored[:, span]
    result = np.where(n_truth[:, None] > 0, np.zeros((len(weights), len(tp))), np.nan)
    places = [np.flatnonzero(row) for row in tp]
    last = max((int(place[-1]) + 1 for place in places if place.size), default=0)
    if last == 0:
        return result
    images = table.image[span][:last]
    skips = [np.flatnonzero(row[:last]) for row in ignored]
    skips_before = [np.searchsorted(skip, place) for skip, place in zip(skips, places, strict=True)]
    step = max(1, _CHUNK // last)
    for low in range(0, len(weights), step):
        rows = slice(low, low + step)
        copies = weights[rows].take(images, axis=1)
        seen = np.cumsum(copies, axis=1, dtype=np.int32)
        possible = np.maximum(n_truth[rows, None], 1)
        defined = n_truth[rows] > 0
        for t, (place, skip, before) in enumerate(zip(places, skips, skips_before, strict=True)):
            if not place.size:
                continue
            hits = np.cumsum(copies.take(place, axis=1), axis=1, dtype=np.int32)
            total = seen.take(place, axis=1)
            if skip.size:
                skipped = np.cumsum(copies.take(skip, axis=1), axis=1, dtype=np.int32)
                total -= np.pad(skipped, ((0, 0), (1, 0))).take(before, axis=1)
            precision = hits / (total + _EPS)
            envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
            area = _area(table, envelope, hits / possible)
            result[rows, t] = np.where(defined, area, np.nan)
    return result


def _area(table: MatchTable, envelope: NDArray[np.float64], recall: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(B,)`` area under the interpolated curve, whose steps end at the true positives."""
    if table.rule == "voc":
        reached: NDArray[np.float64] = recall
        whole = 1
    else:
        # How many of the 101 recall thresholds each true positive has reached. Recall threshold 0 falls to the first
        # column even at weight 0; its envelope is that of the first true positive that counts.
        reached = np.searchsorted(RECALLS, recall.ravel(), side="right").reshape(recall.shape).astype(np.float64)
        whole = len(RECALLS)
    gained = np.diff(reached, axis=1, prepend=0)
    area: NDArray[np.float64] = (envelope * gained).sum(axis=1) / whole
    return area


def named_precisions(table: MatchTable, precisions: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Metric name → ``(B, K)``: AP and AP50 of a coco table, VOC_AP50 of a voc one, from its ``(B, K, T)`` APs."""
    if table.rule == "voc":
        return {"VOC_AP50": precisions[..., 0]}
    return {"AP": precisions.mean(axis=2), "AP50": precisions[..., 0]}


def mean_over_classes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(B,)`` means of ``(B, K)`` over the classes that are defined; NaN where none is."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=1)
    total = np.where(defined, values, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
