"""What kind of error each wrong answer is, and what each kind costs: TIDE's taxonomy.

Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV 2020, section 2; order of
checks as in dbolya/tide, ``quantify.py`` (MIT).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
        object_image, object_class: ``(G,)``; objects in the order of the annotations.
        annotation: ``(G,)`` id of the annotation.
        found: ``(G,)`` whether a prediction found it.
        missed: ``(G,)`` neither found nor the object of a classification or localisation error.
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
    found: NDArray[np.bool_]
    missed: NDArray[np.bool_]

    def counts(self) -> Ints:
        """``(N, 6)`` errors of each image by type."""
        counts = np.zeros((len(self.image_ids), len(TYPES)), dtype=np.int64)
        wrong = self.verdict >= 0
        np.add.at(counts, (self.image[wrong], self.verdict[wrong]), 1)
        np.add.at(counts, (self.object_image[self.missed], len(TYPES) - 1), 1)
        return counts

    def costs(self) -> dict[str, float | None]:
        """Type → how much AP50 would rise if an oracle mended all errors of the type and nothing else; ≥ 0.

        A classification or localisation error gets the class or box of its object, if that was not found and no better
        one is mended into it; else it is removed, as duplicates, background and both are. Missed objects are no longer
        asked for. Costs of types do not sum to 1 − AP50. None where no class has truth.
        """
        base, everything = self.ap50(), np.ones(len(self.found), dtype=bool)
        if base is None:
            return dict.fromkeys(TYPES)
        best = self._best_for_their_objects()
        costs: dict[str, float | None] = {}
        for kind, name in enumerate(TYPES):
            mine = self.verdict == kind
            mended = mine & best
            class_id = self.class_id.copy()
            class_id[mended] = self.object_class[self.object[mended]]
            right, removed = (self.verdict == _RIGHT) | mended, (self.verdict == _IGNORED) | (mine & ~mended)
            ap = self._ap50(class_id, right, removed, ~self.missed if name == "missed" else everything)
            costs[name] = max((ap or 0.0) - base, 0.0)
        return costs

    def ap50(self) -> float | None:
        """COCO AP50, mean over the classes with truth."""
        everything = np.ones(len(self.found), dtype=bool)
        return self._ap50(self.class_id, self.verdict == _RIGHT, self.verdict == _IGNORED, everything)

    def _best_for_their_objects(self) -> NDArray[np.bool_]:
        """``(D,)`` the best-scored classification or localisation error of each object that was not found."""
        candidates = np.flatnonzero(np.isin(self.verdict, (_CLASS, _PLACE)) & (self.object >= 0))
        candidates = candidates[~self.found[self.object[candidates]]]
        order = candidates[np.argsort(-self.score[candidates], kind="stable")]
        _, first = np.unique(self.object[order], return_index=True)
        best = np.zeros(len(self.verdict), dtype=bool)
        best[order[first]] = True
        return best

    def _ap50(
        self, class_id: Ints, right: NDArray[np.bool_], ignored: NDArray[np.bool_], asked: NDArray[np.bool_]
    ) -> float | None:
        """AP50 of the predictions that are not ignored, where the objects ``asked`` are to be found."""
        n_truth = np.zeros((len(self.image_ids), self.n_classes), dtype=np.int32)
        np.add.at(n_truth, (self.object_image[asked], self.object_class[asked]), 1)
        table = MatchTable.ordered(
            "coco",
            self.image_ids,
            n_truth,
            self.image.astype(np.int32),
            class_id.astype(np.int32),
            self.score,
            right[None],
            ignored[None],
        )
        ap = average_precision(table, np.ones((1, len(self.image_ids)), dtype=np.int32))[0, :, 0]
        # A class of which nothing is left to find is worth 0 while something is still predicted of it, as in TIDE.
        labelled = np.bincount(self.object_class, minlength=self.n_classes) > 0
        predicted = np.bincount(class_id[~ignored], minlength=self.n_classes) > 0
        ap = np.where(np.isnan(ap) & predicted, 0.0, ap)[labelled]
        return None if np.isnan(ap).all() else float(np.nanmean(ap))


def find_errors(
    truth: Mapping[str, Any], predictions: Sequence[Mapping[str, Any]], min_score: float = -np.inf
) -> Errors:
    """Give every false prediction its type, in this order of checks, and name the objects that were missed.

    A false prediction is a localisation error if the object of its class that overlaps it most does so by .1 to .5; a
    classification error if an object of another class does by .5 or more; a duplicate if one of its class does, which a
    better prediction found; background if nothing overlaps it by more than .1; and both, class and place, otherwise.

    Args:
        truth: COCO ground truth.
        predictions: COCO results on its images.
        min_score: predictions below it are left out.
    """
    images = sorted(image["id"] for image in truth["images"])
    classes = {number: place for place, number in enumerate(sorted(each["id"] for each in truth["categories"]))}
    labelled = _grouped(truth["annotations"], images)
    said = _grouped([each for each in predictions if each["score"] >= min_score], images)
    parts: list[tuple[Any, ...]] = []
    objects: list[tuple[int, int, int]] = []
    for place, image_id in enumerate(images):
        known = [each for each in labelled[image_id] if not each.get("iscrowd")]
        crowds = [each for each in labelled[image_id] if each.get("iscrowd")]
        found = _best(said[image_id])
        class_id = np.array([classes[each["category_id"]] for each in found], dtype=np.int64)
        object_class = np.array([classes[each["category_id"]] for each in known], dtype=np.int64)
        crowd_class = np.array([classes[each["category_id"]] for each in crowds], dtype=np.int64)
        verdict, target = _judged(
            overlaps(_boxes(found), _boxes(known)),
            class_id[:, None] == object_class,
            overlaps(_boxes(found), _boxes(crowds), crowd=True) * (class_id[:, None] == crowd_class),
        )
        target = np.where(target >= 0, target + len(objects), -1)
        score = np.array([each["score"] for each in found], dtype=np.float64)
        parts.append((np.full(len(found), place), class_id, score, verdict, target))
        objects += [(place, int(c), int(each.get("id", -1))) for c, each in zip(object_class, known, strict=True)]
    image, class_ids, scores, verdicts, targets = (
        (np.concatenate([part[k] for part in parts]) if parts else np.zeros(0)) for k in range(5)
    )
    where, what, annotation = np.array(objects, dtype=np.int64).reshape(-1, 3).T
    hit, near = np.zeros(len(objects), dtype=bool), np.zeros(len(objects), dtype=bool)
    hit[targets[verdicts == _RIGHT].astype(np.int64)] = True
    near[targets[np.isin(verdicts, (_CLASS, _PLACE))].astype(np.int64)] = True
    return Errors(
        len(classes),
        np.array(images, dtype=np.int64),
        image.astype(np.int64),
        class_ids.astype(np.int64),
        scores,
        verdicts.astype(np.int64),
        targets.astype(np.int64),
        where,
        what,
        annotation,
        hit,
        ~hit & ~near,
    )


def overlaps(a: Floats, b: Floats, *, crowd: bool = False) -> Floats:
    """``(A, B)`` IoU of boxes ``(·, 4)`` as xywh; over the area of ``a`` alone where ``b`` are crowd regions."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, :2] + a[:, None, 2:], b[None, :, :2] + b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    area_a, area_b = a[:, 2:].prod(axis=1)[:, None], b[:, 2:].prod(axis=1)[None]
    whole = np.broadcast_to(area_a, shared.shape) if crowd else area_a + area_b - shared
    return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)


def _judged(iou: Floats, same: NDArray[np.bool_], on_crowd: Floats) -> tuple[Ints, Ints]:
    """Verdict and object of each prediction of one image, which lie best first."""
    count = len(iou)
    verdict, target = np.full(count, _NOTHING), np.full(count, -1)
    of_class = np.where(same, iou, 0.0)
    if iou.shape[1]:
        other = np.where(same, 0.0, iou)
        nearest, strange = of_class.max(axis=1), other.max(axis=1)
        conditions = [
            (nearest >= BACKGROUND) & (nearest < FOREGROUND),
            strange >= FOREGROUND,
            nearest >= FOREGROUND,
            iou.max(axis=1) <= BACKGROUND,
        ]
        verdict = np.select(conditions, [_PLACE, _CLASS, _DUPLICATE, _NOTHING], _BOTH)
        target = np.select(conditions[:3], [of_class.argmax(axis=1), other.argmax(axis=1), of_class.argmax(axis=1)], -1)
    free = np.ones(iou.shape[1], dtype=bool)
    for place in np.flatnonzero((of_class >= FOREGROUND).any(axis=1)):
        fits = np.where(free & (of_class[place] >= FOREGROUND), of_class[place], -1.0)
        if fits.max() >= 0:
            # Of equal overlaps the last one, as pycocotools takes it.
            chosen = len(fits) - 1 - int(fits[::-1].argmax())
            verdict[place], target[place], free[chosen] = _RIGHT, chosen, False
    if on_crowd.shape[1]:
        verdict[(verdict != _RIGHT) & (on_crowd.max(axis=1) >= FOREGROUND)] = _IGNORED
    return verdict, target


def _best(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Best first, at most 100 of a class."""
    seen: dict[int, int] = {}
    kept = []
    for each in sorted(found, key=lambda each: -each["score"]):
        seen[each["category_id"]] = seen.get(each["category_id"], 0) + 1
        if seen[each["category_id"]] <= _MOST:
            kept.append(each)
    return kept


def _boxes(records: Sequence[Mapping[str, Any]]) -> Floats:
    return np.array([each["bbox"] for each in records], dtype=np.float64).reshape(-1, 4)


def _grouped(records: Sequence[Mapping[str, Any]], images: Sequence[int]) -> dict[int, list[Mapping[str, Any]]]:
    found: dict[int, list[Mapping[str, Any]]] = {image: [] for image in images}
    for record in records:
        found[record["image_id"]].append(record)
    return found
