"""Evidence for decisions: the scored rows of a finished run with their statistics, image by image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.catalog import create_task
from sgz_bench.tasks.task import Statistics, Task

from ..results import ResultRow, read_rows
from ..statistics import SeedMean, lead_metric
from ..store import cell_folder, read_run_json


@dataclass(frozen=True)
class Evidence:
    """Scored rows of one run; every decision is a reduction of their statistics.

    Attributes:
        run: folder of the run.
        task: task of the run.
        rows: label of the enhancer → scored row, in the order of the run; ``raw`` is among them.
        statistics: label of the enhancer → statistics; the mean over training seeds, if there are several.
    """

    run: Path
    task: Task[Any, Any]
    rows: Mapping[str, ResultRow]
    statistics: Mapping[str, Statistics]

    @classmethod
    def read(cls, run: str | Path) -> Self:
        """Read a finished run.

        Raises:
            UserError: it is no finished run, its raw row failed, or a file of a row is missing or damaged.
        """
        folder = Path(run)
        rows = {row.enhancer: row for row in read_rows(folder) if row.status == "ok"}
        if "raw" not in rows:
            raise UserError(f"{folder} has no scored raw row to compare with; repeat the run's command")
        task = create_task(rows["raw"].task)
        return cls(folder, task, rows, {label: _statistics(task, folder, row) for label, row in rows.items()})

    @property
    def raw(self) -> Statistics:
        """Statistics of the raw row."""
        return self.statistics["raw"]

    @property
    def lead(self) -> str:
        """Metric of decisions."""
        return self.task.lead_metric

    @property
    def enhancers(self) -> list[str]:
        """Labels of what can be deployed: without ``raw`` and the upper bounds ``bright`` and ``oracle``."""
        return [label for label, row in self.rows.items() if label != "raw" and not row.bound]

    @property
    def truth(self) -> dict[str, Any]:
        """``truth.json`` of the run.

        Raises:
            UserError: it is missing or damaged.
        """
        content: dict[str, Any] = read_run_json(self.run / "truth.json")
        return content

    def scores(self, label: str, weights: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return ``(B,)`` the lead metric of a row in [0, 1] if image ``n`` occurs ``weights[b, n]`` times."""
        return lead_metric(self.task, self.statistics[label], weights)


def _statistics(task: Task[Any, Any], run: Path, row: ResultRow) -> Statistics:
    try:
        each = tuple(task.statistics(cell_folder(run, key)) for key in row.cells)
    except Exception as error:  # zip, zlib and NumPy have a dozen classes for damage
        raise UserError(
            f"the statistics of {row.enhancer} in {run} are missing or damaged ({error}); repeat the run's command"
        ) from error
    return each[0] if len(each) == 1 else SeedMean(each)
