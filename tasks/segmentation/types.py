"""A labelled image and a data set of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..types import Problem


@dataclass(frozen=True)
class LabelledImage:
    """One image with its label map.

    Attributes:
        id: integer from 1.
        key: stable name: relative POSIX path without suffix.
        path: the image file.
        labels: its map of trainIds, or None where labels are withheld.
        bright: the reference in good light, where there is one.
        attributes: such as ``{"condition": "night", "sequence": "GOPR0351"}``.
    """

    id: int
    key: str
    path: Path
    labels: Path | None
    bright: Path | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SegmentationDataset:
    """A split of a segmentation data set, in the order of its keys; ``problems`` names what was left out."""

    name: str
    split: str
    class_names: tuple[str, ...]
    samples: tuple[LabelledImage, ...]
    problems: tuple[Problem, ...] = ()
