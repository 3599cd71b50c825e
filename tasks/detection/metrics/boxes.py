"""Truth and predictions of one cell as arrays, in scoring order."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Boxes:
    """M boxes of N images and K classes, sorted by class, then image; the pair of both is ``class · N + image``.

    Attributes:
        image, class_id: ``(M,)`` indices into the ascending ids.
        box: ``(M, 4)`` xywh.
        start: ``(K · N + 1,)`` index of each pair's first box.
    """

    image: Ints
    class_id: Ints
    box: Floats
    start: Ints

    @property
    def rank(self) -> Ints:
        """``(M,)`` index of each box within its pair."""
        return np.arange(len(self.image)) - np.repeat(self.start[:-1], np.diff(self.start))


@dataclass(frozen=True, eq=False)
class LabelledBoxes(Boxes):
    """Labelled boxes; within a pair in the order of the annotations.

    Attributes:
        area: ``(M,)`` pixels.
        crowd: ``(M,)`` bool.
    """

    area: Floats
    crowd: NDArray[np.bool_]

    @classmethod
    def of(cls, truth: Mapping[str, Any]) -> Self:
        """Create from a checked truth."""
        annotations = truth["annotations"]
        image, class_id = (_column(annotations, name) for name in ("image_id", "category_id"))
        image, class_id = (_indices(ids, truth[side]) for ids, side in ((image, "images"), (class_id, "categories")))
        order, start = _sorted(image, class_id, len(truth["images"]), len(truth["categories"]))
        box = np.array([each["bbox"] for each in annotations], dtype=np.float64).reshape(-1, 4)
        area = np.array([each["area"] for each in annotations], dtype=np.float64)
        crowd = np.array([each["iscrowd"] for each in annotations], dtype=bool)
        return cls(image[order], class_id[order], box[order], start, area[order], crowd[order])


@dataclass(frozen=True, eq=False)
class PredictedBoxes(Boxes):
    """Predicted boxes; within a pair best first, equal scores in the detector's order.

    Attributes:
        score: ``(M,)``.
    """

    score: Floats

    @classmethod
    def of(cls, predictions: Sequence[Mapping[str, Any]], truth: Mapping[str, Any]) -> Self:
        """Create from COCO results and a checked truth.

        Raises:
            UserError: a field is missing or not finite, or a prediction names an image or category the truth lacks.
        """
        try:
            image, class_id = (_column(predictions, name) for name in ("image_id", "category_id"))
            box = np.array([each["bbox"] for each in predictions], dtype=np.float64)
            scores = [each["score"] for each in predictions]
            if {bool, str} & set(map(type, scores)):  # NumPy would convert them to numbers
                raise TypeError
            score = np.array(list(map(float, scores)), dtype=np.float64)
            box = box.reshape(len(score), 4)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UserError(
                f"{_malformed(predictions)}; give a list of COCO results, each with image_id and"
                " category_id (whole numbers), bbox (four numbers) and score"
            ) from error
        whole = np.isfinite(box).all(axis=1) & (box[:, 2:] >= 0).all(axis=1)
        if (index := _first(np.logical_not(whole))) is not None:
            raise UserError(
                f"prediction {index + 1} has the box {box[index].tolist()}; a box is four finite numbers x, y,"
                " width ≥ 0, height ≥ 0"
            )
        if (index := _first(np.logical_not(np.isfinite(score)))) is not None:
            raise UserError(f"prediction {index + 1} has the score {score[index]}; predict again")
        for name, ids, side in (("image_id", image, "images"), ("category_id", class_id, "categories")):
            if (index := _first(np.isin(ids, [each["id"] for each in truth[side]], invert=True))) is not None:
                raise UserError(
                    f"prediction {index + 1} has {name} {ids[index]}, which is none of the truth's {len(truth[side])};"
                    " score predictions against the truth of their own split"
                )
        image, class_id = _indices(image, truth["images"]), _indices(class_id, truth["categories"])
        order, start = _sorted(image, class_id, len(truth["images"]), len(truth["categories"]), -score)
        return cls(image[order], class_id[order], box[order], start, score[order])


def _malformed(predictions: Any) -> str:
    """Describe the first malformed prediction."""
    if not isinstance(predictions, list):
        return f"the predictions are a {type(predictions).__name__}, not a list"
    for index, each in enumerate(predictions, start=1):
        if not isinstance(each, Mapping):
            return f"prediction {index} is {str(each)[:40]!r}"
        for name in ("image_id", "category_id", "bbox", "score"):
            if name not in each:
                return f"prediction {index} has no {name}"
            value = each[name]
            numbers = value if name == "bbox" and isinstance(value, Sequence) and len(value) == 4 else [value]
            kind = int if name.endswith("_id") else (int, float)
            if not all(isinstance(number, kind) and not isinstance(number, bool) for number in numbers):
                return f"prediction {index} has {name} {str(value)[:40]!r}"
    return "a number is too large"


def _column(records: Sequence[Mapping[str, Any]], name: str) -> Ints:
    return np.fromiter((operator.index(each[name]) for each in records), dtype=np.int64, count=len(records))


def _indices(ids: Ints, sides: Sequence[Mapping[str, Any]]) -> Ints:
    """Return the indices of existing ids among the sorted ids of the truth's images or categories."""
    return np.searchsorted(np.array([each["id"] for each in sides], dtype=np.int64), ids).astype(np.int64)


def _sorted(
    image: Ints, class_id: Ints, n_images: int, n_classes: int, then: Floats | None = None
) -> tuple[NDArray[np.intp], Ints]:
    """Return the stable order by pair, then by ``then``; and the index of each pair's first box."""
    pair = class_id * n_images + image
    order = np.argsort(pair, kind="stable") if then is None else np.lexsort((then, pair))
    return order, np.concatenate([[0], np.cumsum(np.bincount(pair, minlength=n_images * n_classes))]).astype(np.int64)


def _first(wrong: NDArray[np.bool_]) -> int | None:
    return int(wrong.argmax()) if wrong.any() else None
