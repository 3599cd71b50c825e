"""Labelled boxes as a COCO dictionary, with the checks that pycocotools leaves out."""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from sgz_bench.core.errors import UserError

from ..types import DetectionDataset


def coco_truth(dataset: DetectionDataset) -> dict[str, Any]:
    """Return the labels of a data set as a COCO dictionary, ready for ``json.dump``.

    Category ids are class ids + 1 and annotation ids start at 1, because pycocotools scores id 0 as a miss. Images have
    their attributes under ``attributes``, so a file of the dictionary can be scored by slices without the data set.
    """
    annotations: list[dict[str, Any]] = []
    for sample in dataset.samples:
        truth = sample.truth
        for box, class_id, area, crowd in zip(truth.boxes, truth.class_ids, truth.areas, truth.crowd, strict=True):
            left, top, right, bottom = (float(side) for side in box)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": sample.id,
                    "category_id": int(class_id) + 1,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": float(area),
                    "iscrowd": int(crowd),
                }
            )
    return {
        "images": [
            {
                "id": sample.id,
                "file_name": sample.key + sample.path.suffix,
                "width": sample.width,
                "height": sample.height,
                "attributes": dict(sample.attributes),
            }
            for sample in dataset.samples
        ],
        "annotations": annotations,
        "categories": [{"id": index, "name": name} for index, name in enumerate(dataset.class_names, start=1)],
    }


def checked_truth(truth: Mapping[str, Any]) -> dict[str, Any]:
    """Check and copy a truth, sorted for scoring: images and categories by id, annotation ids from 1.

    Null is absent for ``area`` and ``iscrowd``.

    Raises:
        UserError: a field is missing or not a number, an id or class name occurs twice, or an annotation names an
            image or category that does not exist.
    """
    try:
        images = [{"id": operator.index(image["id"])} for image in truth["images"]]
        categories = [{"id": operator.index(each["id"]), "name": str(each["name"])} for each in truth["categories"]]
        annotations = [
            {
                "id": number,
                "image_id": operator.index(each["image_id"]),
                "category_id": operator.index(each["category_id"]),
                "bbox": (bbox := _checked_box(each["bbox"], f"truth annotation {number}")),
                "area": bbox[2] * bbox[3] if (area := each.get("area")) is None else float(area),
                "iscrowd": int(each.get("iscrowd") or 0),
            }
            for number, each in enumerate(truth["annotations"], start=1)
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"the truth is not COCO detection JSON ({error!r}); export it with `sgz-bench data convert`"
        ) from error
    _refuse_repeats("image id", (image["id"] for image in images))
    _refuse_repeats("category id", (category["id"] for category in categories))
    _refuse_repeats("class name", (category["name"] for category in categories))
    _refuse_unknown_ids("truth annotation", annotations, images, categories)
    return {
        "images": sorted(images, key=operator.itemgetter("id")),
        "categories": sorted(categories, key=operator.itemgetter("id")),
        "annotations": annotations,
    }


def _checked_box(box: Sequence[float], owner: str) -> list[float]:
    left, top, width, height = (float(number) for number in box)
    if not all(map(math.isfinite, (left, top, width, height))) or width < 0 or height < 0:
        raise UserError(f"{owner} has the box {list(box)}; a box is four finite numbers x, y, width ≥ 0, height ≥ 0")
    return [left, top, width, height]


def _refuse_repeats(what: str, values: Iterable[Hashable]) -> None:
    for value, count in Counter(values).items():
        if count > 1:
            raise UserError(f"the truth has {what} {value!r} {count} times; each must occur once")


def _refuse_unknown_ids(
    what: str,
    records: Sequence[Mapping[str, Any]],
    images: Sequence[Mapping[str, Any]],
    categories: Sequence[Mapping[str, Any]],
) -> None:
    known = {"image_id": {image["id"] for image in images}, "category_id": {each["id"] for each in categories}}
    for record in records:
        for field, ids in known.items():
            if record[field] not in ids:
                raise UserError(
                    f"{what} {record['id']} has {field} {record[field]}, which is none of the truth's {len(ids)};"
                    " score predictions against the truth of their own split"
                )
