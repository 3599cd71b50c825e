"""Job of an executor: one study with its logs, pending images and failures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.tasks.label_space import Sample
from sgz_bench.tasks.task import ModelInput

from ..plan import Cell, Plan
from ..store import LOG, ImageLog, cell_folder
from ..view import PreprocessingKey

Progress = Callable[[int, int], None]  # images done, images in all
ImageRef = tuple[Path, str]  # a file, and the key of its image


class PredictionFailures(NamedTuple):
    """Failures of a study's predictions.

    Attributes:
        cells: cell key → reason of the failure; the logs of all other cells are complete.
        unread: image id → reason why the image could not be read.
    """

    cells: dict[str, str]
    unread: dict[int, str]


class Job:
    """One study in an executor.

    Args:
        plan: plan of the study.
        run: folder of the run.

    Attributes:
        failures: failed cells and unreadable images.
        fault: error that ended the whole study, such as a full disk; the study is not predicted any further.
    """

    def __init__(self, plan: Plan, run: Path) -> None:
        self.plan, self.run = plan, run
        self.failures = PredictionFailures({}, {})
        self.fault: UserError | None = None
        self._logs: dict[str, ImageLog] = {}
        self._keys = {cell.key: cell.view.key for cell in plan.cells}

    def open(self) -> None:
        """Open the cells' logs.

        Raises:
            UserError: the logs cannot be written.
        """
        self._logs = {cell.key: ImageLog(cell_folder(self.run, cell.key) / LOG) for cell in self.plan.cells}

    def close(self) -> None:
        for log in self._logs.values():
            log.close()

    @property
    def images(self) -> tuple[ImageRef, ...]:
        """All images in order; studies with equal images are predicted together."""
        return tuple((sample.path, sample.key) for sample in self.plan.dataset.samples)

    @property
    def complete(self) -> bool:
        """True if no image is left to predict."""
        return not any(self.pending(sample) for sample in self.plan.dataset.samples)

    def pending(self, sample: Sample) -> list[Cell]:
        """Return the cells that still need an image; none after a fault."""
        return [
            cell
            for cell in self.plan.cells
            if self.fault is None
            and not (
                sample.id in self._logs[cell.key].image_ids
                and self.plan.task.kept(cell_folder(self.run, cell.key), sample)
            )
        ]

    def preprocessing(self, sample: Sample, cell: Cell) -> tuple[bool, PreprocessingKey]:
        """Return the identity of a cell's input for an image; cells with equal identities share the input."""
        return cell.view.path(sample) != sample.path, self._keys[cell.key]

    def ended(self, cell: Cell) -> bool:
        """Return True if a cell, or the whole study, has failed."""
        return self.fault is not None or cell.key in self.failures.cells

    def fail(self, key: str, cell: Cell, error: BaseException) -> None:
        """Record the failure of a cell on an image."""
        self.failures.cells[cell.key] = f"{key}: {in_one_line(error)}"

    def predict(self, cell: Cell, inputs: Sequence[ModelInput[Any]]) -> None:
        """Run the cell's model on some images and append the records; record any failure."""
        try:
            records = self.plan.task.predict(self.plan.space, cell.model, inputs)
        except (Exception, SystemExit) as error:  # one cell's failure must not stop the others
            self.fail(inputs[0].sample.key, cell, error)
            return
        try:
            for each, record in zip(inputs, records, strict=True):
                if each.sample.id not in self._logs[cell.key].image_ids:
                    self._logs[cell.key].append({"image_id": each.sample.id} | record)
        except UserError as error:
            self.fault = error
