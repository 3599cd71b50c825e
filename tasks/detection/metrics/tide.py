"""What kind of error each wrong answer is, and what each kind costs: TIDE's taxonomy.

Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV 2020, section 2; order of
checks, and what mending an error does, as in dbolya/tide, ``quantify.py`` and ``errors/`` (MIT). What differs, so that
the AP50 before mending is that of the row: matching and overlaps are pycocotools', with 100 predictions of an image
*and class*; what lies on a crowd region is no error; and classes without truth do not enter the mean.
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
FOREGROUND = 0.5  # IoU from which a box is found
BACKGROUND = 0.1  # IoU below which a prediction is of nothing at all
_MOST = 100  # predictions of an image and class, as COCO counts them
_CLASS, _PLACE, _BOTH, _DUPLICATE, _NOTHING = range(5)
_RIGHT, _IGNORED = -1, -2

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Errors:
    """Every prediction and every object of one set of predictions: D predictions, G objects, N images, K classes.

    Predictions lie by image, best first. Crowd regions are no objects; what lies on one of its class is neither right
    nor wrong.

    Attributes:
        n_classes: K.
        image_ids: ``(N,)`` ascending.
        image, class_id, score: ``(D,)`` of the predictions; images as places in ``image_ids``.
        verdict: ``(D,)`` place in ``TYPES``, −1 for right, −2 for neither right nor wrong.
        object: ``(D,)`` the object that a prediction found or, with another class or box, would have found; or −1.
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
        """``(G,)`` whether a prediction found the object."""
        return self._of(_RIGHT)

    @cached_property
    def missed(self) -> Bools:
        """``(G,)`` neither found nor the object of a classification or localisation error."""
        return ~self._of(_RIGHT, _CLASS, _PLACE)

    def above(self, min_score: float) -> Errors:
        """The errors if the predictions scored below ``min_score`` had not been made.

        What a prediction is hangs only on better ones, so that the others keep their verdicts; objects that only the
        worse ones found, or came near, are missed now.
        """
        kept = self.score >= min_score
        names = ("image", "class_id", "score", "verdict", "object")
        return replace(self, **{name: getattr(self, name)[kept] for name in names})

    def counts(self) -> Ints:
        """``(N, 6)`` errors of each image by type."""
        wrong = self.verdict >= 0
        image = np.concatenate([self.image[wrong], self.object_image[self.missed]])
        kind = np.concatenate([self.verdict[wrong], np.full(self.missed.sum(), TYPES.index("missed"))])
        size = len(self.image_ids) * len(TYPES)
        return np.bincount(image * len(TYPES) + kind, minlength=size).reshape(-1, len(TYPES))

    def costs(self) -> dict[str, float | None]:
        """Type → how much AP50 would rise if an oracle mended all errors of the type and nothing else; ≥ 0.

        Costs of types do not sum to 1 − AP50. None where no class has truth.
        """
        base = self.ap50()
        mended = {name: self.ap50([name]) for name in TYPES}
        return {name: None if ap is None or base is None else max(ap - base, 0.0) for name, ap in mended.items()}

    def ap50(self, mended: Collection[str] = ()) -> float | None:
        """COCO AP50, mean over the classes with truth, after an oracle mended all errors of some types.

        A classification or localisation error gets the class or box of its object, if that was not found and no better
        error of either type is of it; else it is removed, as duplicates, background and both are. Missed objects are no
        longer asked for. As in TIDE, a class of which nothing is left to find is worth 0 while something is still
        predicted of it, and is left out of the mean where nothing is; of such classes alone the mean is 1. So all types
        mended together give 1.

        Returns:
            In [0, 1]; None where no class has truth.
        """
        mine = np.isin(self.verdict, [TYPES.index(name) for name in mended])
        put_right = mine & self._best_of_their_objects
        class_id = self.class_id.copy()
        class_id[put_right] = self.object_class[self.object[put_right]]
        gone = (self.verdict == _IGNORED) | (mine & ~put_right)
        asked = ~self.missed if "missed" in mended else np.ones(len(self.object_class), dtype=bool)
        n_truth = np.zeros((len(self.image_ids), self.n_classes), dtype=np.int32)
        np.add.at(n_truth, (self.object_image[asked], self.object_class[asked]), 1)
        table = MatchTable.ordered(
            "coco",
            self.image_ids,
            n_truth,
            self.image.astype(np.int32),
            class_id.astype(np.int32),
            self.score,
            ((self.verdict == _RIGHT) | put_right)[None],
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
        """``(D,)`` the best-scored classification or localisation error of each object that was not found."""
        near = np.flatnonzero(np.isin(self.verdict, (_CLASS, _PLACE)))
        near = near[~self.found[self.object[near]]]  # those of one object lie in one image, best first
        _, first = np.unique(self.object[near], return_index=True)
        best = np.zeros(len(self.verdict), dtype=bool)
        best[near[first]] = True
        return best

    def _of(self, *verdicts: int) -> Bools:
        """``(G,)`` whether some prediction with one of these verdicts is of the object."""
        objects = np.zeros(len(self.object_class), dtype=bool)
        objects[self.object[np.isin(self.verdict, verdicts)]] = True
        return objects


def find_errors(truth: Mapping[str, Any], predictions: Sequence[Mapping[str, Any]]) -> Errors:
    """Give every false prediction its type, in this order of checks, and name the objects that were missed.

    A false prediction is a localisation error if the object of its class that overlaps it most does so by .1 to .5; a
    classification error if an object of another class does by .5 or more; a duplicate if one of its class does, which a
    better prediction found; background if nothing overlaps it by more than .1; and both, class and place, otherwise.

    Args:
        truth: COCO ground truth.
        predictions: COCO results on its images.

    Raises:
        ValueError: a prediction or annotation is of an image or category that the truth lacks.
    """
    image_ids = np.array(sorted(image["id"] for image in truth["images"]), dtype=np.int64)
    class_ids = np.array(sorted(each["id"] for each in truth["categories"]), dtype=np.int64)
    score = np.array([each["score"] for each in predictions], dtype=np.float64)
    said = _Boxes.of(predictions, image_ids, class_ids)
    best_first = np.lexsort((-score, said.image))  # stable: equal scores keep the detector's order
    best_first = best_first[_ranks(said.take(best_first), len(class_ids)) < _MOST]
    said, score = said.take(best_first), score[best_first]

    annotations = truth["annotations"]
    crowd = np.array([bool(each.get("iscrowd")) for each in annotations], dtype=bool)
    known = _Boxes.of(annotations, image_ids, class_ids)
    order = np.lexsort((crowd, known.image))  # crowds after the objects of their image
    known, crowd = known.take(order), crowd[order]
    verdict, target = _judge_all(said, known, crowd, len(image_ids))
    return Errors(
        n_classes=len(class_ids),
        image_ids=image_ids,
        image=said.image,
        class_id=said.class_id,
        score=score,
        verdict=verdict,
        object=target,
        object_image=known.image[~crowd],
        object_class=known.class_id[~crowd],
        annotation=np.array([annotations[place].get("id", -1) for place in order[~crowd]], dtype=np.int64),
    )


@dataclass(frozen=True, eq=False)
class _Boxes:
    image: Ints  # (M,) places in the list of images
    class_id: Ints  # (M,) places in the list of classes
    box: Floats  # (M, 4) xywh

    @staticmethod
    def of(records: Sequence[Mapping[str, Any]], image_ids: Ints, class_ids: Ints) -> _Boxes:
        image = np.array([each["image_id"] for each in records], dtype=np.int64)
        class_id = np.array([each["category_id"] for each in records], dtype=np.int64)
        box = np.array([each["bbox"] for each in records], dtype=np.float64).reshape(-1, 4)
        if not (np.isin(image, image_ids).all() and np.isin(class_id, class_ids).all()):
            raise ValueError("a box is of an image or category that the truth lacks")
        return _Boxes(np.searchsorted(image_ids, image), np.searchsorted(class_ids, class_id), box)

    def take(self, places: NDArray[np.intp]) -> _Boxes:
        return _Boxes(self.image[places], self.class_id[places], self.box[places])


def _ranks(boxes: _Boxes, n_classes: int) -> NDArray[np.intp]:
    """``(M,)`` how many boxes of the same image and class come before each."""
    group = boxes.image * n_classes + boxes.class_id
    order = np.argsort(group, kind="stable")
    ranks = np.empty(len(order), dtype=np.intp)
    ranks[order] = np.arange(len(order)) - np.searchsorted(group[order], group[order])
    return ranks


def _judge_all(said: _Boxes, known: _Boxes, crowd: Bools, n_images: int) -> tuple[Ints, Ints]:
    """Verdict and object of each prediction; both sides lie by image, objects before crowds."""
    from pycocotools import mask

    verdict, target = (np.full(len(said.image), value, dtype=np.int64) for value in (_NOTHING, -1))
    places = np.arange(n_images + 1)
    ends, bounds = np.searchsorted(said.image, places), np.searchsorted(known.image, places)
    objects_before = np.concatenate([[0], np.cumsum(~crowd)])
    for first, last, low, high in zip(ends, ends[1:], bounds, bounds[1:], strict=False):
        if first == last or low == high:
            continue
        own, others = slice(first, last), slice(low, high)
        iou = mask.iou(said.box[own], known.box[others], crowd[others])
        same = said.class_id[own, None] == known.class_id[others]
        before = int(objects_before[low])
        count = int(objects_before[high]) - before
        verdict[own], of_image = _judge(iou[:, :count], same[:, :count], (iou * same)[:, count:])
        target[own] = np.where(of_image >= 0, of_image + before, -1)
    return verdict, target


def _judge(iou: Floats, same: Bools, on_crowd: Floats) -> tuple[Ints, Ints]:
    """Verdict and object of each prediction of one image, which lie best first."""
    verdict, target = (np.full(len(iou), value, dtype=np.int64) for value in (_NOTHING, -1))
    if iou.shape[1]:
        of_class, of_others = np.where(same, iou, 0.0), np.where(same, 0.0, iou)
        nearest, strangest = of_class.max(axis=1), of_others.max(axis=1)
        verdict[np.maximum(nearest, strangest) > BACKGROUND] = _BOTH
        # The check that comes first is made last, and wins.
        for kind, holds, overlap in (
            (_DUPLICATE, nearest >= FOREGROUND, of_class),
            (_CLASS, strangest >= FOREGROUND, of_others),
            (_PLACE, (nearest >= BACKGROUND) & (nearest < FOREGROUND), of_class),
        ):
            verdict[holds] = kind
            target[holds] = overlap[holds].argmax(axis=1)
        for place, chosen in _matched(of_class):
            verdict[place], target[place] = _RIGHT, chosen
    if on_crowd.shape[1]:
        ignored = (verdict != _RIGHT) & (on_crowd.max(axis=1) >= FOREGROUND)
        verdict[ignored], target[ignored] = _IGNORED, -1
    return verdict, target


def _matched(of_class: Floats) -> list[tuple[int, int]]:
    """(prediction, object): best prediction first, each takes the free object that it overlaps most, as COCOeval."""
    rows, columns = np.nonzero(of_class >= FOREGROUND)
    candidates = zip(rows.tolist(), of_class[rows, columns].tolist(), columns.tolist(), strict=True)
    taken: set[int] = set()
    pairs = []
    for place, group in groupby(candidates, key=itemgetter(0)):
        # Of equal overlaps the last one, as pycocotools takes it.
        _, chosen = max(((overlap, k) for _, overlap, k in group if k not in taken), default=(0.0, -1))
        if chosen >= 0:
            taken.add(chosen)
            pairs.append((place, chosen))
    return pairs
