"""COCO results read from JSON and matched with the images and categories of the labels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sgz_bench.core.errors import UserError
from sgz_bench.core.text import pluralize

from ...classes import COCO_GAPS
from .formats import read_content, what_results_are
from .labels import CocoLabels, plain_name, stem_of
from .segments import box_of
from .values import Id, as_id, as_number, in_order, shown

_FEW = 20  # predictions whose equal scores are no pattern yet
_LISTS = ("annotations", "predictions", "results", "detections")  # keys under which a mapping may hold the results
_SEVERAL = -1
_LIMIT = 100  # predictions of an image and class that COCO's metrics count


@dataclass
class MatchedPredictions:
    """Predictions in the labels' numbering.

    Attributes:
        results: COCO results whose ``image_id`` is the index of the image and ``category_id`` the class id.
        lost: number of predictions that are left out, each named by a note.
        notes: one line each.
    """

    results: list[dict[str, Any]] = field(default_factory=list)
    lost: int = 0
    notes: list[str] = field(default_factory=list)


def read_predictions(path: Path, labels: CocoLabels) -> MatchedPredictions:
    """Read COCO results and match them with the labels.

    Images are matched by ``file_name`` where predictions have it, else by id, else by the file's stem, as Ultralytics
    writes it. Predictions on images that the labels lack are left out and counted.

    Raises:
        UserError: the file is missing, damaged or something else, a prediction is malformed or of an unknown category,
            or no prediction is on an image of the labels.
    """
    content = read_content(path, "the predictions must be a COCO file")
    wrong = what_results_are(content)
    if wrong:
        raise UserError(f"{path} is not a list of COCO results but {wrong}")
    records = _records(path, content)
    matched = MatchedPredictions()
    image_of = _image_matcher(records, labels, matched.notes)
    quoted = masks = 0
    unknown: list[object] = []
    for number, each in enumerate(records, start=1):
        where = f"{path}: prediction {number}"
        if not isinstance(each, Mapping):
            raise UserError(f"{where} is {shown(each)}, not an object with image_id, category_id, bbox, score")
        index = image_of(each)
        if index is None:
            if as_id(each.get("image_id")) is None and not each.get("file_name"):
                raise UserError(f"{where} has image_id {shown(each.get('image_id'))}; it needs the id of an image")
            unknown.append(each.get("file_name") or each.get("image_id"))
            continue
        bbox, segmentation = each.get("bbox"), each.get("segmentation")
        if bbox is None and segmentation:
            bbox, masks = _box_of_mask(segmentation, where), masks + 1
        score = each.get("score")
        quoted += isinstance(score, str)
        matched.results.append(
            {
                "image_id": index,
                "category_id": _class_of(each, labels, records, where),
                "bbox": _bbox(bbox, where),
                "score": _score(score, where),
            }
        )
    if quoted:
        matched.notes.append(f"{pluralize(quoted, 'score')} in quotes, read as numbers")
    if masks:
        matched.notes.append(f"{pluralize(masks, 'prediction')} without a bbox: box of the segmentation used")
    if unknown:
        matched.lost = len(unknown)
        count = f"{len(unknown)} of {pluralize(len(records), 'prediction')}"
        first = f"image {shown(unknown[0])} first"
        if not matched.results:
            raise UserError(
                f"{path}: no prediction is on an image of {labels.file} ({first}, while it has"
                f" {_some(labels)}); score predictions against the truth of their own split"
            )
        matched.notes.append(f"{count} on images that {labels.file} does not list, {first}; left out")
    highest = max((each["score"] for each in matched.results), default=0.0)
    if highest > 1:
        matched.notes.append(f"scores reach {highest:g}, so they are no fractions; AP depends on their order alone")
    scores = {each["score"] for each in matched.results}
    if len(matched.results) > _FEW and len(scores) == 1:
        matched.notes.append(f"all scores are {highest:g}, so AP depends on the order of the predictions in the file")
    matched.notes += _bare(labels, {each["image_id"] for each in matched.results})
    crowded = Counter((each["image_id"], each["category_id"]) for each in matched.results)
    beyond = sum(times - _LIMIT for times in crowded.values() if times > _LIMIT)
    if beyond:
        matched.notes.append(
            f"{beyond} of {len(matched.results)} predictions are beyond the best {_LIMIT} of their image and class,"
            " which COCO's metrics count; VOC_AP50 counts all"
        )
    return matched


def _bare(labels: CocoLabels, predicted: set[int]) -> list[str]:
    """Return a note on images with a label but without a prediction, as half a file of predictions has them."""
    labelled = [(index, image) for index, image in enumerate(labels.images) if image.annotations]
    bare = [image for index, image in labelled if index not in predicted]
    if not bare:
        return []
    verb, first = "has" if len(bare) == 1 else "have", bare[0].file_name or bare[0].id
    return [f"{len(bare)} of {pluralize(len(labelled), 'labelled image')} {verb} no prediction, {first} first"]


def _records(path: Path, content: Any) -> list[Any]:
    """Return the results of a file: a list, a list under a known key, or detectron2's lists of ``instances``.

    Raises:
        UserError: none of these.
    """
    if isinstance(content, Mapping):
        lists = [content[name] for name in _LISTS if isinstance(content.get(name), list)]
        if not lists:
            keys = ", ".join(map(str, list(content)[:5])) or "none"
            raise UserError(f"{path} is a mapping with the keys {keys}, not a list of COCO results")
        content = lists[0]
    if not isinstance(content, list):
        raise UserError(f"{path} holds {shown(content)}, not a list of COCO results")
    if content and isinstance(content[0], Mapping) and isinstance(content[0].get("instances"), list):
        groups = [each.get("instances") for each in content if isinstance(each, Mapping)]
        return [each for group in groups if isinstance(group, list) for each in group]
    return content


def _some(labels: CocoLabels) -> str:
    return ", ".join(f"{image.id!r} {image.file_name}".strip() for image in labels.images[:3]) or "no image"


def _image_matcher(
    records: Sequence[Any], labels: CocoLabels, notes: list[str]
) -> Callable[[Mapping[str, Any]], int | None]:
    """Return a function from a prediction to the index of its image, or None; describe the choice in ``notes``."""
    ids: Counter[Id | None] = Counter()
    names: Counter[str] = Counter()
    pairs: set[tuple[Id | None, str]] = set()
    for each in records:
        if isinstance(each, Mapping):
            key, name = as_id(each.get("image_id")), each.get("file_name")
            ids[key] += 1
            if isinstance(name, str) and name:
                names[name] += 1
                pairs.add((key, name))
    files = _Files(labels)
    by_file = {name: files.find(name) for name in names}
    several = [name for name, index in by_file.items() if index == _SEVERAL]
    if several:
        notes.append(
            f"{pluralize(len(several), 'file_name')} of predictions could be several images of {labels.file},"
            f" {several[0]} first; matched by image_id"
        )
    if by_file and any(index is not None for index in by_file.values()):
        other = {pair for pair in pairs if by_file[pair[1]] not in (None, labels.image_of.get(_key(pair[0])))}
        if other:
            first = min(other, key=lambda pair: (pair[1], str(pair[0])))
            notes.append(
                f"image ids of {pluralize(len({name for _, name in other}), 'image')} differ from {labels.file}'s,"
                f" {first[1]} first ({first[0]!r}); matched by file_name"
            )
    elif by_file:
        notes.append(f"no file_name, such as {next(iter(names))!r}, is one of {labels.file}'s; matched by image_id")
        by_file = {}
    known = {key for key in ids if key in labels.image_of}
    by_stem = {key: files.find_stem(key) for key in ids if key is not None}
    stems = {key for key, index in by_stem.items() if index is not None}
    use_stems = not by_file and len(stems) > len(known)
    if use_stems:
        notes.append(f"image ids are the stems of files, such as {in_order(stems)[0]!r}; matched by them")
    elif (
        not by_file
        and len(stems) == len(ids)
        and any(by_stem[key] != labels.image_of.get(key) for key in stems & known)
    ):
        notes.append(
            f"the image ids may be ids of {labels.file} or stems of its files, which differ; matched by id. If they are"
            " stems, as Ultralytics writes them, add file_name to each prediction"
        )

    def match(each: Mapping[str, Any]) -> int | None:
        key, name = as_id(each.get("image_id")), each.get("file_name")
        if by_file and isinstance(name, str) and name and by_file[name] != _SEVERAL:
            return by_file[name]
        if key is None:
            return None
        if use_stems:
            return by_stem[key]
        index = labels.image_of.get(key)
        return by_stem[key] if index is None and isinstance(key, str) else index

    return match


def _key(key: Id | None) -> Id:
    return "" if key is None else key


class _Files:
    """Images of the labels by file name: as written, else by its last part, else by its stem; None if not unique."""

    def __init__(self, labels: CocoLabels) -> None:
        self._whole: dict[str, int | None] = {}
        self._last: dict[str, int | None] = {}
        self._stem: dict[str, int | None] = {}
        self._number: dict[Id, int | None] = {}
        for index, image in enumerate(labels.images):
            if not image.file_name:
                continue
            whole = plain_name(image.file_name)
            stem = stem_of(whole)
            for table, name in ((self._whole, whole), (self._last, whole.rpartition("/")[2]), (self._stem, stem)):
                table[name] = None if name in table else index
            number = as_id(stem)
            if number is not None:
                self._number[number] = None if number in self._number else index

    def find(self, name: str) -> int | None:
        """Return the index of a file's image; None if there is none, −1 if there are several."""
        whole = plain_name(name)
        for table, key in ((self._whole, whole), (self._last, whole.rpartition("/")[2]), (self._stem, stem_of(whole))):
            if key in table:
                index = table[key]
                return _SEVERAL if index is None else index
        return None

    def find_stem(self, key: Id) -> int | None:
        if isinstance(key, int):
            return self._number.get(key)
        return self._stem.get(key, self._stem.get(stem_of(key)))


def _class_of(each: Mapping[str, Any], labels: CocoLabels, records: Sequence[Any], where: str) -> int:
    class_id = labels.class_of(each.get("category_id"))
    if class_id is None:
        ids = {as_id(each.get("category_id")) for each in records if isinstance(each, Mapping)}
        raise UserError(
            f"{where} has category_id {shown(each.get('category_id'))}, which is none of the {len(labels.category_ids)}"
            f" of {labels.file} ({_range(labels.category_ids)}){_numbering(ids, set(labels.category_ids))}"
        )
    return class_id


def _range(ids: Sequence[Id]) -> str:
    shown_ids = [str(each) for each in ids]
    return ", ".join(shown_ids) if len(ids) <= 4 else f"{shown_ids[0]}, {shown_ids[1]} … {shown_ids[-1]}"


def _numbering(predicted: set[Id | None], known: set[Id]) -> str:
    """Return the likely difference of two numberings, and the fix."""
    numbers = {each for each in predicted if isinstance(each, int)}
    wanted = {each for each in known if isinstance(each, int)}
    if not numbers or not wanted or len(numbers) < len(predicted):
        return "; write the category ids of the labels"
    official = len(wanted) == 80 and max(wanted) == 90
    if official and max(numbers) < 80 and min(numbers) == 0:
        return "; the predictions number COCO's 80 classes from 0, the labels have COCO's 91 ids: map 0 → 1 … 79 → 90"
    if official and numbers & COCO_GAPS and max(numbers) <= 80:
        return "; the predictions number COCO's 80 classes from 1, the labels have COCO's 91 ids: map 80 → 90 and so on"
    if len(wanted) == 80 and max(wanted) <= 80 < max(numbers) <= 90:
        return "; the predictions have COCO's 91 ids, the labels number its 80 classes without gaps: map 90 → 80"
    if min(numbers) == 0 and 0 not in wanted and max(numbers) < max(wanted):
        return "; the predictions number classes from 0, the labels from 1: add 1 to each category_id"
    if min(wanted) == 0 and max(numbers) == max(wanted) + 1:
        return "; the predictions number classes from 1, the labels from 0: subtract 1 from each category_id"
    return "; predict the classes of these labels, or leave the other predictions out"


def _box_of_mask(segmentation: Any, where: str) -> list[float]:
    try:
        return box_of(segmentation)
    except ValueError as error:
        raise UserError(f"{where} has no bbox, and {error}; write a bbox") from error


def _bbox(bbox: Any, where: str) -> list[float]:
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise UserError(f"{where} has bbox {shown(bbox)}; a box is [x, y, width, height] in pixels")
    try:
        box = [as_number(side) for side in bbox]
    except ValueError as error:
        raise UserError(f"{where} has bbox {shown(bbox)}: {error}") from error
    if not all(map(math.isfinite, box)) or box[2] < 0 or box[3] < 0:
        raise UserError(f"{where} has the box {box}; a box is four finite numbers x, y, width ≥ 0, height ≥ 0")
    return box


def _score(score: Any, where: str) -> float:
    try:
        number = as_number(score)
    except ValueError as error:
        raise UserError(f"{where} has score {shown(score)}; a score is a number in [0, 1]") from error
    if not math.isfinite(number):
        raise UserError(f"{where} has the score {number}; predict again")
    return number
