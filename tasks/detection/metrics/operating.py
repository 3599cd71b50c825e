"""Operating point of a detector: true positives, false positives and misses per image at a score threshold, IoU 0.5.

Matching is greedy from the best score down, so the matches at a threshold are those of all boxes, without the boxes
below it: every threshold reads the same cached table. The table is COCO's, as for AP50: a box may take any free object
of its class, and boxes on crowds count as neither right nor wrong. VOC's table would count boxes inside a crowd as
false and a second box that overlaps a found object more than a free one as well. COCO's table leaves out what is beyond
the 100 best boxes of a class on an image; :func:`beyond_limit` counts those. Counts are over all classes (micro); boxes
of classes without labels are false positives, although AP leaves out these classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .cell import CellMatches
from .matches import MatchTable

IOU = 0.5
LIMIT = 100  # boxes that COCO counts per class and image
RATES = ("precision", "recall", "F1", "FPPI")  # FPPI: false positives per image
Floats = NDArray[np.float64]
_ENTRIES = 2**20  # of one array, for the search of the best threshold


@dataclass(frozen=True, eq=False)
class RankedBoxes:
    """Boxes of one cell that count, best score first: M boxes on N images.

    Attributes:
        objects: ``(N,)`` int64 labelled boxes that count, per image.
        image: ``(M,)`` int32, index of the image.
        score: ``(M,)`` float64, descending.
        right: ``(M,)`` bool, true positives; all others are false positives.
    """

    objects: NDArray[np.int64]
    image: NDArray[np.int32]
    score: Floats
    right: NDArray[np.bool_]

    @classmethod
    def of(cls, table: MatchTable) -> Self:
        """Rank the boxes of all classes, without those that are neither right nor wrong."""
        counted = np.flatnonzero(~table.ignored[0])
        order = counted[np.argsort(-table.score[counted], kind="stable")]
        objects = table.n_truth.sum(axis=1, dtype=np.int64)
        return cls(objects, table.image[order], table.score[order], table.tp[0, order])

    def counts(self, threshold: float) -> Floats:
        """Return ``(N, 3)`` true positives, false positives and misses per image of the boxes scored at least this."""
        last = int(self._kept(np.array([threshold]))[0])
        image, right, n = self.image[:last], self.right[:last], len(self.objects)
        found = np.bincount(image[right], minlength=n)
        wrong = np.bincount(image[~right], minlength=n)
        return np.stack([found, wrong, self.objects - found], axis=1).astype(np.float64)

    def f1(self, thresholds: Floats, weights: ArrayLike) -> Floats:
        """Return ``(B, U)`` F1 if image ``n`` occurs ``weights[b, n]`` times; 0 if undefined.

        Args:
            thresholds: ``(U,)`` descending.
            weights: ``(B, N)``.
        """
        counted = np.asarray(weights, dtype=np.float64)
        found, boxes = self._sums(np.tile(self._kept(thresholds), (len(counted), 1)), counted)
        return _ratio(2 * found, boxes + (counted @ self.objects)[:, None], undefined=0.0)

    def sums(self, thresholds: Floats, weights: Floats) -> tuple[Floats, Floats]:
        """Return ``(B, U)`` weighted true positives and weighted boxes at thresholds of each weighting's own.

        Args:
            thresholds: ``(B, U)`` descending within a row.
            weights: ``(B, N)`` how often each image occurs.
        """
        return self._sums(self._kept(thresholds), weights)

    def _sums(self, kept: NDArray[np.intp], weights: Floats) -> tuple[Floats, Floats]:
        from .kernels import weighted_sums

        found, boxes = np.empty(kept.shape), np.empty(kept.shape)
        weighted_sums(np.ascontiguousarray(weights), self.image, self.right, kept, found, boxes)
        return found, boxes

    def _kept(self, thresholds: Floats) -> NDArray[np.intp]:
        """Return how many boxes are scored at least each threshold."""
        return np.searchsorted(-self.score, -thresholds, side="right")


def rates(sums: Floats, images: ArrayLike) -> dict[str, Floats]:
    """Return precision, recall, F1 and FPPI of summed counts; NaN where undefined, such as precision without a box.

    Args:
        sums: ``(B, 3)`` true positives, false positives and misses.
        images: ``(B,)`` number of images that were summed.
    """
    found, wrong, missed = sums.T
    return {
        "precision": _ratio(found, found + wrong),
        "recall": _ratio(found, found + missed),
        "F1": _ratio(2 * found, 2 * found + wrong + missed),
        "FPPI": _ratio(wrong, np.asarray(images, dtype=np.float64)),
    }


def best_thresholds(members: Sequence[RankedBoxes], weights: ArrayLike) -> list[float | None]:
    """Return the score with the highest F1 under each weighting; of equal ones the highest score.

    Args:
        members: cells of one row, one per training seed, on the same images; F1 is their mean.
        weights: ``(B, N)`` how often each image occurs.

    Returns:
        ``B`` scores of boxes; None where no true positive occurs.
    """
    # A false positive lowers F1, so the best score is that of a true positive.
    scores = np.unique(np.concatenate([each.score[each.right] for each in members]))[::-1]
    if not scores.size:
        return [None] * len(np.asarray(weights))
    best: list[float | None] = []
    for part in np.array_split(np.asarray(weights), -(-len(np.asarray(weights)) * len(scores) // _ENTRIES)):
        values = np.mean([each.f1(scores, part) for each in members], axis=0)
        best += [float(scores[np.argmax(line)]) if line.max() > 0 else None for line in values]  # the first of equals
    return best


def beyond_limit(matches: CellMatches, threshold: float) -> int:
    """Return how many boxes scored at least ``threshold`` are beyond the 100 best of their class and image."""
    return int((matches.voc.score >= threshold).sum() - (matches.coco.score >= threshold).sum())


def _ratio(part: Floats, whole: Floats, undefined: float = np.nan) -> Floats:
    result: Floats = np.divide(part, whole, out=np.full(np.shape(part), undefined), where=whole > 0)
    return result
