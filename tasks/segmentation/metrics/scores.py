"""Metrics of confusion matrices, many at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def class_scores(total: Floats) -> dict[str, Floats]:
    """IoU and accuracy (recall) of every class.

    A class in neither truth nor prediction has no IoU, one not in the truth no accuracy: NaN, not 0.

    Args:
        total: ``(B, K, K + 1)`` pixels, rows truth, columns prediction, the last column "no class".

    Returns:
        ``IoU`` and ``accuracy``, each ``(B, K)`` in [0, 1].
    """
    hits, truth, predicted = _parts(total)
    return {"IoU": _ratio(hits, truth + predicted - hits), "accuracy": _ratio(hits, truth)}


def overall_scores(total: Floats) -> dict[str, Floats]:
    """Metrics of the whole set, from one matrix over all pixels, not means over images.

    Args:
        total: ``(B, K, K + 1)`` as for :func:`class_scores`.

    Returns:
        Each ``(B,)`` in [0, 1], NaN without truth: ``mIoU`` and ``mean_accuracy``, means over the classes that have
        one; ``pixel_accuracy``; ``fwIoU``, IoU weighted with the share of the class in the truth.
    """
    hits, truth, _ = _parts(total)
    each = class_scores(total)
    pixels = truth.sum(axis=1)
    labelled = np.where(truth > 0, truth * np.nan_to_num(each["IoU"]), 0).sum(axis=1)
    # Without truth there is nothing to be right about, whatever was predicted.
    miou = np.where(pixels > 0, mean_defined(each["IoU"]), np.nan)
    return {
        "mIoU": miou,
        "pixel_accuracy": _ratio(hits.sum(axis=1), pixels),
        "mean_accuracy": mean_defined(each["accuracy"]),
        "fwIoU": _ratio(labelled, pixels),
    }


def mean_defined(values: Floats) -> Floats:
    """``(B,)`` means of ``(B, K)`` over what is not NaN; NaN where all is."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0).sum(axis=1), defined.sum(axis=1))


def _parts(total: Floats) -> tuple[Floats, Floats, Floats]:
    """``(B, K)`` each: pixels that are right, true, predicted."""
    return np.diagonal(total, axis1=1, axis2=2), total.sum(axis=2), total[:, :, :-1].sum(axis=1)


def _ratio(part: Floats, whole: NDArray[np.floating | np.integer]) -> Floats:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)
