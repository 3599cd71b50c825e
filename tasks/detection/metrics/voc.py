"""Matching by the rule of the PASCAL VOC devkit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .matches import MatchTable

_IOU = 0.5


def voc_matches(
    truth: Mapping[str, Any],
    predictions: Sequence[Mapping[str, Any]],
    image_ids: NDArray[np.int64],
    n_truth: NDArray[np.int32],
) -> MatchTable:
    """Match as ``VOCevaldet``: each detection is compared with the one truth box of its class it overlaps most.

    Best score first: IoU ≥ 0.5 with a free box is a true positive, with a taken one a false positive even where
    another box is free; a crowd is VOC's "difficult" (neither). All detections count, not 100 per image. IoU is that
    of continuous coordinates, as in COCO; the devkit adds one pixel to widths and heights.
    """
    from pycocotools import mask

    position = {int(image_id): index for index, image_id in enumerate(image_ids)}
    class_ids = {category["id"]: index for index, category in enumerate(truth["categories"])}
    boxes: dict[tuple[int, int], list[Mapping[str, Any]]] = defaultdict(list)
    for each in truth["annotations"]:
        boxes[each["image_id"], each["category_id"]].append(each)
    found: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, each in enumerate(predictions):
        found[each["image_id"], each["category_id"]].append(index)
    score = np.array([each["score"] for each in predictions], dtype=np.float64)
    tp = np.zeros((1, len(score)), dtype=bool)
    ignored = np.zeros_like(tp)
    for key, members in found.items():
        targets = boxes.get(key)
        if not targets:
            continue
        ranked = np.array(members)[np.argsort(-score[members], kind="stable")]
        ious = mask.iou(
            [predictions[i]["bbox"] for i in ranked], [each["bbox"] for each in targets], [0] * len(targets)
        )
        best = ious.argmax(axis=1)
        overlaps = ious[np.arange(len(ranked)), best] >= _IOU
        crowd = np.array([each["iscrowd"] for each in targets], dtype=bool)[best]
        ignored[0, ranked[overlaps & crowd]] = True
        hits = np.flatnonzero(overlaps & ~crowd)
        _, first = np.unique(best[hits], return_index=True)
        tp[0, ranked[hits[first]]] = True
    return MatchTable.ordered(
        "voc",
        image_ids,
        n_truth,
        np.array([position[each["image_id"]] for each in predictions], dtype=np.int32),
        np.array([class_ids[each["category_id"]] for each in predictions], dtype=np.int32),
        score,
        tp,
        ignored,
    )
