"""Average precision of resampled images in NumPy: slow, with the same bits as ``kernels.average_precisions``."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from sgz_bench.tasks.detection.metrics.matches import MatchTable
from sgz_bench.tasks.detection.metrics.precision import RECALLS

_EPS = np.spacing(1)
_CHUNK = 1 << 20  # weights × detections held at once: four arrays of at most 8 MB


def average_precision(table: MatchTable, weights: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return ``(B, K, T)`` AP for ``(B, N)`` weights, as ``sgz_bench.tasks.detection.metrics.average_precision``."""
    counts = np.ascontiguousarray(weights, dtype=np.int32)
    n_truth = counts.astype(np.float64) @ table.n_truth.astype(np.float64)
    n_classes = table.n_truth.shape[1]
    result = np.full((len(counts), n_classes, len(table.tp)), np.nan)
    bounds = np.searchsorted(table.class_id, np.arange(n_classes + 1))
    for k, (start, stop) in enumerate(itertools.pairwise(bounds)):
        result[:, k] = _one_class(table, slice(start, stop), counts, n_truth[:, k])
    return result


def _one_class(
    table: MatchTable, span: slice, weights: NDArray[np.int32], n_truth: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``(B, T)`` AP of the detections in ``span``, all of one class and best first."""
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
    """Return ``(B,)`` area under the interpolated curve, summed from the greatest recall down.

    np.sum adds in pairs; a running sum adds in the order of the loop.
    """
    if table.rule == "voc":
        parts = envelope * np.diff(recall, axis=1, prepend=0)
        return np.asarray(np.cumsum(parts[:, ::-1], axis=1)[:, -1])
    area = np.empty(len(recall))
    for row, (curve, reached) in enumerate(zip(envelope, recall, strict=True)):
        places = np.searchsorted(reached, RECALLS)
        kept = curve[places[places < len(curve)]]
        area[row] = np.cumsum(kept[::-1])[-1] / len(RECALLS)
    return area
