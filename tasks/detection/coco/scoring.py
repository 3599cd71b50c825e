"""COCO labels as the truth of a score, and notes on boxes that cannot be meant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import Problem
from .labels import CocoLabels
from .values import shown

_MARGIN = 1.1  # of the image's side: a box that ends beyond is far out


def truth_of(labels: CocoLabels) -> tuple[dict[str, Any], list[Problem]]:
    """Return COCO truth with image indices and class ids as ids, and problems for annotations that were left out."""
    annotations: list[dict[str, Any]] = []
    problems = list(labels.problems)
    for index, image in enumerate(labels.images):
        for number, annotation in enumerate(image.annotations, start=1):
            try:
                class_id, bbox, area, crowd = labels.parse(annotation)
                if not all(map(math.isfinite, (*bbox, area or 0))) or bbox[2] < 0 or bbox[3] < 0:
                    raise ValueError(f"box {shown(list(bbox))} is not finite, or ends before it begins")
            except ValueError as error:
                where = annotation.get("id", f"{number} of {image.file_name}")
                problems.append(Problem(f"{labels.file}, annotation {where}", f"{error}; the box is skipped"))
                continue
            size = {} if area is None else {"area": area}
            box = {"image_id": index, "category_id": class_id, "bbox": list(bbox), "iscrowd": int(crowd)}
            annotations.append(box | size)
    truth = {
        "images": [{"id": index} for index in range(len(labels.images))],
        "annotations": annotations,
        "categories": [{"id": class_id, "name": name} for class_id, name in enumerate(labels.class_names)],
    }
    return truth, problems


def implausible(labels: CocoLabels, truth: Sequence[dict[str, Any]], results: Sequence[dict[str, Any]]) -> list[str]:
    """Return notes on labels and predictions that are fractions of the image, or corners in place of corner and size.

    Args:
        labels: gives the sizes of the images; where none is stated, that of the labelled boxes counts.
        truth: its annotations.
        results: matched predictions.
    """
    labelled, predicted = _boxes(truth), _boxes(results)
    sizes = _sizes(labels, labelled[1])
    notes = []
    for name, (images, boxes) in (("the labels", labelled), ("the predictions", predicted)):
        if len(boxes) and boxes[:, 2:].max() <= 1 and not (name != "the labels" and _small(labelled[1])):
            fix = "multiply fractions by width and height"
            notes.append(f"no box of {name} is above one pixel, and boxes are [x, y, width, height] in pixels: {fix}")
            continue
        known = sizes[images]
        far = (boxes[:, :2] + boxes[:, 2:] > _MARGIN * known + 1).any(axis=1)
        if far.sum() > max(0.2 * len(boxes), 1):
            corners = ((boxes[:, 2:] >= boxes[:, :2]) & (boxes[:, 2:] <= known + 1)).all()
            meant = "they look like [x1, y1, x2, y2]" if corners else "were the images scaled?"
            notes.append(
                f"{far.sum()} of {len(boxes)} boxes of {name} end far outside their images: {meant};"
                " boxes are [x, y, width, height] in pixels"
            )
    return notes


def _small(boxes: NDArray[np.float64]) -> bool:
    return not len(boxes) or bool(boxes[:, 2:].max() <= 1)


def _boxes(records: Sequence[dict[str, Any]]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    images = np.array([each["image_id"] for each in records], dtype=np.intp)
    return images, np.array([each["bbox"] for each in records], dtype=np.float64).reshape(-1, 4)


def _sizes(labels: CocoLabels, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``(N, 2)`` width and height of every image; that of all labelled boxes where the file states none."""
    extent = (boxes[:, :2] + boxes[:, 2:]).max(axis=0, initial=0) if len(boxes) else np.array([np.inf, np.inf])
    stated = [(image.width or extent[0], image.height or extent[1]) for image in labels.images]
    return np.array(stated, dtype=np.float64).reshape(-1, 2)
