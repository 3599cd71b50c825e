"""Match tables of one cell; every metric and resample is a reduction of them."""

from __future__ import annotations

import io
from dataclasses import dataclass, fields, replace
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...types import Scores
from .matches import MatchTable, Rule
from .precision import average_precision, mean_over_classes, named_precisions


@dataclass(frozen=True, eq=False)
class CellMatches:
    """Both match tables of one cell; they share images and classes."""

    coco: MatchTable
    voc: MatchTable

    class_metrics: ClassVar[tuple[str, ...]] = ("AP", "AP50")  # compared per class
    slice_metrics: ClassVar[tuple[str, ...]] = ("AP", "AP50")  # compared per slice

    @property
    def image_ids(self) -> NDArray[np.int64]:
        """``(N,)`` ascending."""
        return self.coco.image_ids

    @property
    def truth(self) -> NDArray[np.int32]:
        """``(N, K)`` number of boxes that count, per image and class."""
        return self.coco.n_truth

    @property
    def size(self) -> dict[str, int]:
        """Amount of truth."""
        return {"boxes": int(self.coco.n_truth.sum())}

    def subset(self, images: NDArray[np.intp]) -> CellMatches:
        """Return the matches of the images at the indices ``images`` (ascending)."""
        return CellMatches(self.coco.subset(images), self.voc.subset(images))

    def pooled(self, other: CellMatches) -> CellMatches:
        """Return both systems over 2N images; equal scores are ordered by image, then by system and rank."""
        return CellMatches(self.coco.pooled(other.coco), self.voc.pooled(other.voc))

    def scores(self, weights: ArrayLike) -> Scores:
        """Return AP, AP50 and VOC_AP50 if image ``n`` occurs ``weights[b, n]`` times; ``(B, N)`` integers."""
        per_class: dict[str, NDArray[np.float64]] = {}
        for table in (self.coco, self.voc):
            per_class |= named_precisions(table, average_precision(table, weights))
        return Scores(per_class, {metric: mean_over_classes(values) for metric, values in per_class.items()})

    def ap50(self, weights: ArrayLike) -> NDArray[np.float64]:
        """Return ``(B,)`` AP50 alone, bit for bit that of :meth:`scores`."""
        first = replace(self.coco, tp=self.coco.tp[:1], ignored=self.coco.ignored[:1])
        return mean_over_classes(average_precision(first, weights)[..., 0])

    def to_bytes(self) -> bytes:
        """Return an ``.npz`` archive; the same content gives the same bytes (NumPy dates its members 1980)."""
        buffer = io.BytesIO()
        arrays = {
            f"{rule}_{field.name}": getattr(table, field.name)
            for rule, table in (("coco", self.coco), ("voc", self.voc))
            for field in fields(MatchTable)
            if field.name != "rule"
        }
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> CellMatches:
        """Read what :meth:`to_bytes` wrote.

        Raises:
            ValueError, KeyError, zipfile.BadZipFile: the bytes are no such archive.
        """
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:

            def table(rule: Rule) -> MatchTable:
                return MatchTable(rule, *(archive[f"{rule}_{field.name}"] for field in fields(MatchTable)[1:]))

            return cls(table("coco"), table("voc"))
