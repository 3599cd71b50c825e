"""Metrics of batches of confusion matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def class_scores(total: Floats) -> dict[str, Floats]:
    """Return IoU and accuracy (recall) of every class.

    IoU is NaN for a class in neither truth nor prediction; accuracy is NaN for a class not in the truth.

    Args:
        total: ``(B, K, K + 1)`` pixels, rows truth, columns prediction, the last column "no class".

    Returns:
        ``IoU`` and ``accuracy``, each ``(B, K)`` in [0, 1].
    """
    hits, truth, predicted = _parts(total)
    return {"IoU": _ratio(hits, truth + predicted - hits), "accuracy": _ratio(hits, truth)}


def overall_scores(total: Floats) -> dict[str, Floats]:
    """Return metrics of the whole set, from one matrix over all pixels, not means over images.

    Args:
        total: ``(B, K, K + 1)`` as for :func:`class_scores`.

    Returns:
        Each ``(B,)`` in [0, 1], NaN without truth: ``mIoU`` and ``mean_accuracy``, means over the defined classes;
        ``pixel_accuracy``; ``fwIoU``, IoU weighted by the class's share in the truth.
    """
    hits, truth, _ = _parts(total)
    each = class_scores(total)
    pixels = truth.sum(axis=1)
    labelled = np.where(truth > 0, truth * np.nan_to_num(each["IoU"]), 0).sum(axis=1)
    # Without truth no prediction can be right.
    miou = np.where(pixels > 0, mean_defined(each["IoU"]), np.nan)
    return {
        "mIoU": miou,
        "pixel_accuracy": _ratio(hits.sum(axis=1), pixels),
        "mean_accuracy": mean_defined(each["accuracy"]),
        "fwIoU": _ratio(labelled, pixels),
    }


def mean_defined(values: Floats) -> Floats:
    """Return ``(B,)`` means of ``(B, K)`` without NaN; NaN if all are."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0).sum(axis=1), defined.sum(axis=1))


def _parts(total: Floats) -> tuple[Floats, Floats, Floats]:
    """Return right, true and predicted pixels, each ``(B, K)``."""
    return np.diagonal(total, axis1=1, axis2=2), total.sum(axis=2), total[:, :, :-1].sum(axis=1)


def _ratio(part: Floats, whole: NDArray[np.floating | np.integer]) -> Floats:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)
