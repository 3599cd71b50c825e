"""Labelled images, segmentation data sets, and predicted label maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..types import Problem

VOID = 255  # a true VOID pixel is not scored; a predicted VOID is a miss
Labels = NDArray[np.uint8]  # (H, W) class ids, VOID for none


@dataclass(frozen=True)
class LabelledImage:
    """One image with its label map.

    Attributes:
        id: integer from 1.
        key: stable name: relative POSIX path without suffix.
        path: image file.
        width, height: pixels.
        labels: label map in the ids of the data set's files, or None if labels are withheld.
        invalid: mask of regions that are indiscernible without the daylight reference (ACDC, Dark Zurich), if any.
        bright: well-lit twin, if any.
        attributes: such as ``{"condition": "night", "sequence": "GOPR0351"}``.
    """

    id: int
    key: str
    path: Path
    width: int
    height: int
    labels: Path | None
    invalid: Path | None = None
    bright: Path | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SegmentationDataset:
    """A split of a segmentation data set, sorted by key.

    Attributes:
        name, split: as the user names them (``acdc``, ``val``).
        class_names: names by class id.
        samples: images with their label maps.
        ids: value in a label file → class id, or VOID; other values are errors.
        colors: RGB in a label file → class id, or VOID, for maps of colours; empty for maps of ids.
        problems: images that could not be used, with reasons.
        notes: remarks that are no faults, one line each.
        partial: True if ``--limit`` left samples out.
        aligned: True if ``bright`` shows the labelled scene itself (rendered twins), not only the same location (ACDC).
    """

    name: str
    split: str
    class_names: tuple[str, ...]
    samples: tuple[LabelledImage, ...]
    ids: Mapping[int, int]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    partial: bool = False
    aligned: bool = False
    colors: Mapping[tuple[int, int, int], int] = field(default_factory=dict)


@dataclass(frozen=True)
class Segmentation:
    """Prediction of a segmenter for one image.

    Attributes:
        labels: ``(H, W)`` uint8, index into the model's class names.
        confidence: ``(H, W)`` float32, probability of that class, if requested.
    """

    labels: Labels
    confidence: NDArray[np.float32] | None = None
