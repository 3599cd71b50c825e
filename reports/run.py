"""What a report reads: the rows of one comparison, and the files of a finished run."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any, Literal, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from sgz_bench.benchmarks.analyses.costs import Cost, read_costs
from sgz_bench.benchmarks.analyses.detection_errors import MIN_SCORE, RowErrors, read_errors
from sgz_bench.benchmarks.analyses.tone_curves import read_tone_curves
from sgz_bench.benchmarks.results import ResultRow, read_rows
from sgz_bench.benchmarks.store import cell_folder
from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_json
from sgz_bench.core.specs import Spec, parse_spec
from sgz_bench.tasks.segmentation.metrics import ConfusionTable

from .catalog import TASK_REPORTS
from .labels import darken_labels, enhancer_labels, file_names, model_labels, short_labels
from .vocabulary import Vocabulary


@dataclass(frozen=True)
class Study:
    """Rows that are compared with one raw row: one model, one darkening.

    Attributes:
        rows: ``bright`` first where there is one, then ``raw``, then the enhancers in the order of the run.
        costs: by row key, of the rows that were measured.
        apart: where rows share a table with rows they are not comparable with: field → value, of what differs.
    """

    rows: tuple[ResultRow, ...]
    costs: Mapping[str, Cost] = field(default_factory=dict)
    apart: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(rows: Sequence[ResultRow], costs: Mapping[str, Cost], apart: Mapping[str, str] | None = None) -> Study:
        place = {"bright": 0, "raw": 1}
        return Study(tuple(sorted(rows, key=lambda row: place.get(row.enhancer, 2))), costs, apart or {})

    @cached_property
    def labels(self) -> dict[str, str]:
        """Enhancer spec → label; distinct within the study."""
        return enhancer_labels(row.enhancer for row in self.rows)

    @cached_property
    def short_labels(self) -> dict[str, str]:
        """Enhancer spec → label for headings; distinct within the study."""
        return short_labels(row.enhancer for row in self.rows)

    @cached_property
    def file_names(self) -> dict[str, str]:
        """Enhancer spec → part of a file name; distinct within the study."""
        return file_names(row.enhancer for row in self.rows)

    @property
    def model(self) -> tuple[str, str]:
        """Spec of the model and hash of its weights."""
        return self.rows[0].model, self.rows[0].model_fingerprint

    @cached_property
    def model_label(self) -> str:
        """Label of the model where no other study stands beside this one."""
        return model_labels((row.model, row.model_fingerprint) for row in self.rows)[self.model]

    @cached_property
    def darken_label(self) -> str:
        """Label of the darkening where no other study stands beside this one."""
        return darken_labels([self.darken])[self.darken]

    @cached_property
    def attributes(self) -> list[str]:
        """Attributes of the images that metrics are sliced by."""
        return list(dict.fromkeys(name for row in self.scored for name in row.by_attribute))

    @property
    def differs_in(self) -> str:
        """``split=test,data=4ee64b62``; empty where rows are comparable with all of their table."""
        short = {"dataset_fingerprint": "data", "metric_version": "metrics"}
        return ",".join(f"{short.get(field, field)}={value}" for field, value in self.apart.items())

    @property
    def task(self) -> str:
        """Task of all rows."""
        return self.rows[0].task

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Terms of the task."""
        return TASK_REPORTS.load(self.task).vocabulary

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
    _shown: dict[str, dict[int, list[dict[str, Any]]]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Read the rows.

        Raises:
            UserError: not a finished run.
        """
        rows = read_rows(folder)
        if not rows:
            raise UserError(f"{folder} has no rows; repeat the run's command")
        return cls(Path(folder), Study.of(rows, read_costs(Path(folder))))

    @property
    def manifest(self) -> dict[str, Any]:
        """What the run was asked for, and with which versions it was made."""
        found: dict[str, Any] = self._read("manifest.json")
        return found

    @property
    def replicates(self) -> int | None:
        """Bootstrap resamples behind the intervals; None where the manifest does not say."""
        count = self.manifest.get("config", {}).get("replicates")
        return int(count) if count is not None else None

    @property
    def exposure(self) -> float | None:
        """Stops that the images were darkened by, or else rendered at; None where the data set is what it is."""
        stops = [spec.kwargs["ev"] for spec in (self._darken, self._dataset) if spec and "ev" in spec.kwargs]
        return float(stops[0]) if stops and isinstance(stops[0], int | float) else None

    @property
    def setting(self) -> str:
        """Data set and low-light model, all but the exposure."""
        darken, dataset = self._darken, self._dataset
        axis = darken or dataset  # whose exposure it is
        found = [_without_exposure(spec) if spec is axis else str(spec) for spec in (dataset, darken) if spec]
        return " ".join(found if dataset else [self.study.rows[0].dataset, *found])

    @property
    def _darken(self) -> Spec | None:
        return parse_spec(self.study.darken) if self.study.darken else None

    @property
    def _dataset(self) -> Spec | None:
        """As it was asked for; None where that is a path, or not known."""
        text = str(self.manifest.get("config", {}).get("dataset", ""))
        return None if not text or PurePath(text).suffix in {".yaml", ".yml"} else parse_spec(text)

    @cached_property
    def truth(self) -> dict[str, Any]:
        """COCO ground truth of the split, or the images of a segmentation."""
        truth: dict[str, Any] = self._read("truth.json")
        return truth

    def class_ids(self) -> dict[str, int]:
        """Of a segmentation: the scored classes with their ids in label maps.

        Raises:
            UserError: the truth does not tell them.
        """
        truth = self.truth
        try:
            return dict(zip(truth["classes"], map(int, truth["class_ids"]), strict=True))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{self.folder / 'truth.json'} does not tell the classes' ids ({error!r}); repeat the run's command"
            ) from error

    def curves(self, row: ResultRow) -> dict[str, Any]:
        """``{"recall": [101], "precision": {"all": [101], class: [101]}}`` at IoU 0.5; means over training seeds."""
        each = [self._read(f"cells/{key}/curves.json") for key in row.cells]

        def mean(name: str) -> list[float | None]:
            columns = zip(*(one["precision"][name] for one in each), strict=True)
            return [None if None in values else float(np.mean(values)) for values in columns]

        return {"recall": each[0]["recall"], "precision": {name: mean(name) for name in each[0]["precision"]}}

    def shown_predictions(self, row: ResultRow) -> dict[int, list[dict[str, Any]]]:
        """Image id → COCO results, of the gallery's images, scored .25 or more; of several seeds the first one's."""
        if row.key not in self._shown:  # a large file, which two sheets and the page want
            wanted = {int(entry["image_id"]) for entry in self.gallery()}
            said = _records_of(cell_folder(self.folder, row.cells[0]) / "predictions.json", wanted)
            self._shown[row.key] = by_image([each for each in said if each["score"] >= MIN_SCORE], wanted)
        return self._shown[row.key]

    def confusion(self, row: ResultRow) -> NDArray[np.int64]:
        """``(K, K + 1)`` pixels by true and predicted class, the last column "no class"; sums over training seeds."""
        return np.asarray(np.sum([self._counts(key) for key in row.cells], axis=0))

    def errors(self) -> dict[str, RowErrors]:
        """Row key → the kinds of its errors and its objects; empty for a run without."""
        return read_errors(self.folder)

    def tones(self) -> dict[str, list[float]]:
        """Row key → output for the 256 levels of a grey ramp, in [0, 1]; of those that were measured."""
        return read_tone_curves(self.folder)

    def gallery(self, which: Literal["images", "common"] = "images") -> list[dict[str, Any]]:
        """Entries of the images in which an enhancer gained or lost most, or of the one that all were kept of.

        Empty where the run kept none.
        """
        if not (self.folder / "gallery" / "index.json").is_file():
            return []
        entries: list[dict[str, Any]] = self._read("gallery/index.json").get(which, [])
        return entries

    def _counts(self, key: str) -> NDArray[np.int64]:
        path = cell_folder(self.folder, key) / "confusion.npz"
        try:
            return np.asarray(ConfusionTable.from_bytes(path.read_bytes()).counts.sum(axis=0))
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise UserError(f"{path} is missing or damaged ({error}); repeat the run's command") from error

    def _read(self, name: str) -> Any:
        return read_json(self.folder / name, "repeat the run's command")


def _records_of(path: Path, images: Collection[int]) -> list[dict[str, Any]]:
    """The records of some images in a COCO results list as runs write it; ten times as fast as reading all of it.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if not text.rstrip().endswith("]"):
            raise ValueError("it is cut short")
        wanted = rf'{{"image_id": (?:{"|".join(map(str, sorted(images))) or "none"}),[^{{}}]*}}'
        if text.count('{"image_id": ') != text.count('"image_id"'):
            raise ValueError("it is not as runs write it")
        found: list[dict[str, Any]] = json.loads(f"[{','.join(re.findall(wanted, text))}]")
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is missing or damaged ({error}); repeat the run's command") from error
    return found


def by_image(records: Sequence[dict[str, Any]], wanted: Collection[int]) -> dict[int, list[dict[str, Any]]]:
    """COCO annotations or results of some images."""
    found: dict[int, list[dict[str, Any]]] = {image_id: [] for image_id in wanted}
    for record in records:
        if record["image_id"] in found:
            found[record["image_id"]].append(record)
    return found


def seeds(rows: Iterable[ResultRow]) -> str:
    """``3`` or ``2 to 3``: training seeds behind the rows; empty where nothing was trained."""
    counts = sorted({len(row.members) for row in rows if row.members})
    return " to ".join(str(count) for count in dict.fromkeys([*counts[:1], *counts[-1:]]))


def _without_exposure(spec: Spec) -> str:
    return str(Spec.of(spec.name, {key: value for key, value in spec.kwargs.items() if key != "ev"}))
