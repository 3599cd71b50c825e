"""Sufficient statistics of detection: the matches. Every AP and resample is a reduction of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Rule = Literal["coco", "voc"]


@dataclass(frozen=True, eq=False)
class MatchTable:
    """Matches of one cell: D detections on N images, K classes, T IoU thresholds.

    Detections are in the order in which precision is accumulated: class, score descending, image order, then the
    detector's own order. This is also pycocotools' rule for equal scores.

    Attributes:
        rule: ``coco``: matching and 101-point interpolation as in pycocotools, T = 10, area all, 100 detections per
            image and class; ``voc``: matching and every-point area as in the VOC devkit, T = 1 (IoU 0.5).
        image_ids: ``(N,)`` int64, ascending.
        n_truth: ``(N, K)`` int32 boxes that count (crowds do not).
        image: ``(D,)`` int32, index into ``image_ids``.
        class_id: ``(D,)`` int32, ascending.
        score: ``(D,)`` float64.
        tp: ``(T, D)`` bool, true positives.
        ignored: ``(T, D)`` bool, neither right nor wrong; all other detections are false positives.
    """

    rule: Rule
    image_ids: NDArray[np.int64]
    n_truth: NDArray[np.int32]
    image: NDArray[np.int32]
    class_id: NDArray[np.int32]
    score: NDArray[np.float64]
    tp: NDArray[np.bool_]
    ignored: NDArray[np.bool_]

    def subset(self, images: NDArray[np.intp]) -> MatchTable:
        """Return the table of the images at the indices ``images`` (ascending)."""
        index = np.full(len(self.image_ids), -1, dtype=np.int32)
        index[images] = np.arange(len(images))
        keep = index[self.image] >= 0
        return MatchTable(
            self.rule,
            self.image_ids[images],
            self.n_truth[images],
            index[self.image[keep]],
            self.class_id[keep],
            self.score[keep],
            self.tp[:, keep],
            self.ignored[:, keep],
        )

    def pooled(self, other: MatchTable) -> MatchTable:
        """Return both systems over 2N images: image ``n`` of this one at ``2n``, of the other at ``2n + 1``."""
        return MatchTable.ordered(
            self.rule,
            np.repeat(self.image_ids, 2),
            np.repeat(self.n_truth, 2, axis=0),
            np.concatenate([2 * self.image, 2 * other.image + 1]),
            np.concatenate([self.class_id, other.class_id]),
            np.concatenate([self.score, other.score]),
            np.concatenate([self.tp, other.tp], axis=1),
            np.concatenate([self.ignored, other.ignored], axis=1),
        )

    @classmethod
    def ordered(
        cls,
        rule: Rule,
        image_ids: NDArray[np.int64],
        n_truth: NDArray[np.int32],
        image: NDArray[np.int32],
        class_id: NDArray[np.int32],
        score: NDArray[np.float64],
        tp: NDArray[np.bool_],
        ignored: NDArray[np.bool_],
    ) -> MatchTable:
        """Create a table from detections in the detector's own order within each (image, class)."""
        order = np.lexsort((image, -score, class_id))  # stable: equal keys keep the detector's order
        return cls(
            rule,
            image_ids,
            n_truth,
            image[order].astype(np.int32),
            class_id[order].astype(np.int32),
            score[order],
            tp[:, order],
            ignored[:, order],
        )


def net_true_positives(table: MatchTable, min_score: float = 0.25) -> NDArray[np.int64]:
    """Return ``(N,)`` true minus false positives per image at IoU 0.5, for detections scored ``min_score`` or more."""
    counts = (table.score >= min_score) & ~table.ignored[0]
    sign = np.where(table.tp[0], 1, -1) * counts
    net = np.zeros(len(table.image_ids), dtype=np.int64)
    np.add.at(net, table.image, sign)
    return net
