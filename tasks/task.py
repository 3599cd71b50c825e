"""What the grid asks of a task, so that cells, store, statistics and rows are the same for all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from sgz_bench.benchmarks.config import StudyConfig
from sgz_bench.benchmarks.statistics import Statistics

from .types import Problem

if TYPE_CHECKING:
    from sgz_bench.benchmarks.plan import Cell, Plan
    from sgz_bench.benchmarks.results import ResultRow

    from .models import Model
    from .types import Image

Records = dict[int, dict[str, Any]]  # image id → its line in the cell's log


class Sample(Protocol):
    """An image of a data set."""

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
    """A split of a data set."""

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
        """Whether the truth of an image holds for its ``bright`` one too."""


@dataclass(frozen=True)
class Shown:
    """An image as a cell's model sees it.

    Attributes:
        sample: its entry in the data set.
        image: ``(H, W, 3)`` uint8 as the model sees it, darkened and enhanced.
        truth: what :meth:`Task.open` made of it.
        folder: the cell's own, for what does not fit in a line of the log.
    """

    sample: Sample
    image: Image
    truth: Any
    folder: Path


@dataclass(frozen=True)
class Scored:
    """What one cell scored.

    Attributes:
        metrics, per_class: as in ``ResultRow``.
        statistics: what bootstrap and slices reduce.
        files: name → content, for the cell's folder.
    """

    metrics: dict[str, float | None]
    per_class: dict[str, dict[str, float | int | None]]
    statistics: Statistics
    files: dict[str, bytes | str]


class Task(ABC):
    """A kind of vision task."""

    name: ClassVar[str]
    metric_version: ClassVar[int]

    @abstractmethod
    def load(self, config: StudyConfig) -> Dataset:
        """The data set of a study.

        Raises:
            UserError: it is not there, or not what it should be.
        """

    @abstractmethod
    def fingerprint(self, dataset: Dataset) -> str:
        """sha256 (hex) over all of a data set that can change a result."""

    @abstractmethod
    def create_model(self, spec: str, device: str) -> Model:
        """A model from its spec."""

    @abstractmethod
    def map_classes(
        self, model_classes: Sequence[str], dataset_classes: Sequence[str], chosen: Mapping[str, Sequence[str]] | None
    ) -> NDArray[np.int64]:
        """``(model classes,)`` the data set class that each stands for, or −1."""

    def open(self, plan: Plan, sample: Sample) -> Any:
        """What of an image's truth is read when the image is; once for all cells.

        Raises:
            UserError: it cannot be read; the image is left out and named.
        """
        del plan, sample

    @abstractmethod
    def predict(self, plan: Plan, cell: Cell, shown: Sequence[Shown]) -> list[dict[str, Any]]:
        """What the cell's model says of some images: each one's line in the log, without its id."""

    @abstractmethod
    def answer(self, plan: Plan, sample: Sample, record: dict[str, Any], folder: Path) -> tuple[Any, Any] | None:
        """Prediction and truth of an image as metrics of the user's own take them; None where truth is withheld."""

    def kept(self, folder: Path, sample: Sample) -> bool:
        """Whether what the log does not hold of an image is still in the cell's folder."""
        del folder, sample
        return True

    @abstractmethod
    def truth(self, plan: Plan, without: set[int]) -> dict[str, Any]:
        """``truth.json``: ``images`` by id with their attributes, and what the task adds; ``without`` some images."""

    @abstractmethod
    def score(self, truth: dict[str, Any], records: Records) -> Scored:
        """Score one cell on the images of ``truth``."""

    @abstractmethod
    def statistics(self, folder: Path) -> Statistics:
        """The statistics that a cell's ``files`` hold."""

    @abstractmethod
    def gains(self, raw: Statistics, other: Statistics) -> NDArray[np.float64]:
        """``(N,)`` how much better the other system is on each image."""

    def analyse(self, plan: Plan, run: Path, rows: Sequence[ResultRow]) -> None:
        """Write what else a finished run tells of its rows."""
        del plan, run, rows

    def pictures(self, plan: Plan, sample: Sample, cells: Mapping[str, Path]) -> dict[str, bytes]:
        """Further files of an image's gallery entry, by the entry's field, such as label maps.

        Args:
            plan: the study.
            sample: the image.
            cells: entry field prefix (``raw``, ``enhanced``) → the cell's folder.
        """
        del plan, sample, cells
        return {}


def attributes_of(truth: Mapping[str, Any]) -> dict[str, list[str | None]]:
    """Attribute → its value on every image, in the order of image ids; None where an image lacks it."""
    images = sorted(truth["images"], key=lambda image: int(image["id"]))
    names = sorted({name for image in images for name in image.get("attributes", {})})
    return {name: [image.get("attributes", {}).get(name) for image in images] for name in names}


def create_task(name: str) -> Task:
    """The task of a study's config."""
    if name == "segmentation":
        from .segmentation.task import SegmentationTask

        return SegmentationTask()
    from .detection.task import DetectionTask

    return DetectionTask()
