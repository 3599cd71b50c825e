"""COCO labels as the truth of a score, and notes on boxes that cannot be meant."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.text import pluralize

from ...types import Problem
from ..doubts import implausible_boxes
from .labels import CocoLabels
from .values import shown

_MANY_REPEATS = 0.1  # of the predictions


def truth_of(labels: CocoLabels) -> tuple[dict[str, Any], list[Problem], list[str]]:
    """Return COCO truth for :func:`~sgz_bench.tasks.detection.metrics.evaluate`, problems and notes.

    Ids are indices of images and class ids. Annotations that cannot be read are left out as problems, exact repeats
    with a note, as in a data set.
    """
    annotations: list[dict[str, Any]] = []
    problems, repeats = list(labels.problems), []
    for index, image in enumerate(labels.images):
        seen = set()
        for number, annotation in enumerate(image.annotations, start=1):
            try:
                box = labels.parse(annotation)
                if not all(map(math.isfinite, (*box.bbox, box.area or 0))) or min(box.bbox[2:]) < 0:
                    raise ValueError(f"box {shown(list(box.bbox))} is not finite, or ends before it begins")
            except ValueError as error:
                where = annotation.get("id", f"{number} of {image.file_name or image.id}")
                problems.append(Problem(f"{labels.file}, annotation {where}", f"{error}; the box is skipped"))
                continue
            if box in seen:
                repeats.append(image.file_name or str(image.id))
                continue
            seen.add(box)
            size = {} if box.area is None else {"area": box.area}
            fields = {"image_id": index, "category_id": box.class_id, "bbox": list(box.bbox)}
            annotations.append(fields | size | {"iscrowd": int(box.crowd)})
    truth = {
        "images": [{"id": index} for index in range(len(labels.images))],
        "annotations": annotations,
        "categories": [{"id": class_id, "name": name} for class_id, name in enumerate(labels.class_names)],
    }
    count = f"{len(repeats)} of {pluralize(len(repeats) + len(annotations), 'label')}"
    notes = [f"exact repeats of a label dropped: {count}, {repeats[0]} first"] if repeats else []
    return truth, problems, notes


def doubts(labels: CocoLabels, truth: Sequence[Mapping[str, Any]], results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return doubts about labels and predictions as a whole: fractions, corners in place of sizes, repeats.

    Args:
        labels: gives the sizes of the images; where none is stated, the extent of all labelled boxes counts.
        truth: its annotations.
        results: matched predictions.
    """
    lines = []
    images, boxes = _boxes(truth)
    extent = boxes[:, 2:].max(axis=0) if len(boxes) else np.array([np.inf, np.inf])
    stated = [(image.width or extent[0], image.height or extent[1]) for image in labels.images]
    sizes = np.array(stated, dtype=np.float64).reshape(-1, 2)
    if reason := implausible_boxes(boxes, sizes[images]):
        lines.append(f"{labels.file}: {reason}")
    images, boxes = _boxes(results)
    if reason := implausible_boxes(boxes, sizes[images]):
        lines.append(f"the predictions: {reason}")
    repeats = len(results) - len({(*each["bbox"], each["image_id"], each["category_id"]) for each in results})
    if repeats > _MANY_REPEATS * len(results):
        lines.append(
            f"the predictions: {repeats} of {len(results)} repeat the box and class of another; is NMS missing, or was"
            " a file joined with itself?"
        )
    return lines


def _boxes(records: Sequence[Mapping[str, Any]]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the image index and ``(N, 4)`` xyxy of each record."""
    images = np.array([each["image_id"] for each in records], dtype=np.intp)
    boxes = np.array([each["bbox"] for each in records], dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return images, boxes
