"""Finished runs as reports read them: the rows of one comparison, and the files of a run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from sgz_bench.benchmarks.analyses.costs import Cost, read_costs
from sgz_bench.benchmarks.analyses.detection_errors import MIN_SCORE, RowErrors, read_errors
from sgz_bench.benchmarks.analyses.tone_curves import read_tone_curves
from sgz_bench.benchmarks.decisions.kept import FILE as DECISION
from sgz_bench.benchmarks.decisions.kept import read_decision
from sgz_bench.benchmarks.decisions.operating import OperatingPoint, read_operating
from sgz_bench.benchmarks.decisions.ranks import Rank, Ranks, read_ranks
from sgz_bench.benchmarks.results import ResultRow, read_rows
from sgz_bench.benchmarks.store import cell_folder
from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_json
from sgz_bench.core.specs import Spec, parse_spec
from sgz_bench.tasks.segmentation.metrics import ConfusionTable

from .catalog import TASK_REPORTS
from .labels import enhancer_labels, file_names, model_labels, short_labels
from .run_files import Brightness, Curves, Gallery, Prediction, Truth, check_shape
from .vocabulary import Vocabulary

T = TypeVar("T")
_FIX = "repeat the run's command"


@dataclass(frozen=True)
class Study:
    """Rows that are compared with one raw row: one model, one darkening.

    Attributes:
        rows: ``bright`` first if there is one, then ``raw``, then the enhancers in the order of the run.
        costs: row key → costs, for the rows that were measured.
        differing: field → value of this study, for fields that differ within its table and forbid comparison; empty
            where all rows of the table are comparable.
        operating: row key → operating point of its run, for the rows of runs that have one.
        ranks: row key → rank within its run, for the rows of runs that have ranks.
    """

    rows: tuple[ResultRow, ...]
    costs: Mapping[str, Cost] = field(default_factory=dict)
    differing: Mapping[str, str] = field(default_factory=dict)
    operating: Mapping[str, OperatingPoint] = field(default_factory=dict)
    ranks: Mapping[str, Rank] = field(default_factory=dict)

    @staticmethod
    def of(
        rows: Sequence[ResultRow],
        costs: Mapping[str, Cost],
        differing: Mapping[str, str] | None = None,
        operating: Mapping[str, OperatingPoint] | None = None,
        ranks: Mapping[str, Rank] | None = None,
    ) -> Study:
        """Sort rows into the order of a study."""
        order = {"bright": 0, "raw": 1}
        rows = sorted(rows, key=lambda row: order.get(row.enhancer, 3 if row.bound else 2))
        return Study(tuple(rows), costs, differing or {}, operating or {}, ranks or {})

    @property
    def task(self) -> str:
        """Task of all rows."""
        return self.rows[0].task

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Terms of the task."""
        return TASK_REPORTS.load(self.task).vocabulary

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
        """Label of the model in output about this study alone."""
        return model_labels((row.model, row.model_fingerprint) for row in self.rows)[self.model]

    @cached_property
    def attributes(self) -> list[str]:
        """Image attributes by which metrics are sliced."""
        return list(dict.fromkeys(name for row in self.scored for name in row.by_attribute))

    @property
    def differs_in(self) -> str:
        """``differing`` as text, such as ``split=test,data=4ee64b62``."""
        short = {"dataset_fingerprint": "data", "metric_version": "metrics"}
        return ",".join(f"{short.get(field, field)}={value}" for field, value in self.differing.items())

    @property
    def scored(self) -> tuple[ResultRow, ...]:
        """Rows without the failed ones."""
        return tuple(row for row in self.rows if row.status == "ok")

    @property
    def enhanced(self) -> tuple[ResultRow, ...]:
        """Scored rows of enhancers, without ``raw`` and the upper bounds ``bright`` and ``oracle``."""
        return tuple(row for row in self.scored if row.enhancer != "raw" and not row.bound)

    @property
    def darken(self) -> str | None:
        """Darkening of all rows but ``bright``, which is the images before darkening."""
        return next((row.darken for row in self.rows if row.enhancer != "bright"), None)

    def find(self, enhancer: str) -> ResultRow | None:
        """Return the scored row of an enhancer, if there is one."""
        return next((row for row in self.scored if row.enhancer == enhancer), None)


@dataclass(frozen=True)
class FinishedRun:
    """Folder of a finished run: its rows as a study, its other files read on demand.

    Attributes:
        folder: path of the run.
        study: rows of the run.
        faults: one line for each damaged file without which the run is reported.
    """

    folder: Path
    study: Study
    faults: list[str] = field(default_factory=list, repr=False, compare=False)
    _shown: dict[str, dict[int, list[dict[str, Any]]]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Read the rows.

        Raises:
            UserError: not a finished run.
        """
        rows = read_rows(folder)
        if not rows:
            raise UserError(f"{folder} has no rows; {_FIX}")
        faults: dict[str, None] = {}

        def kept(read: Callable[[Path], T]) -> T | None:
            try:
                return read(Path(folder))
            except UserError as error:  # costs the columns of this file, not the report
                faults[str(error)] = None
                return None

        costs, point, ranks = kept(read_costs) or {}, kept(read_operating), kept(read_ranks)
        operating = dict.fromkeys(point.rows, point) if point else {}
        return cls(Path(folder), Study.of(rows, costs, operating=operating, ranks=_by_key(rows, ranks)), list(faults))

    @property
    def manifest(self) -> dict[str, Any]:
        """Settings of the run, and the versions and hardware that made it."""
        manifest: dict[str, Any] = self._read("manifest.json")
        if not all(isinstance(manifest.get(name, {}), dict) for name in ("study", "config", "hardware")):
            raise UserError(f"{self.folder / 'manifest.json'} is damaged (a part of it is not an object); {_FIX}")
        return manifest

    @property
    def replicates(self) -> int | None:
        """Number of bootstrap resamples behind the intervals; None if the manifest does not have it."""
        count = self.manifest.get("config", {}).get("replicates")
        return int(count) if count is not None else None

    @property
    def exposure(self) -> float | None:
        """Stops by which the images were darkened, or at which they were rendered; None for images as recorded."""
        stops = [spec.kwargs["ev"] for spec in (self._darken, self._dataset) if spec and "ev" in spec.kwargs]
        return float(stops[0]) if stops and isinstance(stops[0], int | float) else None

    @property
    def setting(self) -> str:
        """Data set and darkening without the exposure."""
        darken, dataset = self._darken, self._dataset
        varied = darken or dataset  # the spec with the exposure
        specs = [_without_exposure(spec) if spec is varied else str(spec) for spec in (dataset, darken) if spec]
        return " ".join(specs if dataset else [self.study.rows[0].dataset, *specs])

    @property
    def _darken(self) -> Spec | None:
        return parse_spec(self.study.darken) if self.study.darken else None

    @property
    def _dataset(self) -> Spec | None:
        """Data set in the settings; None if that is a path or unknown."""
        text = str(self.manifest.get("config", {}).get("dataset", ""))
        return None if not text or PurePath(text).suffix in {".yaml", ".yml"} else parse_spec(text)

    @cached_property
    def truth(self) -> dict[str, Any]:
        """COCO ground truth of the split, or the images of a segmentation."""
        return dict(self._shaped("truth.json", Truth))

    def class_ids(self) -> dict[str, int]:
        """Return the scored classes of a segmentation with their ids in label maps.

        Raises:
            UserError: the truth does not have them.
        """
        truth = self.truth
        try:
            return dict(zip(truth["classes"], map(int, truth["class_ids"]), strict=True))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{self.folder / 'truth.json'} does not have the ids of the classes ({error!r}); {_FIX}"
            ) from error

    def curves(self, row: ResultRow) -> dict[str, Any]:
        """Return ``{"recall": [101], "precision": {"all": [101], class: [101]}}`` at IoU 0.5.

        Precision is the mean over training seeds.

        Raises:
            UserError: a file is missing or damaged.
        """
        each = [self._shaped(f"cells/{key}/curves.json", Curves) for key in row.cells]

        def mean(name: str) -> list[float | None]:
            columns = zip(*(one["precision"][name] for one in each), strict=True)
            return [None if None in values else float(np.mean(values)) for values in columns]

        try:
            return {"recall": each[0]["recall"], "precision": {name: mean(name) for name in each[0]["precision"]}}
        except (KeyError, ValueError) as error:
            raise UserError(f"the curves.json of {row.enhancer}'s seeds do not fit each other; {_FIX}") from error

    def shown_predictions(self, row: ResultRow) -> dict[int, list[dict[str, Any]]]:
        """Return image id → COCO results scored .25 or more, for the gallery's images; of the first training seed.

        Raises:
            UserError: the file is missing or damaged.
        """
        if row.key not in self._shown:  # a large file that two sheets and the page need
            wanted = {int(entry["image_id"]) for entry in self.gallery()}
            records = _records_of(cell_folder(self.folder, row.cells[0]) / "predictions.json", wanted)
            self._shown[row.key] = by_image([each for each in records if each["score"] >= MIN_SCORE], wanted)
        return self._shown[row.key]

    def confusion(self, row: ResultRow) -> NDArray[np.int64]:
        """Return pixel counts ``(K, K + 1)`` by true and predicted class, summed over training seeds.

        The last column is "no class".

        Raises:
            UserError: a file is missing or damaged.
        """
        return np.asarray(np.sum([self._counts(key) for key in row.cells], axis=0))

    def errors(self) -> dict[str, RowErrors]:
        """Return row key → kinds of errors and objects; empty for a run without."""
        errors = read_errors(self.folder)
        groups = {
            str([list(row.kinds), {by: list(parts) for by, parts in row.objects.items()}]) for row in errors.values()
        }
        if len(groups) > 1:
            raise UserError(f"{self.folder / 'errors.json'} is damaged (its rows have different groups); {_FIX}")
        return errors

    @cached_property
    def decision(self) -> dict[str, Any]:
        """Parts of the run's decision that could be computed, by name; empty for a run without them.

        Raises:
            UserError: the file is damaged.
        """
        return read_decision(self.folder)

    def tones(self) -> dict[str, list[float]]:
        """Return row key → output in [0, 1] for the 256 levels of a grey ramp, for the rows that were measured."""
        return read_tone_curves(self.folder)

    def brightness(self) -> Brightness | None:
        """Return the differences over brightness of ``decision.json``; None for a run without.

        Raises:
            UserError: the file is damaged.
        """
        content = self.decision.get("brightness")
        if content is None:
            return None
        try:
            return check_shape(content, Brightness)
        except ValueError as error:
            raise UserError(f"{self.folder / DECISION} is damaged (brightness: {error}); {_FIX}") from error

    def gallery(self, which: Literal["images", "common"] = "images") -> list[dict[str, Any]]:
        """Return the gallery's entries; none if the run kept none.

        Args:
            which: ``images`` for those with the largest gains and losses, ``common`` for the one of every enhancer.
        """
        if not (self.folder / "gallery" / "index.json").is_file():
            return []
        return [dict(entry) for entry in self._shaped("gallery/index.json", Gallery).get(which, [])]

    def _counts(self, key: str) -> NDArray[np.int64]:
        path = cell_folder(self.folder, key) / "confusion.npz"
        try:
            return np.asarray(ConfusionTable.from_bytes(path.read_bytes()).counts.sum(axis=0))
        except Exception as error:  # zip, zlib and NumPy have a dozen classes for damage
            raise UserError(f"{path} is missing or damaged ({error}); {_FIX}") from error

    def _shaped(self, name: str, kind: type[T]) -> T:
        try:
            return check_shape(self._read(name), kind)
        except ValueError as error:
            raise UserError(f"{self.folder / name} is damaged ({error}); {_FIX}") from error

    def _read(self, name: str) -> Any:
        return read_json(self.folder / name, _FIX, dict)


def _records_of(path: Path, images: Collection[int]) -> list[dict[str, Any]]:
    """Return the records of some images in a COCO results list; ten times as fast as parsing the whole list.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if not text.rstrip().endswith("]"):
            raise ValueError("it is cut short")
        pattern = rf'{{"image_id": (?:{"|".join(map(str, sorted(images))) or "none"}),[^{{}}]*}}'
        if text.count('{"image_id": ') != text.count('"image_id"'):
            raise ValueError("it is not in the format that runs write")
        records: list[dict[str, Any]] = json.loads(f"[{','.join(re.findall(pattern, text))}]")
        check_shape(records, list[Prediction])
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is missing or damaged ({error}); {_FIX}") from error
    return records


def by_image(records: Sequence[dict[str, Any]], image_ids: Collection[int]) -> dict[int, list[dict[str, Any]]]:
    """Group COCO annotations or results by image, for the given images only."""
    groups: dict[int, list[dict[str, Any]]] = {image_id: [] for image_id in image_ids}
    for record in records:
        if record["image_id"] in groups:
            groups[record["image_id"]].append(record)
    return groups


def _by_key(rows: Iterable[ResultRow], ranks: Ranks | None) -> dict[str, Rank]:
    known = {row.key: ranks.of(row.enhancer) for row in rows} if ranks else {}
    return {key: rank for key, rank in known.items() if rank is not None}


def seeds(rows: Iterable[ResultRow]) -> str:
    """Return the number of training seeds behind the rows, ``3`` or ``2 to 3``; empty where nothing was trained."""
    counts = sorted({len(row.members) for row in rows if row.members})
    return " to ".join(str(count) for count in dict.fromkeys([*counts[:1], *counts[-1:]]))


def _without_exposure(spec: Spec) -> str:
    return str(Spec.of(spec.name, {key: value for key, value in spec.kwargs.items() if key != "ev"}))
