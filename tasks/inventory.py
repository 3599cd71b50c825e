"""Inventory of a data set, as ``sgz-bench data check`` prints it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .types import Problem


@dataclass(frozen=True)
class Inventory:
    """Counts of a split, the published counts, and its problems.

    Attributes:
        official: published number of images, or None.
        facts: further counts of the headline, such as ``12 boxes``.
        unit: heading of the amounts in ``classes``.
        classes: class name → (amount, images that show it), as text.
        attributes: attribute → value → images.
        official_attributes: published counts, as ``attributes``.
        notes: remarks that are no faults, one line each.
        problems: unusable images and labels.
    """

    official: int | None
    facts: tuple[str, ...]
    unit: str
    classes: Mapping[str, tuple[str, str]]
    attributes: Mapping[str, Mapping[str, int]]
    official_attributes: Mapping[str, Mapping[str, int]]
    notes: Sequence[str]
    problems: Sequence[Problem]
