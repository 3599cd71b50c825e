"""A labelled image, a data set of them, and what a model says of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..types import Problem

VOID = 255  # not scored where it is true, a miss where it is predicted
Labels = NDArray[np.uint8]  # (H, W) class ids, VOID where there is none


@dataclass(frozen=True)
class LabelledImage:
    """One image with its label map.

    Attributes:
        id: integer from 1.
        key: stable name: relative POSIX path without suffix.
        path: the image file.
        width, height: pixels.
        labels: its label map, in the ids of the data set's files, or None where labels are withheld.
        invalid: its mask of regions whose content cannot be told without help (ACDC, Dark Zurich), where there is one.
        bright: the reference in good light, where there is one.
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
    """A split of a segmentation data set, in the order of its keys.

    Attributes:
        name, split: as the user names them (``acdc``, ``val``).
        class_names: names by class id.
        samples: images with their label maps.
        ids: value in a label file → class id, or VOID; other values are errors.
        problems: images that could not be used, and why.
        notes: what is no fault but should be known, a line each.
        partial: True when ``--limit`` left samples out.
        aligned: ``bright`` shows the very scene of the labels (rendered twins), not only the same place (ACDC).
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


@dataclass(frozen=True)
class Segmentation:
    """What a segmenter says of one image.

    Attributes:
        labels: ``(H, W)`` uint8, index into the model's class names.
        confidence: ``(H, W)`` float32, the probability of that class, where it was asked for.
    """

    labels: Labels
    confidence: NDArray[np.float32] | None = None
