"""Counts of a segmentation data set's images and pixels, beside the published counts."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError

from ...datasets import count_attributes, orientation_notes, undecodable
from ...inventory import Inventory
from ...types import Problem
from ..types import VOID, LabelledImage, SegmentationDataset
from .labels import read_invalid, read_labels

# Split → condition → images, as published for ACDC.
_ACDC = {
    "train": {"fog": 400, "night": 400, "rain": 400, "snow": 400},
    "val": {"fog": 100, "night": 106, "rain": 100, "snow": 100},
    "test": {"fog": 500, "night": 500, "rain": 500, "snow": 500},
}
# Name and split → images, as published; CamVid's are those of SegNet's split.
OFFICIAL_IMAGES = {
    ("dark-zurich", "val"): 50,
    ("dark-zurich", "test"): 151,
    ("nighttime-driving", "test"): 50,
    ("cityscapes", "train"): 2975,
    ("cityscapes", "val"): 500,
    ("cityscapes", "test"): 1525,
    ("camvid", "train"): 367,
    ("camvid", "val"): 101,
    ("camvid", "test"): 233,
    **{("acdc", split): sum(images.values()) for split, images in _ACDC.items()},
    **{
        (f"acdc(condition={condition})", split): number
        for split, images in _ACDC.items()
        for condition, number in images.items()
    },
}


@dataclass(frozen=True)
class Counts:
    """Images and labelled pixels of a split.

    Attributes:
        pixels, images: by class name: pixels of the class, and images with at least one.
        void: pixels that are not scored.
        withheld: images without labels.
        sizes: ``(width, height)`` → images, the most frequent first.
        attributes: attribute → value → images.
        official: the published image count, or None.
        official_attributes: as ``attributes``, where published.
        problems: unusable maps and masks.
    """

    pixels: dict[str, int]
    images: dict[str, int]
    void: int
    withheld: int
    sizes: dict[tuple[int, int], int]
    attributes: dict[str, dict[str, int]]
    official: int | None
    official_attributes: dict[str, dict[str, int]]
    problems: tuple[Problem, ...]


def count(dataset: SegmentationDataset) -> Counts:
    """Count a split; every label map and every mask of invalid pixels is decoded."""

    def pixels_of(sample: LabelledImage) -> NDArray[np.int64] | Problem | None:
        try:
            read_invalid(sample)
            if sample.labels is None:
                return None
            return np.bincount(read_labels(dataset, sample).ravel(), minlength=256)
        except UserError as error:
            return Problem(sample.key, str(error), lost=True)

    total, shown = np.zeros(256, dtype=np.int64), np.zeros(256, dtype=np.int64)
    problems = []
    with ThreadPoolExecutor(4) as pool:
        for pixels in pool.map(pixels_of, dataset.samples):
            if isinstance(pixels, Problem):
                problems.append(pixels)
            elif pixels is not None:
                total += pixels
                shown += pixels > 0
    published = not dataset.partial
    return Counts(
        pixels={name: int(total[index]) for index, name in enumerate(dataset.class_names)},
        images={name: int(shown[index]) for index, name in enumerate(dataset.class_names)},
        void=int(total[VOID]),
        withheld=sum(sample.labels is None for sample in dataset.samples),
        sizes=dict(Counter((sample.width, sample.height) for sample in dataset.samples).most_common()),
        attributes=count_attributes(dataset.samples),
        official=OFFICIAL_IMAGES.get((dataset.name, dataset.split)) if published else None,
        official_attributes={"condition": _ACDC[dataset.split]} if published and dataset.name == "acdc" else {},
        problems=tuple(problems),
    )


def take_inventory(dataset: SegmentationDataset, *, decode: bool) -> Inventory:
    """Count a split and list its problems; label maps are always read, ``decode`` reads every image in full."""
    counts = count(dataset)
    sizes = [f"{width}×{height} ({number})" for (width, height), number in counts.sizes.items()]
    facts = [sizes[0].partition(" ")[0] if len(sizes) == 1 else ", ".join([*sizes[:4], *(["…"] if sizes[4:] else [])])]
    scored = sum(counts.pixels.values())
    if counts.withheld:
        facts.append(f"labels of {counts.withheld} withheld")
    if scored + counts.void:
        facts.append(f"{100 * counts.void / (scored + counts.void):.2f} % of the pixels void")
    labelled = [sample for sample in dataset.samples if sample.labels is not None]
    doubts = []
    if counts.void and not scored:
        doubts.append(Problem(dataset.split, "every pixel of the truth is void, so nothing can be scored", doubt=True))
    return Inventory(
        official=counts.official,
        facts=tuple(facts),
        unit="% of pixels",
        classes={
            name: (f"{100 * pixels / max(scored, 1):.2f}" if pixels else "0", str(counts.images[name]))
            for name, pixels in counts.pixels.items()
        },
        attributes=counts.attributes,
        official_attributes=counts.official_attributes,
        notes=[*dataset.notes, *orientation_notes(labelled)],
        problems=[*dataset.problems, *doubts, *counts.problems, *(undecodable(dataset.samples) if decode else [])],
    )
