"""What kinds of errors enhancement adds and removes, and which objects it recovers and loses: ``errors.json``.

Costs are those of all predictions, as AP50 is. Counts are of predictions scored .25 or more, the ones that the gallery
draws and a user of the detector sees: a detector run at a score of .001 answers with up to hundreds of boxes an image,
nearly all of them background, and a count of those would measure how many boxes it may return.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from sgz_bench.core.files import write_atomic
from sgz_bench.tasks.detection.metrics.tide import TYPES, find_errors

from ..results import ResultRow
from ..statistics import interval, resample_weights
from ..store import LOG, cell_folder, read_entries, read_log, read_run_json

FILE = "errors.json"
MIN_SCORE = 0.25  # of predictions that are counted; costs are those of all
SIZES = {"small": 32**2, "medium": 96**2, "large": np.inf}  # upper bounds of COCO's areas, pixels
LUMINANCES = {"< 16": 16, "16 to 32": 32, "32 to 64": 64, "≥ 64": np.inf}  # upper bounds, levels of 255


class Kind(BaseModel):
    """One type of error in one row.

    Attributes:
        cost: how much AP50 would rise without it, in [0, 1].
        cost_change: cost minus that of the raw row; None in the raw row itself.
        count: among predictions scored .25 or more.
        count_change: ``value``, ``low``, ``high``: count minus that of the raw row, with its 95 % paired bootstrap
            interval over images; None in raw.
    """

    model_config = ConfigDict(frozen=True)

    cost: float | None
    cost_change: float | None
    count: float
    count_change: dict[str, float | None] | None


class Group(BaseModel):
    """Objects of one size or brightness.

    Attributes:
        objects: how many there are.
        raw, found: that the raw row, and this one, found.
        recovered, lost: found by this row alone, and by the raw row alone.
    """

    model_config = ConfigDict(frozen=True)

    objects: int
    raw: int
    found: int
    recovered: int
    lost: int


class RowErrors(BaseModel):
    """The errors of one row.

    Attributes:
        kinds: type of error → its cost and number; means over training seeds.
        objects: ``size`` and ``luminance`` → group → its objects; of several training seeds the first.
    """

    model_config = ConfigDict(frozen=True)

    kinds: dict[str, Kind]
    objects: dict[str, dict[str, Group]]


def write_errors(run: Path, rows: Sequence[ResultRow], *, seed: int, replicates: int) -> None:
    """Find the errors of every scored row of a detection and write them by row key; nothing without a raw row."""
    truth = read_run_json(run / "truth.json")
    raw = next((row for row in rows if row.enhancer == "raw" and row.status == "ok"), None)
    if raw is None:
        (run / FILE).unlink(missing_ok=True)
        return
    weights = np.concatenate(
        [
            np.ones((1, len(truth["images"])), dtype=np.int32),
            resample_weights(len(truth["images"]), replicates, seed=seed),
        ]
    ).astype(np.float64)  # once, not at every row
    first = _count_errors(run, raw, truth)
    groups = _groups(run, raw, truth, first.annotations)
    found: dict[str, Any] = {}
    for row in rows:
        if row.status != "ok":
            continue
        own = first if row is raw else _count_errors(run, row, truth)
        changed = weights @ (own.counts - first.counts) if row is not raw else None
        found[row.key] = RowErrors(
            kinds={
                name: Kind(
                    cost=own.costs[name],
                    cost_change=_minus(own.costs[name], first.costs[name]) if row is not raw else None,
                    count=float(own.counts[:, place].sum()),
                    count_change=_change(changed[:, place]) if changed is not None else None,
                )
                for place, name in enumerate(TYPES)
            },
            objects={
                by: {name: _group(first.found[members], own.found[members]) for name, members in parts.items()}
                for by, parts in groups.items()
            },
        ).model_dump()
    write_atomic(run / FILE, json.dumps(found) + "\n")


def read_errors(run: Path) -> dict[str, RowErrors]:
    """Row key → its errors; empty for a run without.

    Raises:
        UserError: the file is damaged.
    """
    return read_entries(run / FILE, RowErrors)


class _ErrorCounts(NamedTuple):
    """What one row's predictions say, O objects on N images."""

    costs: dict[str, float | None]  # means over training seeds
    counts: NDArray[np.float64]  # (N, 6), means over training seeds
    found: NDArray[np.bool_]  # (O,), of the first training seed
    annotations: list[int]  # ids of the O objects


def _count_errors(run: Path, row: ResultRow, truth: Mapping[str, Any]) -> _ErrorCounts:
    each = [find_errors(truth, read_run_json(cell_folder(run, key) / "predictions.json")) for key in row.cells]
    costs = [errors.costs() for errors in each]
    known = {name: [value for one in costs if (value := one[name]) is not None] for name in TYPES}
    shown = [errors.above(MIN_SCORE) for errors in each]
    return _ErrorCounts(
        {name: float(np.mean(values)) if values else None for name, values in known.items()},
        np.mean([errors.counts() for errors in shown], axis=0),
        shown[0].found,
        shown[0].annotation.tolist(),
    )


def _groups(
    run: Path, raw: ResultRow, truth: Mapping[str, Any], objects: Sequence[int]
) -> dict[str, dict[str, NDArray[np.intp]]]:
    """By what → group → the places of its objects in ``objects``, which are ids of annotations."""
    annotations = {each["id"]: each for each in truth["annotations"]}
    areas = [annotations[number]["area"] for number in objects]
    found = {"size": _binned(areas, SIZES)}
    luminance = _luminances(run, raw, truth)
    if luminance is not None:
        found["luminance"] = _binned([luminance[number] for number in objects], LUMINANCES)
    return found


def _binned(values: Sequence[float], bounds: Mapping[str, float]) -> dict[str, NDArray[np.intp]]:
    places = np.searchsorted(list(bounds.values()), values, side="right")
    return {name: np.flatnonzero(places == number) for number, name in enumerate(bounds)}


def _luminances(run: Path, raw: ResultRow, truth: Mapping[str, Any]) -> dict[int, float] | None:
    """Annotation id → mean luma of its box as the raw row's model saw it; None for a run that did not measure it."""
    by_image: dict[int, list[int]] = {}
    for each in truth["annotations"]:
        by_image.setdefault(each["image_id"], []).append(each["id"])
    path = cell_folder(run, raw.cells[0]) / LOG
    log = read_log(path) if path.is_file() else {}
    found: dict[int, float] = {}
    for image_id, numbers in by_image.items():
        measured = log.get(image_id, {}).get("luminance")
        if measured is None or len(measured) != len(numbers):
            return None
        found |= dict(zip(numbers, measured, strict=True))
    return found


def _group(raw: NDArray[np.bool_], own: NDArray[np.bool_]) -> Group:
    return Group(
        objects=len(raw),
        raw=int(raw.sum()),
        found=int(own.sum()),
        recovered=int((own & ~raw).sum()),
        lost=int((raw & ~own).sum()),
    )


def _change(sums: NDArray[np.floating[Any]]) -> dict[str, float | None]:
    delta = interval(sums.astype(np.float64))
    return {"value": delta["value"], "low": delta["low"], "high": delta["high"]}


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
