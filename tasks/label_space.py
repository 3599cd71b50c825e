"""Label space of a study: classes of the data set, classes of the model, and scored classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from .types import Problem


class Sample(Protocol):
    """One image of a data set of any task."""

    @property
    def id(self) -> int: ...
    @property
    def key(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def bright(self) -> Path | None: ...
    @property
    def attributes(self) -> Mapping[str, str]: ...


class Dataset(Protocol):
    """A split of a data set of any task."""

    @property
    def name(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...
    @property
    def samples(self) -> Sequence[Sample]: ...
    @property
    def problems(self) -> tuple[Problem, ...]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def partial(self) -> bool: ...
    @property
    def aligned(self) -> bool:
        """True if the truth of an image also holds for its ``bright`` twin."""


D = TypeVar("D", bound=Dataset)


@dataclass(frozen=True)
class LabelSpace(Generic[D]):
    """Part of a study that a task depends on.

    Attributes:
        dataset: data set with its samples; labels have its class ids.
        class_map: ``(model classes,)`` data set class id of each model class, or −1.
        classes: scored data set class ids, ascending; the class list of the metrics.
    """

    dataset: D
    class_map: NDArray[np.int64]
    classes: tuple[int, ...]

    @property
    def class_names(self) -> list[str]:
        """Names of the scored classes."""
        return [self.dataset.class_names[index] for index in self.classes]
