"""Worker of a finetuning on Ray: trains one model after another and tells the driver how far it is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sgz_bench.core.device import limit_threads
from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.tasks.types import Problem

from ..finetuning.config import FinetuneConfig
from ..finetuning.preparation import Callbacks, ModelJob, ModelResult, Preparation
from .actors import Process

_PATIENCE = 10.0  # seconds until a new file shows on a network disk
_CHECK = 2.0  # seconds between looks for the mark of a model


@dataclass(frozen=True)
class TrainingStudy:
    """What a worker needs of a finetuning.

    Attributes:
        config: config of the finetuning.
        index: index without models, as the driver made it.
        versions: packages and their versions on the driver.
        fingerprints: enhancer → fingerprint on the driver.
        mark: file in the folder of the models, which exists as long as the driver works on it.
    """

    config: FinetuneConfig
    index: Mapping[str, Any]
    versions: Mapping[str, str]
    fingerprints: Mapping[str, str]
    mark: Path

    @classmethod
    def of(cls, preparation: Preparation, mark: Path) -> TrainingStudy:
        fingerprints = {label: preparation.fingerprint(label) for label in preparation.labels}
        return cls(preparation.config, preparation.index, preparation.versions, fingerprints, mark)


class State(NamedTuple):
    """State of a worker.

    Attributes:
        model: enhancer and seed of the present model, or of the last one; None before the first.
        phase: title of the present bar; empty between two.
        done, total: images.
        notes: notes of the present model so far.
    """

    model: tuple[str, int] | None
    phase: str
    done: int
    total: int
    notes: tuple[str, ...]


class Answer(NamedTuple):
    """Answer of a worker to a job.

    Attributes:
        result: trained model; None for one that cannot be trained.
        failure: reason why it cannot.
        notes: notes of the training.
        problems: images that were left out.
    """

    result: ModelResult | None
    failure: str
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]


class DriverGoneError(Exception):
    """The driver has ended, or has lost this worker from sight: another one may train the same model."""


class TrainingWorker(Process):
    """Actor that trains models; ``state`` answers while ``train`` works in another thread."""

    def __init__(self, threads: int, device: str, folder: str, path: Sequence[str]) -> None:
        super().__init__(threads, device, folder, path)
        self._prepared: tuple[Preparation, TrainingStudy] | None = None
        self._notes: list[str] = []
        self._problems: list[Problem] = []
        self._model: tuple[str, int] | None = None
        self._mark = Path()
        self._phase, self._done, self._total = "", 0, 0

    def prepare(self, study: TrainingStudy) -> str:
        """Load data set and enhancers; return why this node cannot train them, or an empty text."""
        limit_threads(self._threads)  # of this thread
        try:
            if not _appears(study.mark):
                folder = study.mark.parent
                return f"it does not see {folder} of the driver; choose an --out on a disk that all nodes share"
            preparation = Preparation(study.config, self._device)
            refusal = _difference(study, preparation)
        except (Exception, SystemExit) as error:  # as custom classes may raise anything
            refusal = in_one_line(error)
        if not refusal:
            self._prepared = preparation, study
        return refusal

    def train(self, job: ModelJob, mark: Path) -> Answer:
        """Train a model.

        Args:
            job: the model.
            mark: file that exists as long as the driver wants the model from this worker.

        Raises:
            DriverGoneError: the mark is gone.
            Exception: anything but a mistake of the user; another worker may have more luck.
        """
        if self._prepared is None:
            raise RuntimeError("a worker trains after it is prepared")
        preparation, study = self._prepared
        limit_threads(self._threads)
        self._notes, self._model, self._mark = [], job.key, mark
        callbacks = Callbacks(self._bar, self._problems.append, self._notes.append)
        result, failure = None, ""
        try:
            result = preparation.train(job, study.index, callbacks)
        except UserError as error:
            failure = str(error)
        return Answer(result, failure, tuple(self._notes), tuple(self._problems))

    def state(self) -> State:
        """Return how far the present model is."""
        return State(self._model, self._phase, self._done, self._total, tuple(self._notes))

    @contextmanager
    def _bar(self, title: str) -> Iterator[Any]:
        checked = time.monotonic()

        def update(done: int, total: int) -> None:
            nonlocal checked
            self._done, self._total = done, total
            if time.monotonic() - checked > _CHECK:
                if not _appears(self._mark):
                    raise DriverGoneError("the driver has ended, or given the model to another worker")
                checked = time.monotonic()

        self._done, self._total, self._phase = 0, 0, title
        try:
            yield update
        finally:
            self._phase = ""


def _appears(mark: Path) -> bool:
    """Wait some seconds for a file of another machine; return False if it does not appear."""
    end = time.monotonic() + _PATIENCE
    while not mark.exists():
        if time.monotonic() > end or not mark.parent.exists():
            return False
        time.sleep(0.2)
    return True


def _difference(study: TrainingStudy, preparation: Preparation) -> str:
    """Return the first difference between a finetuning on the driver and on this node; empty if they are the same."""
    if preparation.study["dataset_fingerprint"] != study.index["dataset_fingerprint"]:
        return "the images or labels of the data set differ there; put the same data set on every node"
    pairs = [(key, study.index.get(key), value) for key, value in preparation.study.items()]
    pairs += [(f"the version of {name}", study.versions.get(name), each) for name, each in preparation.versions.items()]
    for name, wanted, here in pairs:
        if wanted != here:
            return f"{name} is {here} there and {wanted} here; make them the same on every node"
    for label, wanted in study.fingerprints.items():
        if preparation.fingerprint(label) != wanted:
            return f"the enhancer {label} has other weights or code there; make them the same on every node"
    return ""
