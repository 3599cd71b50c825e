"""Sufficient statistics of segmentation: one confusion matrix an image. Every metric and resample reduces them."""

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
_WORTH_THREADS = 1 << 20  # pixels


def confusion_matrix(truth: Labels, predicted: Labels, n_classes: int) -> Counts:
    """Pixels by true and predicted class.

    Args:
        truth: ``(H, W)`` class ids; what is ``n_classes`` or more, VOID among it, is not scored.
        predicted: ``(H, W)`` class ids; what is ``n_classes`` or more is no class of the list: a miss.
        n_classes: K.

    Returns:
        ``(K, K + 1)`` int64, rows truth, columns prediction, the last column "no class".

    Raises:
        ValueError: the maps differ in size, or are not of 8 bits.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"the prediction is {predicted.shape}, the label map {truth.shape}; they must be of one size")
    if {truth.dtype, predicted.dtype} != {np.dtype(np.uint8)}:
        raise ValueError(f"label maps are uint8, not {truth.dtype} and {predicted.dtype}")
    from sgz_bench.core.compiled import in_threads

    from .kernels import TABLES, count_pairs

    known, said = truth.reshape(-1), predicted.reshape(-1)
    threads = usual_threads() if truth.size >= _WORTH_THREADS else 1
    edges = [truth.size * place // threads for place in range(threads + 1)]
    counts = np.zeros((threads, TABLES, n_classes + 1, n_classes + 1), dtype=np.uint32)

    def count(place: int) -> None:
        part = slice(edges[place], edges[place + 1])
        count_pairs(known[part], said[part], counts[place])

    in_threads(count, range(threads), threads)
    total: Counts = counts.sum(axis=(0, 1), dtype=np.int64)
    return total[:n_classes]


@dataclass(frozen=True, eq=False)
class ConfusionTable:
    """The confusion matrices of one cell: N images, K classes.

    Attributes:
        image_ids: ``(N,)`` int64, ascending.
        counts: ``(N, K, K + 1)`` int64 pixels, as :func:`confusion_matrix` gives them.
        uncertain: ``(N, T, 2, K)`` int64, numerators and denominators of UIoU at T confidence thresholds
            (:func:`.uncertainty.uncertain_counts`), or None.
    """

    image_ids: NDArray[np.int64]
    counts: Counts
    uncertain: Counts | None = None

    class_metrics: ClassVar[tuple[str, ...]] = ("IoU",)  # that are compared class by class
    slice_metrics: ClassVar[tuple[str, ...]] = ("mIoU", "pixel_accuracy")  # and slice by slice

    @property
    def truth(self) -> Counts:
        """``(N, K)`` labelled pixels of every image and class."""
        return np.asarray(self.counts.sum(axis=2))

    @property
    def size(self) -> dict[str, int]:
        """How much truth there is."""
        return {"pixels": int(self.counts.sum())}

    def subset(self, images: NDArray[np.intp]) -> ConfusionTable:
        """The table of the images at the indices ``images`` alone."""
        uncertain = None if self.uncertain is None else self.uncertain[images]
        return ConfusionTable(self.image_ids[images], self.counts[images], uncertain)

    def pooled(self, other: ConfusionTable) -> ConfusionTable:
        """Both systems over 2N images: image ``n`` of this one at ``2n``, of the other at ``2n + 1``."""
        uncertain = None
        if self.uncertain is not None and other.uncertain is not None:
            uncertain = _interleaved(self.uncertain, other.uncertain)
        return ConfusionTable(np.repeat(self.image_ids, 2), _interleaved(self.counts, other.counts), uncertain)

    def scores(self, weights: ArrayLike) -> Scores:
        """All metrics when image ``n`` occurs ``weights[b, n]`` times: sums of the matrices, exact in float64.

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
        """An ``.npz`` archive; the same content gives the same bytes."""
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
            ValueError, KeyError, zipfile.BadZipFile: the bytes are something else.
        """
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return cls(archive["image_ids"], archive["counts"], archive.get("uncertain"))


def image_iou(table: ConfusionTable) -> NDArray[np.float64]:
    """``(N,)`` mean IoU of every image over the classes of its truth; 0 where it has none."""
    hits = np.diagonal(table.counts, axis1=1, axis2=2)
    truth = table.truth
    union = truth + table.counts[:, :, :-1].sum(axis=1) - hits
    present = truth > 0
    iou = np.where(present, hits / np.maximum(union, 1), 0)
    mean: NDArray[np.float64] = iou.sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    return mean


def _interleaved(ours: Counts, theirs: Counts) -> Counts:
    return np.stack([ours, theirs], axis=1).reshape(-1, *ours.shape[1:])
