"""Robustness over a darkness sweep: mean over stops of the lead metric, and its ratio to the bright images.

As mPC and rPC of robustness benchmarks: the mean performance over corruptions, and that mean relative to the clean
images (Hendrycks & Dietterich 2019, arXiv:1903.12261; Michaelis et al. 2019, arXiv:1907.07484). Here the corruptions
are the stops of darkening, and the clean images are the row ``bright``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from sgz_bench.core.errors import UserError
from sgz_bench.core.faults import first_fault
from sgz_bench.core.files import read_json, to_json, write_atomic
from sgz_bench.core.specs import Spec, parse_spec

from ..intervals import Paired
from ..results import ResultRow, read_rows
from ..statistics import all_weights
from ..store import read_run_json
from .candidates import lead_scores
from .evidence import Evidence

Floats = NDArray[np.float64]
FILE = "robustness.json"  # in the folder of a suite
_REPLICATES = 1000


@dataclass(frozen=True)
class Estimate:
    """Value with its 95 % interval over images; None where undefined."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Row:
    """One row over all stops.

    Attributes:
        label: label of the row; ``bright`` and ``raw`` are among them.
        mean: mean over the stops of the lead metric, in [0, 1] (mPC).
        ratio: ``mean`` over the metric of the bright images (rPC); None without these.
        delta: difference of ``mean`` from raw's; None for raw.
    """

    label: str
    mean: Estimate
    ratio: Estimate | None
    delta: Estimate | None


@dataclass(frozen=True)
class Robustness:
    """One sweep.

    Attributes:
        metric: lead metric of the task.
        stops: name of the run → stops by which its images were darkened, ascending.
        images: number of images, the same at all stops.
        rows: ``bright`` first if there is one, then raw, then the enhancers that all runs have.
        left_out: labels that some run lacks.
    """

    metric: str
    stops: dict[str, float]
    images: int
    rows: list[Row]
    left_out: list[str]


def robustness(runs: Sequence[Evidence], *, seed: int | None = None, replicates: int = _REPLICATES) -> Robustness:
    """Measure the robustness of each row over runs that differ in exposure only.

    All stops share their resamples of the images and the images that are left out, and intervals are those of
    :func:`..intervals.interval`, so a row's stops are as dependent as they are on the same images.

    Args:
        runs: two or more finished runs on the same images.
        seed: seed of the resamples; that of the first run if None.
        replicates: number of resamples, and the most groups of images that are left out.

    Raises:
        UserError: fewer than two runs, a run without an exposure, or runs on other images, models or classes.
    """
    stops = _stops(runs)
    runs = [run for _, run in sorted(zip(stops.values(), runs, strict=True), key=lambda pair: pair[0])]
    _refuse_other_images(runs)
    first = runs[0]
    present = [label for label in first.rows if all(label in run.rows for run in runs)]
    shown = ["raw", *(label for label in first.enhancers if label in present)]
    bright = ["bright"] if "bright" in present else []
    n_images = len(first.raw.image_ids)
    seed = first.rows["raw"].seed if seed is None else seed
    weights = all_weights(n_images, replicates, seed=seed)
    labels = [*bright, *shown]
    means = dict(zip(labels, np.mean([lead_scores(run, labels, weights) for run in runs], axis=0), strict=True))

    def estimate(values: Floats, *parts: Floats) -> Estimate:
        delta = Paired.over(values, parts, replicates).delta()
        return Estimate(delta["value"], delta["low"], delta["high"])

    rows = []
    for label in labels:
        own, raw, clean = means[label], means["raw"], means.get("bright")
        ratio = None if clean is None else estimate(own / np.where(clean > 0, clean, np.nan), own, clean)
        rows.append(Row(label, estimate(own, own), ratio, estimate(own - raw, own, raw) if label != "raw" else None))
    every = dict.fromkeys(label for run in runs for label in ("raw", *run.enhancers))
    left_out = [label for label in every if label not in labels]
    ordered = dict(sorted(stops.items(), key=lambda pair: pair[1]))
    return Robustness(first.lead, ordered, n_images, rows, left_out)


@dataclass(frozen=True)
class _Setting:
    """Everything but the exposure in which the runs of one sweep agree."""

    task: str
    dataset: str
    dataset_spec: str
    darken: str
    split: str
    protocol: str
    classes: tuple[str, ...]
    images: int
    seed: int
    model: str

    @classmethod
    def of(cls, run: Path, row: ResultRow) -> Self:
        dataset = _dataset(run)
        return cls(
            row.task,
            row.dataset,
            str(_without_exposure(dataset)) if dataset else "",
            str(_without_exposure(parse_spec(row.darken))) if row.darken else "",
            row.split,
            row.protocol,
            tuple(row.classes),
            row.images,
            row.seed,
            row.model_fingerprint,
        )


def write_robustness(folder: Path, say: Callable[[str], None] = lambda _line: None) -> list[Robustness]:
    """Measure the sweeps among the finished runs of a suite and write ``robustness.json``; without any, remove it.

    Runs at 0 stops are not part of a sweep, because their images are not dark.

    Args:
        folder: folder of the suite.
        say: receives one line for each run or sweep that is left out, with the reason.

    Raises:
        UserError: the file cannot be written.
    """
    groups: dict[_Setting, list[Path]] = {}
    for run in sorted(path.parent for path in folder.glob("*/results.jsonl")):
        try:
            raw = next((row for row in read_rows(run) if row.enhancer == "raw" and row.status == "ok"), None)
            if raw is not None and (exposure(run, raw) or 0) > 0:
                groups.setdefault(_Setting.of(run, raw), []).append(run)
        except UserError as error:
            say(f"left out of the robustness over stops: {error}")
    sweeps = []
    for runs in groups.values():
        if len(runs) > 1:
            try:
                sweeps.append(robustness([Evidence.read(run) for run in runs]))
            except UserError as error:
                say(f"left out: robustness over {', '.join(run.name for run in runs)}: {error}")
    if sweeps:
        write_atomic(folder / FILE, to_json({"sweeps": [asdict(sweep) for sweep in sweeps]}))
    else:
        (folder / FILE).unlink(missing_ok=True)
    return sweeps


def read_robustness(folder: Path) -> list[Robustness]:
    """Read the sweeps of a suite; empty without the file.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        content = TypeAdapter(dict[str, list[Robustness]]).validate_python(read_run_json(path))
        return content["sweeps"]
    except (ValidationError, KeyError) as error:
        reason = first_fault(error) if isinstance(error, ValidationError) else "it has no sweeps"
        raise UserError(f"{path} is damaged ({reason}); repeat the suite's command") from error


def exposure(run: Path, raw: ResultRow) -> float | None:
    """Return the stops by which a run's images were darkened, or at which they were rendered; None if as recorded."""
    specs = [parse_spec(raw.darken) if raw.darken else None, _dataset(run)]
    stops = [spec.kwargs["ev"] for spec in specs if spec is not None and "ev" in spec.kwargs]
    return float(stops[0]) if stops and isinstance(stops[0], int | float) else None


def _stops(runs: Sequence[Evidence]) -> dict[str, float]:
    """Return name of the run → stops.

    Raises:
        UserError: fewer than two runs, a run without an exposure, or two with the same.
    """
    if len(runs) < 2:
        raise UserError("a darkness sweep needs two runs at different stops; run the suite's other studies")
    stops: dict[str, float] = {}
    for run in runs:
        ev = exposure(run.run, run.rows["raw"])
        if ev is None:
            raise UserError(f"the images of {run.run} have no stops of darkening; sweep runs with --darken")
        if ev in stops.values():
            raise UserError(f"two runs of the sweep have {ev:g} stops; keep one of them")
        stops[run.run.name] = ev
    return stops


def _refuse_other_images(runs: Sequence[Evidence]) -> None:
    """Refuse runs that differ from the first in images, truth, model or classes.

    Raises:
        UserError: names the run and what differs.
    """
    first = runs[0]
    for run in runs[1:]:
        row, other = first.rows["raw"], run.rows["raw"]
        same = {
            "task": row.task == other.task,
            "model": row.model_fingerprint == other.model_fingerprint,
            "classes": row.classes == other.classes,
            "images": _images(first) == _images(run)
            and np.array_equal(first.raw.image_ids, run.raw.image_ids)
            and np.array_equal(first.raw.truth, run.raw.truth),
        }
        for what, equal in same.items():
            if not equal:
                raise UserError(
                    f"{run.run} and {first.run} differ in their {what}; a mean over stops needs the same {what} at all"
                    " stops, so repeat the suite's command on one data set"
                )


def _images(run: Evidence) -> list[str]:
    """Return the names of the images.

    Raises:
        UserError: ``truth.json`` is missing or damaged.
    """
    try:
        return [str(image.get("key") or image.get("file_name") or image["id"]) for image in run.truth["images"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{run.run / 'truth.json'} is damaged ({error!r}); repeat the run's command") from error


def _dataset(run: Path) -> Spec | None:
    """Return the data set in a run's settings; None if that is a path or unknown.

    Raises:
        UserError: the manifest is damaged.
    """
    path, fix = run / "manifest.json", "repeat the run's command"
    config = read_json(path, fix, dict).get("config", {}) if path.is_file() else {}
    if not isinstance(config, dict):
        raise UserError(f"{path} is damaged (its config is not an object); {fix}")
    text = str(config.get("dataset", ""))
    return None if not text or PurePath(text).suffix in {".yaml", ".yml"} else parse_spec(text)


def _without_exposure(spec: Spec) -> Spec:
    return Spec.of(spec.name, {key: value for key, value in spec.kwargs.items() if key != "ev"})
