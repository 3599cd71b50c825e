"""UIoU: IoU that credits a model for not being sure where nobody can be.

Sakaridis, Dai, Van Gool: "Guided Curriculum Model Adaptation and Uncertainty-Aware Evaluation for Semantic Nighttime
Image Segmentation" (ICCV 2019), section 4. A pixel whose confidence is below a threshold θ is predicted *invalid*. With
the true labels H (also given inside invalid regions), the true invalid mask J, and the prediction Ĥ, Ĵ, for class c

    UIoU = (TP + TI) / (TP + TI + FP + FN + FI)
    TP: H = c, Ĥ = c, not Ĵ     FN: H = c, Ĥ ≠ c, not Ĵ     FP: H ≠ c, Ĥ = c, not Ĵ
    TI: H = c, Ĵ, J             FI: H = c, Ĵ, not J

so that UIoU at θ ≤ 1/C, where nothing is predicted invalid, is IoU (C the classes of the model). One number is made of
it, AUIoU, the average over T = 20 thresholds from 1/C to just below 1 in equal steps: a threshold need not be chosen,
and no method gains by its choice. ACDC (Sakaridis et al. 2021) averages too; its steps may be others.
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
    """Numerators and denominators of one image.

    Args:
        truth, predicted: ``(H, W)`` class ids; ``n_classes`` or more: not scored, and no class.
        invalid: ``(H, W)`` the true mask J.
        confidence: ``(H, W)`` in [0, 1].
        n_classes: K, the classes that are scored.
        lowest: the first threshold, 1 / the classes of the model: no best class has less confidence.

    Returns:
        ``(T, 2, K)`` int64 pixels.
    """
    scored = truth < n_classes
    h, j, p = truth[scored].astype(np.int64), invalid[scored], predicted[scored].astype(np.int64)
    # How many of the thresholds θ_t = lowest + t/T (1 − lowest) a pixel stays valid at: those up to its confidence.
    position = (confidence[scored].astype(np.float64) - lowest) / (1 - lowest) * THRESHOLDS
    last = np.clip(np.floor(position), 0, THRESHOLDS - 1).astype(np.int64)

    def at_least(ids: NDArray[np.int64], which: NDArray[np.bool_]) -> NDArray[np.int64]:
        """``(T, K)``: pixels of each class that are valid at threshold t."""
        each = np.bincount(last[which] * n_classes + ids[which], minlength=THRESHOLDS * n_classes)
        return each.reshape(THRESHOLDS, n_classes)[::-1].cumsum(axis=0)[::-1]

    true_positives = at_least(h, p == h)
    false_positives = at_least(np.minimum(p, n_classes - 1), (p != h) & (p < n_classes))
    in_invalid = np.bincount(h[j], minlength=n_classes)
    true_invalid = in_invalid - at_least(h, j)
    pixels = np.bincount(h, minlength=n_classes)
    return np.stack([true_positives + true_invalid, pixels + false_positives], axis=1)


def uncertain_iou(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(B, K)`` UIoU, mean over thresholds, from ``(B, T, 2, K)``; NaN for a class in neither truth nor prediction."""
    numerator, denominator = parts[:, :, 0], parts[:, :, 1]
    seen = denominator > 0
    ratio = np.where(seen, numerator / np.where(seen, denominator, 1), np.nan)
    # θ_0 leaves everything valid, so a class that is there at any threshold is there at the first.
    total = np.nan_to_num(ratio).sum(axis=1)
    mean: NDArray[np.float64] = np.where(seen[:, 0], total / seen.sum(axis=1).clip(1), np.nan)
    return mean
