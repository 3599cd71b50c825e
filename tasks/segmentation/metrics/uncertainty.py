"""UIoU: IoU that credits low confidence in indiscernible regions.

Source: Sakaridis, Dai, Van Gool: "Guided Curriculum Model Adaptation and Uncertainty-Aware Evaluation for Semantic
Nighttime Image Segmentation" (ICCV 2019), section 4. A pixel with confidence below a threshold θ is predicted
*invalid*. With the true labels H (also given inside invalid regions), the true invalid mask J, and the prediction Ĥ, Ĵ,
for class c

    UIoU = (TP + TI) / (TP + TI + FP + FN + FI)
    TP: H = c, Ĥ = c, not Ĵ     FN: H = c, Ĥ ≠ c, not Ĵ     FP: H ≠ c, Ĥ = c, not Ĵ
    TI: H = c, Ĵ, J             FI: H = c, Ĵ, not J

At θ ≤ 1/C, with C the number of the model's classes, nothing is predicted invalid and UIoU is IoU. The metric is AUIoU,
the average over T = 20 thresholds from 1/C to just below 1 in equal steps, so no threshold is chosen in favour of a
method. ACDC (Sakaridis et al. 2021) also averages; its steps may differ.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..types import Labels

THRESHOLDS = 20


def uncertain_counts(
    truth: Labels,
    invalid: NDArray[np.bool_],
    predicted: Labels,
    confidence: NDArray[np.float32],
    n_classes: int,
    lowest: float,
) -> NDArray[np.int64]:
    """Return the numerators and denominators of one image.

    Args:
        truth, predicted: ``(H, W)`` class ids; ``n_classes`` or more is not scored in ``truth`` and no class in
            ``predicted``.
        invalid: ``(H, W)`` true mask J.
        confidence: ``(H, W)`` in [0, 1].
        n_classes: K, the number of scored classes.
        lowest: first threshold, 1 / number of the model's classes, the least possible confidence of the best class.

    Returns:
        ``(T, 2, K)`` int64 pixels.
    """
    scored = truth < n_classes
    h, j, p = truth[scored].astype(np.int64), invalid[scored], predicted[scored].astype(np.int64)
    # A pixel stays valid at the thresholds θ_t = lowest + t/T (1 − lowest) up to its confidence.
    position = (confidence[scored].astype(np.float64) - lowest) / (1 - lowest) * THRESHOLDS
    last = np.clip(np.floor(position), 0, THRESHOLDS - 1).astype(np.int64)

    def at_least(ids: NDArray[np.int64], which: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return ``(T, K)`` pixels of each class that are valid at threshold t."""
        each = np.bincount(last[which] * n_classes + ids[which], minlength=THRESHOLDS * n_classes)
        return each.reshape(THRESHOLDS, n_classes)[::-1].cumsum(axis=0)[::-1]

    true_positives = at_least(h, p == h)
    false_positives = at_least(np.minimum(p, n_classes - 1), (p != h) & (p < n_classes))
    in_invalid = np.bincount(h[j], minlength=n_classes)
    true_invalid = in_invalid - at_least(h, j)
    pixels = np.bincount(h, minlength=n_classes)
    return np.stack([true_positives + true_invalid, pixels + false_positives], axis=1)


def uncertain_iou(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``(B, K)`` UIoU, mean over thresholds, of ``(B, T, 2, K)``; NaN for a class in no truth or prediction."""
    numerator, denominator = parts[:, :, 0], parts[:, :, 1]
    seen = denominator > 0
    ratio = np.where(seen, numerator / np.where(seen, denominator, 1), np.nan)
    # Everything is valid at θ_0, so a class that occurs at any threshold occurs at the first.
    total = np.nan_to_num(ratio).sum(axis=1)
    mean: NDArray[np.float64] = np.where(seen[:, 0], total / seen.sum(axis=1).clip(1), np.nan)
    return mean
