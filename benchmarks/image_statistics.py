"""Statistics of a run's images as its raw row sees them, decoded and darkened, kept in ``images.json``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sgz_bench.core.device import usual_threads
from sgz_bench.core.errors import UserError
from sgz_bench.core.faults import first_fault
from sgz_bench.core.files import to_json, write_atomic
from sgz_bench.enhancer.image_statistics import STATISTICS, VERSION
from sgz_bench.tasks.label_space import Sample

from .plan import Plan
from .store import read_run_json

FILE = "images.json"
Values = dict[int, dict[str, float]]  # image id → statistic → value
_VALUES = TypeAdapter(Values)


def image_statistics(plan: Plan, run: Path) -> Values:
    """Return the statistics of all images that can be read; computed once and kept in the run's folder.

    Raises:
        UserError: the file cannot be written.
    """
    view = next(cell.view for cell in plan.cells if cell.label == "raw")
    darken = [view.darken.spec, view.darken.version] if view.darken else None
    identity = {"version": VERSION, "dataset_fingerprint": plan.dataset_fingerprint, "darken": darken}
    try:
        kept = read_run_json(run / FILE)
        if {name: kept.get(name) for name in identity} == identity:
            return _values(run, kept)
    except (UserError, AttributeError):  # not there, or damaged: computed again
        pass

    def measured(sample: Sample) -> dict[str, float] | None:
        try:
            image = view.read(sample, "cpu")
        except UserError:  # the run names it
            return None
        return {name: statistic.of(image) for name, statistic in STATISTICS.items()}

    samples = plan.dataset.samples
    with ThreadPoolExecutor(max(2, usual_threads())) as threads:
        results = zip(samples, threads.map(measured, samples), strict=True)
        values = {sample.id: result for sample, result in results if result is not None}
    images = {str(image_id): each for image_id, each in values.items()}
    write_atomic(run / FILE, to_json(identity | {"images": images}))
    return values


def read_image_statistics(run: Path) -> Values:
    """Read image id → statistic → value; empty for a run without them.

    Raises:
        UserError: the file is damaged.
    """
    return _values(run, read_run_json(run / FILE)) if (run / FILE).is_file() else {}


def _values(run: Path, content: Any) -> Values:
    try:
        values = _VALUES.validate_python(content["images"])
    except (ValidationError, KeyError, TypeError) as error:
        reason = first_fault(error) if isinstance(error, ValidationError) else repr(error)
        raise UserError(f"{run / FILE} is damaged ({reason}); repeat the run's command") from error
    return values
