"""Interface of a task, through which all tasks share cells, store, statistics and rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sgz_bench.core.errors import UserError

from .label_space import D, LabelSpace, Sample
from .types import Image, Scores

if TYPE_CHECKING:
    from sgz_bench.core.registry import Registry

    from .inventory import Inventory
    from .models import Model
    from .training import Training

Records = dict[int, dict[str, Any]]  # image id → its line in the cell's log
S = TypeVar("S", bound=Sample)


class Statistics(Protocol):
    """Sufficient statistics of one cell, for any task: N images, K classes.

    Attributes:
        class_metrics, slice_metrics: metrics that are compared per class and per slice.
        image_ids: ``(N,)`` ascending.
        truth: ``(N, K)`` amount of truth per image and class.
        size: total amount of truth by unit, such as ``{"boxes": 12}``.
    """

    @property
    def class_metrics(self) -> tuple[str, ...]: ...
    @property
    def slice_metrics(self) -> tuple[str, ...]: ...
    @property
    def image_ids(self) -> NDArray[np.int64]: ...
    @property
    def truth(self) -> NDArray[np.integer]: ...
    @property
    def size(self) -> dict[str, int]: ...

    def subset(self, images: NDArray[np.intp]) -> Self:
        """Return the statistics of the images at these indices."""

    def pooled(self, other: Self) -> Self:
        """Pool both systems over 2N images: this one's image ``n`` at ``2n``, the other's at ``2n + 1``."""

    def scores(self, weights: ArrayLike) -> Scores:
        """Return all metrics when image ``n`` occurs ``weights[b, n]`` times."""


@dataclass(frozen=True)
class ModelInput(Generic[S]):
    """One image as a cell's model sees it.

    Attributes:
        sample: the image's entry in the data set.
        image: ``(H, W, 3)`` uint8, darkened and enhanced.
        truth: the result of :meth:`Task.open`.
        raw: True in the raw row, where a task may measure the input itself.
    """

    sample: S
    image: Image
    truth: Any
    raw: bool = False


class Prediction(NamedTuple):
    """What a model predicted on one image.

    Attributes:
        record: the image's line in the log, without its id; JSON values.
        files: what does not fit in a line, by path below the cell's folder.
    """

    record: dict[str, Any]
    files: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True)
class Scored:
    """Scores of one cell.

    Attributes:
        metrics, per_class: as in ``ResultRow``.
        statistics: input of bootstrap and slices.
        files: name → content, for the cell's folder.
    """

    metrics: dict[str, float | None]
    per_class: dict[str, dict[str, float | int | None]]
    statistics: Statistics
    files: dict[str, bytes | str]


class Task(ABC, Generic[D, S]):
    """Vision task over data sets ``D`` of samples ``S``.

    Attributes:
        name: name of the task in configs, rows and ``--task``.
        command: subcommand of ``sgz-bench`` that runs its studies.
        metric_version: raised when a metric changes its meaning; part of cell keys.
        lead_metric: metric of decisions, one of the statistics' overall metrics.
        packages: packages whose versions a run's manifest records, besides those of every run.
        fuses_records: True if predictions on two pictures can be fused from their records, without the model.
        analyses: analyses of a finished run, by their names in ``benchmarks/run.py``.
    """

    name: ClassVar[str]
    command: ClassVar[str]
    metric_version: ClassVar[int]
    lead_metric: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    fuses_records: ClassVar[bool] = False
    analyses: ClassVar[tuple[str, ...]] = ("gallery", "tone_curves", "costs", "decision")

    @classmethod
    @abstractmethod
    def datasets(cls) -> Registry[Any]:
        """Return the registry of data set loaders."""

    @classmethod
    @abstractmethod
    def families(cls) -> Registry[Any]:
        """Return the registry of model families."""

    @classmethod
    @abstractmethod
    def shipped_models(cls) -> Sequence[str]:
        """Return the names of the models that ship with the package."""

    @classmethod
    @abstractmethod
    def describes(cls, content: object) -> bool:
        """Return True if the content of a YAML file describes a data set of this task."""

    @abstractmethod
    def load(self, dataset: str, root: Path | None, split: str | None, limit: int | None = None) -> D:
        """Load a split of a data set.

        Raises:
            UserError: the data set does not exist, or is not in its layout.
        """

    @abstractmethod
    def inventory(self, dataset: D, *, decode: bool) -> Inventory:
        """Count a split and list its problems; ``decode`` reads every image in full."""

    @abstractmethod
    def fingerprint(self, dataset: D) -> str:
        """Return the sha256 (hex) over everything in a data set that can change a result."""

    @abstractmethod
    def create_model(self, spec: str, device: str) -> Model:
        """Create a model from its spec.

        Raises:
            UserError: the model does not exist, or its file is not a model of this family.
        """

    @abstractmethod
    def training(self, dataset: D, model: str, settings: Mapping[str, str]) -> Training[S]:
        """Prepare the training of models on a data set, starting from ``model``, with ``--set`` settings.

        Raises:
            UserError: a setting or the model does not exist or fit.
        """

    @abstractmethod
    def map_classes(
        self, model_classes: Sequence[str], dataset_classes: Sequence[str], chosen: Mapping[str, Sequence[str]] | None
    ) -> NDArray[np.int64]:
        """Return ``(model classes,)`` data set class id of each model class, or −1."""

    def labelled(self, space: LabelSpace[D]) -> bool:
        """Return False if no image has truth in a scored class; True also where all truth is withheld."""
        del space
        return True

    def open(self, space: LabelSpace[D], sample: S) -> Any:
        """Read the truth that is needed beside an image's pixels; called once for all cells.

        Raises:
            UserError: the truth cannot be read; the image is left out and named.
        """
        del space, sample

    @abstractmethod
    def predict(self, space: LabelSpace[D], model: Model, inputs: Sequence[ModelInput[S]]) -> list[Prediction]:
        """Run a model on some images; return what is to be kept of each, and write nothing."""

    @abstractmethod
    def answer(self, space: LabelSpace[D], sample: S, record: dict[str, Any], folder: Path) -> tuple[Any, Any] | None:
        """Return prediction and truth of an image for custom metrics; None where truth is withheld."""

    def outputs(self, sample: S) -> tuple[str, ...]:
        """Return the files of an image outside the log, by path below the cell's folder."""
        del sample
        return ()

    def kept(self, folder: Path, sample: S) -> bool:
        """Return True if the output of an image outside the log is complete in the cell's folder."""
        return all((folder / name).is_file() for name in self.outputs(sample))

    def enhanced_record(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return a record of the raw row as a row that leaves the image as it is has it."""
        return record

    def fuse(self, sample: S, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the record of an image from those on several pictures of it, if the task fuses records."""
        del sample, records
        raise UserError(f"the task {self.name} has no both(…); leave it out")

    def two_pass_model(self, model: Model, enhance: Callable[[Image], Image]) -> Model:
        """Return a model that predicts on the picture it is given and on the enhanced one, if records are not enough.

        Raises:
            UserError: the model's predictions cannot be fused.
        """
        del model, enhance
        raise UserError(f"the task {self.name} has no both(…); leave it out")

    def predicted(self, space: LabelSpace[D], records: Records) -> bool:
        """Return False if no record has a prediction in a scored class."""
        del space, records
        return True

    def doubts(self, truth: dict[str, Any], records: Records) -> list[str]:
        """Return one line for each way in which predictions are implausible, such as fractions in place of pixels."""
        del truth, records
        return []

    @abstractmethod
    def truth(self, space: LabelSpace[D], without: set[int]) -> dict[str, Any]:
        """Return ``truth.json`` ``without`` some images: ``images`` by id with attributes, and fields of the task."""

    @abstractmethod
    def score(self, truth: dict[str, Any], records: Records) -> Scored:
        """Score one cell on the images of ``truth``."""

    @abstractmethod
    def statistics(self, folder: Path) -> Statistics:
        """Read the statistics from a cell's ``files``."""

    def lead_scores(self, statistics: Statistics, weights: ArrayLike) -> NDArray[np.float64]:
        """Return ``(B,)`` the lead metric alone when image ``n`` occurs ``weights[b, n]`` times."""
        return statistics.scores(weights).overall[self.lead_metric]

    @abstractmethod
    def gains(self, raw: Statistics, other: Statistics) -> NDArray[np.float64]:
        """Return ``(N,)`` the improvement of the other system on each image."""

    def pictures(self, space: LabelSpace[D], sample: S, cells: Mapping[str, Path]) -> dict[str, bytes]:
        """Return further files of an image's gallery entry, by the entry's field, such as label maps.

        Args:
            space: label space of the study.
            sample: the image.
            cells: entry field prefix (``raw``, ``enhanced``) → the cell's folder.
        """
        del space, sample, cells
        return {}


def attributes_of(truth: Mapping[str, Any]) -> dict[str, list[str | None]]:
    """Return attribute → value per image, in the order of image ids; None for images without it."""
    images = sorted(truth["images"], key=lambda image: int(image["id"]))
    names = sorted({name for image in images for name in image.get("attributes", {})})
    return {name: [image.get("attributes", {}).get(name) for image in images] for name in names}


def plain(value: float) -> float | None:
    """Return a float, or None for NaN."""
    return None if np.isnan(value) else float(value)
