"""Detections, labelled boxes and detection data sets. Boxes are ``xyxy`` in absolute pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..types import Problem


@dataclass(frozen=True)
class Detections:
    """Detections of one image, best score first.

    Attributes:
        boxes: ``(N, 4)`` float64 xyxy, absolute pixels.
        scores: ``(N,)`` float64 in [0, 1].
        class_ids: ``(N,)`` int64, index into the detector's (or, after mapping, the data set's) class names.
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    class_ids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class Truth:
    """Labelled boxes of one image.

    Attributes:
        boxes: ``(N, 4)`` float64 xyxy, absolute pixels.
        class_ids: ``(N,)`` int64, index into the data set's class names.
        areas: ``(N,)`` float64, pixels; the segment's area if the data set has it, else the box's.
        crowd: ``(N,)`` bool, COCO's ``iscrowd``: regions in which detections are neither right nor wrong.
    """

    boxes: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    areas: NDArray[np.float64]
    crowd: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.class_ids)


@dataclass(frozen=True)
class Sample:
    """One image of a data set.

    Attributes:
        id: integer from 1 (pycocotools scores id 0 as a miss).
        key: stable name: relative POSIX path without suffix, which an enhanced copy keeps.
        path: image file.
        width, height: pixels, EXIF rotation not applied.
        truth: labelled boxes.
        attributes: values that metrics can be sliced by, such as ``{"lighting": "Low", "place": "indoor"}``.
        bright: well-lit twin with the same truth, if the data set has one.
    """

    id: int
    key: str
    path: Path
    width: int
    height: int
    truth: Truth
    attributes: Mapping[str, str] = field(default_factory=dict)
    bright: Path | None = None


@dataclass(frozen=True)
class SourceIds:
    """Ids of the COCO file that a data set was read from, which a conversion keeps.

    Attributes:
        images: sample key → image id.
        categories: category ids by class id.
        left_out: fields of annotations that were not read, such as ``segmentation``; ``id`` if ids are not 1, 2, 3 …
    """

    images: Mapping[str, int | str]
    categories: tuple[int | str, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class DetectionDataset:
    """A split of a detection data set, sorted by key.

    Attributes:
        name, split: as the user names them (``exdark``, ``test``).
        class_names: names by class id.
        samples: readable images with their truth.
        problems: images and labels that could not be used, with reasons.
        notes: remarks that are no faults, one line each.
        partial: True if ``--limit`` left samples out.
        aligned: True if the truth of an image also holds for its ``bright`` twin.
        official: published number of images, if the loader knows it.
        source: ids of the COCO file that it was read from, if it was.
    """

    name: str
    split: str
    class_names: tuple[str, ...]
    samples: tuple[Sample, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    partial: bool = False
    aligned: bool = True
    official: int | None = None
    source: SourceIds | None = None
