"""Counts of a data set's images and boxes, beside the published counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from sgz_bench.core.text import pluralize

from ...datasets import count_attributes, orientation_notes, undecodable
from ...inventory import Inventory
from ...types import Problem
from ..types import DetectionDataset
from .exdark import OFFICIAL_COUNTS, OFFICIAL_IMAGES, SECOND_SPLIT


@dataclass(frozen=True)
class Counts:
    """Images and boxes of a split.

    Attributes:
        boxes, images: by class name: boxes of the class, and images with at least one.
        crowds: boxes that are regions in which detections are neither right nor wrong.
        background: images without a box.
        attributes: attribute → value → images.
        official: the published image count, or None.
        official_attributes: as ``attributes``, where published.
    """

    boxes: dict[str, int]
    images: dict[str, int]
    crowds: int
    background: int
    attributes: dict[str, dict[str, int]]
    official: int | None
    official_attributes: dict[str, dict[str, int]]


def count(dataset: DetectionDataset) -> Counts:
    """Count a split; published counts are ExDark's, and those that a loader knows."""
    boxes: Counter[int] = Counter()
    images: Counter[int] = Counter()
    for sample in dataset.samples:
        ids, times = np.unique(sample.truth.class_ids, return_counts=True)
        boxes.update(dict(zip(ids.tolist(), times.tolist(), strict=True)))
        images.update(ids.tolist())
    published = dataset.name == "exdark" and not dataset.partial
    return Counts(
        boxes={name: boxes[index] for index, name in enumerate(dataset.class_names)},
        images={name: images[index] for index, name in enumerate(dataset.class_names)},
        crowds=sum(int(sample.truth.crowd.sum()) for sample in dataset.samples),
        background=sum(not len(sample.truth) for sample in dataset.samples),
        attributes=count_attributes(dataset.samples),
        official=OFFICIAL_IMAGES.get(dataset.split) if published else None if dataset.partial else dataset.official,
        official_attributes=OFFICIAL_COUNTS.get(dataset.split, {}) if published else {},
    )


def take_inventory(dataset: DetectionDataset, *, decode: bool) -> Inventory:
    """Count a split and list its problems; ``decode`` reads every image in full."""
    counts = count(dataset)
    labelled = [sample for sample in dataset.samples if len(sample.truth)]
    return Inventory(
        official=counts.official,
        facts=(
            pluralize(sum(counts.boxes.values()), "box", "boxes"),
            *([f"{counts.crowds} of them crowd regions"] if counts.crowds else []),
            f"{pluralize(counts.background, 'image')} without a box",
        ),
        unit="boxes",
        classes={name: (str(boxes), str(counts.images[name])) for name, boxes in counts.boxes.items()},
        attributes=counts.attributes,
        official_attributes=counts.official_attributes,
        notes=[*dataset.notes, *orientation_notes(labelled), *_second_split(dataset, counts)],
        problems=[
            *([] if labelled else [Problem(dataset.split, "no image has a box: nothing can be scored", doubt=True)]),
            *dataset.problems,
            *(undecodable(dataset.samples) if decode else []),
        ],
    )


def _second_split(dataset: DetectionDataset, counts: Counts) -> list[str]:
    """Return a note on a list of as many ExDark images as the second split in circulation has, with its box counts."""
    listed = len(dataset.samples) + sum(problem.lost for problem in dataset.problems)
    if dataset.name != "exdark" or dataset.partial or dataset.split in OFFICIAL_IMAGES or listed not in SECOND_SPLIT:
        return []
    head = f"{listed:,} images, as in the second split in circulation (MAET, IAT; its val is its test)"
    published = SECOND_SPLIT[listed]
    other = [
        f"{name} {counts.boxes[name]} (published {boxes})"
        for name, boxes in zip(dataset.class_names, published, strict=False)
        if counts.boxes[name] != boxes
    ]
    agree = f"; boxes differ: {', '.join(other)}" if other else "; boxes per class as published"
    return [f"{head}{agree if published else ''}; not to be compared with the official split"]
