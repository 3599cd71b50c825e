"""Detection errors by type, and their cost in AP50: TIDE's taxonomy.

Source: Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV 2020, section 2. The order
of checks and the effect of fixing an error follow dbolya/tide, ``quantify.py`` and ``errors/`` (MIT). Deviations, so
that AP50 before any fix equals that of the result row: matching and overlaps are pycocotools', with 100 predictions per
image *and class*; predictions on a crowd region are no errors; and classes without truth do not enter the mean.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .matches import MatchTable
from .precision import average_precision

TYPES = ("classification", "localisation", "both", "duplicate", "background", "missed")
FOREGROUND = 0.5  # least IoU of a match
BACKGROUND = 0.1  # a prediction with less IoU to every object is a background error
_MOST = 100  # predictions that count per image and class, as in COCO
_CLASS, _PLACE, _BOTH, _DUPLICATE, _NOTHING = range(5)
_RIGHT, _IGNORED = -1, -2

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Errors:
    """Verdicts on D predictions and G objects of N images and K classes.

    Predictions are sorted by image, best first. Crowd regions are no objects; a prediction on a crowd region of its
    class is neither right nor wrong.

    Attributes:
        n_classes: K.
        image_ids: ``(N,)`` ascending.
        image, class_id, score: ``(D,)`` of the predictions; images as indices into ``image_ids``.
        verdict: ``(D,)`` index into ``TYPES``, −1 for right, −2 for neither right nor wrong.
        object: ``(D,)`` the object that a prediction found, or would find with another class or box; or −1.
        object_image, object_class: ``(G,)``; objects in the order of the annotations, by image.
        annotation: ``(G,)`` id of the annotation.
    """

    n_classes: int
    image_ids: Ints
    image: Ints
    class_id: Ints
    score: Floats
    verdict: Ints
    object: Ints
    object_image: Ints
    object_class: Ints
    annotation: Ints

    @cached_property
    def found(self) -> Bools:
        """``(G,)`` True for objects that a prediction found."""
        return self._of(_RIGHT)

    @cached_property
    def missed(self) -> Bools:
        """``(G,)`` True for objects that no prediction found and no classification or localisation error concerns."""
        return ~self._of(_RIGHT, _CLASS, _PLACE)

    def above(self, min_score: float) -> Errors:
        """Return the errors without the predictions scored below ``min_score``.

        A verdict depends only on better predictions, so the remaining predictions keep theirs. Objects that only the
        removed predictions found, or nearly found, become missed.
        """
        kept = self.score >= min_score
        names = ("image", "class_id", "score", "verdict", "object")
        return replace(self, **{name: getattr(self, name)[kept] for name in names})

    def counts(self) -> Ints:
        """Return ``(N, 6)`` errors per image by type."""
        wrong = self.verdict >= 0
        image = np.concatenate([self.image[wrong], self.object_image[self.missed]])
        kind = np.concatenate([self.verdict[wrong], np.full(self.missed.sum(), TYPES.index("missed"))])
        size = len(self.image_ids) * len(TYPES)
        return np.bincount(image * len(TYPES) + kind, minlength=size).reshape(-1, len(TYPES))

    def costs(self) -> dict[str, float | None]:
        """Return the rise of AP50 if an oracle fixed all errors of one type and nothing else, by type; ≥ 0.

        Costs do not sum to 1 − AP50. None if no class has truth.
        """
        base = self.ap50()
        fixed = {name: self.ap50([name]) for name in TYPES}
        return {name: None if ap is None or base is None else max(ap - base, 0.0) for name, ap in fixed.items()}

    def ap50(self, fixed: Collection[str] = ()) -> float | None:
        """Return COCO AP50, the mean over the classes with truth, after an oracle fixed all errors of some types.

        A classification or localisation error gets the class or box of its object, if the object was not found and has
        no better error of either type; else it is removed, like duplicate, background and both. Missed objects are
        removed from the truth. As in TIDE, a class without remaining truth counts as 0 if predictions of it remain, and
        is left out of the mean if none does; if all classes are left out, the mean is 1. So all types fixed together
        give 1.

        Returns:
            AP50 in [0, 1]; None if no class has truth.
        """
        selected = np.isin(self.verdict, [TYPES.index(name) for name in fixed])
        corrected = selected & self._best_of_their_objects
        class_id = self.class_id.copy()
        class_id[corrected] = self.object_class[self.object[corrected]]
        gone = (self.verdict == _IGNORED) | (selected & ~corrected)
        remaining = ~self.missed if "missed" in fixed else np.ones(len(self.object_class), dtype=bool)
        n_truth = np.zeros((len(self.image_ids), self.n_classes), dtype=np.int32)
        np.add.at(n_truth, (self.object_image[remaining], self.object_class[remaining]), 1)
        table = MatchTable.ordered(
            "coco",
            self.image_ids,
            n_truth,
            self.image.astype(np.int32),
            class_id.astype(np.int32),
            self.score,
            ((self.verdict == _RIGHT) | corrected)[None],
            gone[None],
        )
        ap = average_precision(table, np.ones((1, len(self.image_ids)), dtype=np.int32))[0, :, 0]
        labelled = np.bincount(self.object_class, minlength=self.n_classes) > 0
        predicted = np.bincount(class_id[~gone], minlength=self.n_classes) > 0
        ap = np.where(np.isnan(ap) & predicted, 0.0, ap)[labelled]
        if not ap.size:
            return None
        return 1.0 if np.isnan(ap).all() else float(np.nanmean(ap))

    @cached_property
    def _best_of_their_objects(self) -> Bools:
        """``(D,)`` True for the best-scored classification or localisation error of each object that was not found."""
        near = np.flatnonzero(np.isin(self.verdict, (_CLASS, _PLACE)))
        near = near[~self.found[self.object[near]]]  # errors of one object are in one image, best first
        _, first = np.unique(self.object[near], return_index=True)
        best = np.zeros(len(self.verdict), dtype=bool)
        best[near[first]] = True
        return best

    def _of(self, *verdicts: int) -> Bools:
        """Return ``(G,)`` True for objects of predictions with one of these verdicts."""
        objects = np.zeros(len(self.object_class), dtype=bool)
        objects[self.object[np.isin(self.verdict, verdicts)]] = True
        return objects


def find_errors(truth: Mapping[str, Any], predictions: Sequence[Mapping[str, Any]]) -> Errors:
    """Classify every false prediction and list the objects that were missed.

    Checks in this order; IoU with the most overlapping object: localisation, .1 to .5 with an object of its class;
    classification, .5 or more with an object of another class; duplicate, .5 or more with an object of its class that a
    better prediction found; background, .1 or less with every object; otherwise both.

    Args:
        truth: COCO ground truth.
        predictions: COCO results on its images.

    Raises:
        ValueError: a prediction or annotation names an image or category that the truth lacks.
    """
    image_ids = np.array(sorted(image["id"] for image in truth["images"]), dtype=np.int64)
    class_ids = np.array(sorted(each["id"] for each in truth["categories"]), dtype=np.int64)
    score = np.array([each["score"] for each in predictions], dtype=np.float64)
    predicted = _Boxes.of(predictions, image_ids, class_ids)
    best_first = np.lexsort((-score, predicted.image))  # stable: equal scores keep the detector's order
    best_first = best_first[_ranks(predicted.take(best_first), len(class_ids)) < _MOST]
    predicted, score = predicted.take(best_first), score[best_first]

    annotations = truth["annotations"]
    crowd = np.array([bool(each.get("iscrowd")) for each in annotations], dtype=bool)
    labelled = _Boxes.of(annotations, image_ids, class_ids)
    order = np.lexsort((crowd, labelled.image))  # crowds after the objects of their image
    labelled, crowd = labelled.take(order), crowd[order]
    verdict, target = _judge_all(predicted, labelled, crowd, len(image_ids))
    return Errors(
        n_classes=len(class_ids),
        image_ids=image_ids,
        image=predicted.image,
        class_id=predicted.class_id,
        score=score,
        verdict=verdict,
        object=target,
        object_image=labelled.image[~crowd],
        object_class=labelled.class_id[~crowd],
        annotation=np.array([annotations[index].get("id", -1) for index in order[~crowd]], dtype=np.int64),
    )


@dataclass(frozen=True, eq=False)
class _Boxes:
    image: Ints  # (M,) indices into the list of images
    class_id: Ints  # (M,) indices into the list of classes
    box: Floats  # (M, 4) xywh

    @staticmethod
    def of(records: Sequence[Mapping[str, Any]], image_ids: Ints, class_ids: Ints) -> _Boxes:
        image = np.array([each["image_id"] for each in records], dtype=np.int64)
        class_id = np.array([each["category_id"] for each in records], dtype=np.int64)
        box = np.array([each["bbox"] for each in records], dtype=np.float64).reshape(-1, 4)
        if not (np.isin(image, image_ids).all() and np.isin(class_id, class_ids).all()):
            raise ValueError("a box names an image or category that the truth lacks")
        return _Boxes(np.searchsorted(image_ids, image), np.searchsorted(class_ids, class_id), box)

    def take(self, indices: NDArray[np.intp]) -> _Boxes:
        return _Boxes(self.image[indices], self.class_id[indices], self.box[indices])


def _ranks(boxes: _Boxes, n_classes: int) -> NDArray[np.intp]:
    """Return ``(M,)`` the number of earlier boxes of the same image and class."""
    group = boxes.image * n_classes + boxes.class_id
    order = np.argsort(group, kind="stable")
    ranks = np.empty(len(order), dtype=np.intp)
    ranks[order] = np.arange(len(order)) - np.searchsorted(group[order], group[order])
    return ranks


def _judge_all(predicted: _Boxes, labelled: _Boxes, crowd: Bools, n_images: int) -> tuple[Ints, Ints]:
    """Return verdict and object of each prediction; both sides are sorted by image, objects before crowds."""
    from pycocotools import mask

    verdict, target = (np.full(len(predicted.image), value, dtype=np.int64) for value in (_NOTHING, -1))
    indices = np.arange(n_images + 1)
    ends, bounds = np.searchsorted(predicted.image, indices), np.searchsorted(labelled.image, indices)
    objects_before = np.concatenate([[0], np.cumsum(~crowd)])
    for first, last, low, high in zip(ends, ends[1:], bounds, bounds[1:], strict=False):
        if first == last or low == high:
            continue
        own, others = slice(first, last), slice(low, high)
        iou = mask.iou(predicted.box[own], labelled.box[others], crowd[others])
        same = predicted.class_id[own, None] == labelled.class_id[others]
        before = int(objects_before[low])
        count = int(objects_before[high]) - before
        verdict[own], of_image = _judge(iou[:, :count], same[:, :count], (iou * same)[:, count:])
        target[own] = np.where(of_image >= 0, of_image + before, -1)
    return verdict, target


def _judge(iou: Floats, same: Bools, on_crowd: Floats) -> tuple[Ints, Ints]:
    """Return verdict and object of each prediction of one image; predictions are sorted best first."""
    verdict, target = (np.full(len(iou), value, dtype=np.int64) for value in (_NOTHING, -1))
    if iou.shape[1]:
        of_class, of_others = np.where(same, iou, 0.0), np.where(same, 0.0, iou)
        nearest_own, nearest_other = of_class.max(axis=1), of_others.max(axis=1)
        verdict[np.maximum(nearest_own, nearest_other) > BACKGROUND] = _BOTH
        # The first check runs last, so it overrides the others.
        for kind, holds, overlap in (
            (_DUPLICATE, nearest_own >= FOREGROUND, of_class),
            (_CLASS, nearest_other >= FOREGROUND, of_others),
            (_PLACE, (nearest_own >= BACKGROUND) & (nearest_own < FOREGROUND), of_class),
        ):
            verdict[holds] = kind
            target[holds] = overlap[holds].argmax(axis=1)
        for index, chosen in _matched(of_class):
            verdict[index], target[index] = _RIGHT, chosen
    if on_crowd.shape[1]:
        ignored = (verdict != _RIGHT) & (on_crowd.max(axis=1) >= FOREGROUND)
        verdict[ignored], target[ignored] = _IGNORED, -1
    return verdict, target


def _matched(of_class: Floats) -> list[tuple[int, int]]:
    """Return (prediction, object) pairs: best first, each takes the free object that it overlaps most, as COCOeval."""
    rows, columns = np.nonzero(of_class >= FOREGROUND)
    candidates = zip(rows.tolist(), of_class[rows, columns].tolist(), columns.tolist(), strict=True)
    taken: set[int] = set()
    pairs = []
    for index, group in groupby(candidates, key=itemgetter(0)):
        # Of equal overlaps the last one, as in pycocotools.
        _, chosen = max(((overlap, k) for _, overlap, k in group if k not in taken), default=(0.0, -1))
        if chosen >= 0:
            taken.add(chosen)
            pairs.append((index, chosen))
    return pairs
