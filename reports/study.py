"""What a report reads: the rows of one comparison, and the files of a finished run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgz_bench.benchmarks.results import ResultRow, read_rows
from sgz_bench.enhancer.errors import UserError


@dataclass(frozen=True)
class Study:
    """Rows that are compared with one raw row: one model, one darkening.

    Attributes:
        rows: ``bright`` first where there is one, then ``raw``, then the enhancers in the order of the run.
    """

    rows: tuple[ResultRow, ...]

    @staticmethod
    def of(rows: Sequence[ResultRow]) -> Study:
        place = {"bright": 0, "raw": 1}
        return Study(tuple(sorted(rows, key=lambda row: place.get(row.enhancer, 2))))

    @property
    def scored(self) -> tuple[ResultRow, ...]:
        """Rows without those that failed."""
        return tuple(row for row in self.rows if row.status == "ok")

    @property
    def enhanced(self) -> tuple[ResultRow, ...]:
        """The enhancers that were compared with raw."""
        return tuple(row for row in self.scored if row.enhancer not in {"bright", "raw"})

    @property
    def darken(self) -> str | None:
        """Of all rows but ``bright``, which shows the images as they were before it."""
        return next((row.darken for row in self.rows if row.enhancer != "bright"), None)

    def find(self, enhancer: str) -> ResultRow | None:
        """The scored row of an enhancer."""
        return next((row for row in self.scored if row.enhancer == enhancer), None)


@dataclass(frozen=True)
class FinishedRun:
    """A run folder whose rows are there. Its files are read when they are asked for."""

    folder: Path
    study: Study

    @staticmethod
    def open(folder: str | Path) -> FinishedRun:
        """Read the rows.

        Raises:
            UserError: not a finished run.
        """
        rows = read_rows(folder)
        if not rows:
            raise UserError(f"{folder} has no rows; repeat the run's command")
        return FinishedRun(Path(folder), Study.of(rows))

    @property
    def replicates(self) -> int | None:
        """Bootstrap resamples behind the intervals; None where the manifest does not say."""
        count = self._read("manifest.json").get("config", {}).get("replicates")
        return int(count) if count is not None else None

    def truth(self) -> dict[str, Any]:
        """COCO ground truth of the split."""
        truth: dict[str, Any] = self._read("truth.json")
        return truth

    def curves(self, row: ResultRow) -> dict[str, Any]:
        """``{"recall": [101], "precision": {"all": [101], class: [101]}}`` at IoU 0.5."""
        curves: dict[str, Any] = self._read(f"cells/{row.key}/curves.json")
        return curves

    def predictions(self, row: ResultRow) -> list[dict[str, Any]]:
        """COCO results list."""
        found: list[dict[str, Any]] = self._read(f"cells/{row.key}/predictions.json")
        return found

    def gallery(self) -> list[dict[str, Any]]:
        """Entries of the images in which an enhancer gained or lost most; empty where the run kept none."""
        if not (self.folder / "gallery" / "index.json").is_file():
            return []
        entries: list[dict[str, Any]] = self._read("gallery/index.json")["images"]
        return entries

    def _read(self, name: str) -> Any:
        path = self.folder / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{path} is missing or damaged ({error}); repeat the run's command") from error
