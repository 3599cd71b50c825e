"""Sufficient statistics of segmentation: one confusion matrix per image. Metrics and resamples are reductions of it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sgz_bench.core.device import usual_threads

from ...types import Scores
from ..types import Labels
from .scores import class_scores, mean_defined, overall_scores
from .uncertainty import uncertain_iou

Counts = NDArray[np.int64]
_LEAST_FOR_THREADS = 1 << 20  # pixels


def confusion_matrix(truth: Labels, predicted: Labels, n_classes: int) -> Counts:
    """Count pixels by true and predicted class.

    Args:
        truth: ``(H, W)`` class ids; ``n_classes`` or more, such as VOID, is not scored.
        predicted: ``(H, W)`` class ids; ``n_classes`` or more is no class, so a miss.
        n_classes: K.

    Returns:
        ``(K, K + 1)`` int64, rows truth, columns prediction, the last column "no class".

    Raises:
        ValueError: the maps differ in size, or are not uint8.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"the prediction is {predicted.shape}, the label map {truth.shape}; their sizes must be equal")
    if {truth.dtype, predicted.dtype} != {np.dtype(np.uint8)}:
        raise ValueError(f"label maps must be uint8, not {truth.dtype} and {predicted.dtype}")
    from sgz_bench.core.compiled import in_threads

    from .kernels import TABLES, count_pairs

    true_ids, predicted_ids = truth.reshape(-1), predicted.reshape(-1)
    threads = usual_threads() if truth.size >= _LEAST_FOR_THREADS else 1
    edges = [truth.size * index // threads for index in range(threads + 1)]
    counts = np.zeros((threads, TABLES, n_classes + 1, n_classes + 1), dtype=np.uint32)

    def count(index: int) -> None:
        part = slice(edges[index], edges[index + 1])
        count_pairs(true_ids[part], predicted_ids[part], counts[index])

    in_threads(count, range(threads), threads)
    total: Counts = counts.sum(axis=(0, 1), dtype=np.int64)
    return total[:n_classes]


@dataclass(frozen=True, eq=False)
class ConfusionTable:
    """Confusion matrices of one cell: N images, K classes.

    Attributes:
        image_ids: ``(N,)`` int64, ascending.
        counts: ``(N, K, K + 1)`` int64 pixels, as from :func:`confusion_matrix`.
        uncertain: ``(N, T, 2, K)`` int64, numerators and denominators of UIoU at T confidence thresholds
            (:func:`.uncertainty.uncertain_counts`), or None.
    """

    image_ids: NDArray[np.int64]
    counts: Counts
    uncertain: Counts | None = None

    class_metrics: ClassVar[tuple[str, ...]] = ("IoU",)  # compared per class
    slice_metrics: ClassVar[tuple[str, ...]] = ("mIoU", "pixel_accuracy")  # compared per slice

    @property
    def truth(self) -> Counts:
        """``(N, K)`` labelled pixels per image and class."""
        return np.asarray(self.counts.sum(axis=2))

    @property
    def size(self) -> dict[str, int]:
        """Amount of truth."""
        return {"pixels": int(self.counts.sum())}

    def subset(self, images: NDArray[np.intp]) -> ConfusionTable:
        """Return the table of the images at the indices ``images``."""
        uncertain = None if self.uncertain is None else self.uncertain[images]
        return ConfusionTable(self.image_ids[images], self.counts[images], uncertain)

    def pooled(self, other: ConfusionTable) -> ConfusionTable:
        """Return both systems over 2N images: image ``n`` of this one at ``2n``, of the other at ``2n + 1``."""
        uncertain = None
        if self.uncertain is not None and other.uncertain is not None:
            uncertain = _interleaved(self.uncertain, other.uncertain)
        return ConfusionTable(np.repeat(self.image_ids, 2), _interleaved(self.counts, other.counts), uncertain)

    def scores(self, weights: ArrayLike) -> Scores:
        """Return all metrics if image ``n`` occurs ``weights[b, n]`` times; sums of the matrices are exact in float64.

        Args:
            weights: ``(B, N)`` non-negative integers.
        """
        times = np.asarray(weights, dtype=np.float64)
        total = (times @ self.counts.reshape(len(self.counts), -1)).reshape(-1, *self.counts.shape[1:])
        per_class, overall = class_scores(total), overall_scores(total)
        if self.uncertain is not None:
            parts = (times @ self.uncertain.reshape(len(self.uncertain), -1)).reshape(-1, *self.uncertain.shape[1:])
            per_class["AUIoU"] = uncertain_iou(parts)
            overall["AUIoU"] = mean_defined(per_class["AUIoU"])
        return Scores(per_class, overall)

    def to_bytes(self) -> bytes:
        """Return an ``.npz`` archive; the same content gives the same bytes."""
        buffer = io.BytesIO()
        if self.uncertain is None:
            np.savez_compressed(buffer, image_ids=self.image_ids, counts=self.counts)
        else:
            np.savez_compressed(buffer, image_ids=self.image_ids, counts=self.counts, uncertain=self.uncertain)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> ConfusionTable:
        """Read what :meth:`to_bytes` wrote.

        Raises:
            ValueError, KeyError, zipfile.BadZipFile: the bytes are no such archive.
        """
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return cls(archive["image_ids"], archive["counts"], archive.get("uncertain"))


def image_iou(table: ConfusionTable) -> NDArray[np.float64]:
    """Return ``(N,)`` mean IoU of every image over the classes of its truth; 0 for an image without truth."""
    hits = np.diagonal(table.counts, axis1=1, axis2=2)
    truth = table.truth
    union = truth + table.counts[:, :, :-1].sum(axis=1) - hits
    present = truth > 0
    iou = np.where(present, hits / np.maximum(union, 1), 0)
    mean: NDArray[np.float64] = iou.sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    return mean


def _interleaved(ours: Counts, theirs: Counts) -> Counts:
    return np.stack([ours, theirs], axis=1).reshape(-1, *ours.shape[1:])
