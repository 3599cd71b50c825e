"""Detection errors that enhancement adds and removes, and objects that it recovers and loses: ``errors.json``.

Costs cover all predictions, as AP50 does. Counts cover predictions scored .25 or more, which the gallery draws and a
user of the detector sees. At a minimum score of .001 a detector returns up to hundreds of boxes per image, nearly all
of them background; their count would only measure how many boxes the detector may return.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from sgz_bench.core.files import write_atomic
from sgz_bench.tasks.detection.metrics.tide import TYPES, find_errors

from ..results import ResultRow
from ..statistics import interval, resample_weights
from ..store import LOG, cell_folder, read_entries, read_log, read_run_json

FILE = "errors.json"
MIN_SCORE = 0.25  # of counted predictions; costs cover all predictions
SIZES = {"small": 32**2, "medium": 96**2, "large": np.inf}  # upper bounds of COCO's areas, pixels
LUMINANCES = {"< 16": 16, "16 to 32": 32, "32 to 64": 64, "≥ 64": np.inf}  # upper bounds, levels of 255


class Change(TypedDict):
    """A difference from the raw row with its 95 % interval."""

    value: float | None
    low: float | None
    high: float | None


class Kind(BaseModel):
    """One type of error in one row.

    Attributes:
        cost: rise of AP50 if these errors were fixed, in [0, 1].
        cost_change: cost minus the raw row's cost; None in the raw row itself.
        count: number of errors among predictions scored .25 or more.
        count_change: ``value``, ``low``, ``high``: count minus the raw row's count, with its 95 % paired bootstrap
            interval over images; None in the raw row itself.
    """

    model_config = ConfigDict(frozen=True)

    cost: float | None
    cost_change: float | None
    count: float
    count_change: Change | None


class Group(BaseModel):
    """Objects of one size or brightness.

    Attributes:
        objects: number of objects.
        raw, found: number of objects found in the raw row, and in this row.
        recovered, lost: number of objects found only in this row, and only in the raw row.
    """

    model_config = ConfigDict(frozen=True)

    objects: int
    raw: int
    found: int
    recovered: int
    lost: int


class RowErrors(BaseModel):
    """Errors of one row.

    Attributes:
        kinds: type of error → its cost and number; means over training seeds.
        objects: ``size`` and ``luminance`` → group → its objects, for the first training seed.
    """

    model_config = ConfigDict(frozen=True)

    kinds: dict[str, Kind]
    objects: dict[str, dict[str, Group]]


def write_errors(run: Path, rows: Sequence[ResultRow], *, seed: int, replicates: int) -> None:
    """Find the errors of every scored row of a detection run and write them by row key; nothing without a raw row."""
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
    ).astype(np.float64)  # converted once for all rows
    first = _count_errors(run, raw, truth)
    groups = _groups(run, raw, truth, first.annotations)
    errors: dict[str, Any] = {}
    for row in rows:
        if row.status != "ok":
            continue
        own = first if row is raw else _count_errors(run, row, truth)
        changed = weights @ (own.counts - first.counts) if row is not raw else None
        errors[row.key] = RowErrors(
            kinds={
                name: Kind(
                    cost=own.costs[name],
                    cost_change=_minus(own.costs[name], first.costs[name]) if row is not raw else None,
                    count=float(own.counts[:, column].sum()),
                    count_change=_change(changed[:, column]) if changed is not None else None,
                )
                for column, name in enumerate(TYPES)
            },
            objects={
                by: {name: _group(first.found[members], own.found[members]) for name, members in parts.items()}
                for by, parts in groups.items()
            },
        ).model_dump()
    write_atomic(run / FILE, json.dumps(errors) + "\n")


def read_errors(run: Path) -> dict[str, RowErrors]:
    """Read row key → errors; empty for a run without them.

    Raises:
        UserError: the file is damaged.
    """
    return read_entries(run / FILE, RowErrors)


class _ErrorCounts(NamedTuple):
    """Errors of one row's predictions, for O objects on N images."""

    costs: dict[str, float | None]  # means over training seeds
    counts: NDArray[np.float64]  # (N, 6), means over training seeds
    found: NDArray[np.bool_]  # (O,), of the first training seed
    annotations: list[int]  # ids of the O objects


def _count_errors(run: Path, row: ResultRow, truth: Mapping[str, Any]) -> _ErrorCounts:
    """Count the errors in the predictions of a row's cells."""
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
    """Return ``size`` or ``luminance`` → group → indices into ``objects``, which are annotation ids."""
    annotations = {each["id"]: each for each in truth["annotations"]}
    areas = [annotations[number]["area"] for number in objects]
    groups = {"size": _binned(areas, SIZES)}
    luminance = _luminances(run, raw, truth)
    if luminance is not None:
        groups["luminance"] = _binned([luminance[number] for number in objects], LUMINANCES)
    return groups


def _binned(values: Sequence[float], bounds: Mapping[str, float]) -> dict[str, NDArray[np.intp]]:
    """Return group → indices of the values in it, for groups by upper bound."""
    bins = np.searchsorted(list(bounds.values()), values, side="right")
    return {name: np.flatnonzero(bins == number) for number, name in enumerate(bounds)}


def _luminances(run: Path, raw: ResultRow, truth: Mapping[str, Any]) -> dict[int, float] | None:
    """Return annotation id → mean luma of its box in the raw row's input; None for a run without that measurement."""
    by_image: dict[int, list[int]] = {}
    for each in truth["annotations"]:
        by_image.setdefault(each["image_id"], []).append(each["id"])
    path = cell_folder(run, raw.cells[0]) / LOG
    log = read_log(path) if path.is_file() else {}
    luminances: dict[int, float] = {}
    for image_id, numbers in by_image.items():
        measured = log.get(image_id, {}).get("luminance")
        if measured is None or len(measured) != len(numbers):
            return None
        luminances |= dict(zip(numbers, measured, strict=True))
    return luminances


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
