"""Average precision of any weighting of the images, from cached matches; resampling needs no second matching."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .matches import MatchTable

_ROWS = 128  # weightings per task of a thread
RECALLS = np.linspace(0.0, 1.0, 101)  # pycocotools' recThrs, to the last bit


def average_precision(table: MatchTable, weights: ArrayLike) -> NDArray[np.float64]:
    """Return AP of every class and IoU threshold if image ``n`` occurs ``weights[b, n]`` times.

    It equals pycocotools' ``accumulate`` (or the VOC devkit, by the table's rule) on an image list that repeats the
    images. Equal scores are ordered by image, then by the detector's own rank; copies of one detection stay together.

    Args:
        table: matches of N images.
        weights: ``(B, N)`` non-negative integers.

    Returns:
        ``(B, K, T)`` float64 in [0, 1]; NaN if the class has no truth under that weighting.

    Raises:
        ValueError: weights are negative or have another shape.
    """
    counts = np.asarray(weights)
    n_images, n_classes = table.n_truth.shape
    if counts.ndim != 2 or counts.shape[1] != n_images or (counts.size and counts.min() < 0):
        raise ValueError(f"weights must be non-negative and (B, {n_images}), got {counts.shape}")
    from sgz_bench.core.compiled import in_threads
    from sgz_bench.core.device import usual_threads

    from .kernels import average_precisions

    counts = np.ascontiguousarray(counts, dtype=np.int32)
    # Sums of integers below 2**53 are exact in float64, whatever BLAS's order.
    n_truth = counts.astype(np.float64) @ table.n_truth.astype(np.float64)
    result = np.empty((len(counts), n_classes, len(table.tp)))
    start = np.searchsorted(table.class_id, np.arange(n_classes + 1))

    def part(rows: slice) -> None:
        average_precisions(
            counts[rows], n_truth[rows], table.image, start, table.tp, table.ignored, RECALLS, table.rule == "voc",
            result[rows],
        )  # fmt: skip

    in_threads(part, (slice(low, low + _ROWS) for low in range(0, len(counts), _ROWS)), usual_threads())
    return result


def named_precisions(table: MatchTable, precisions: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Reduce ``(B, K, T)`` APs to ``(B, K)`` by metric: AP and AP50 of a coco table, VOC_AP50 of a voc table."""
    if table.rule == "voc":
        return {"VOC_AP50": precisions[..., 0]}
    return {"AP": precisions.mean(axis=2), "AP50": precisions[..., 0]}


def mean_over_classes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``(B,)`` means of ``(B, K)`` over the defined classes; NaN if none is defined."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=1)
    total = np.where(defined, values, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
