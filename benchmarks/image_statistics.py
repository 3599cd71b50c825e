"""Statistics of a run's images as its raw row sees them, decoded and darkened, kept in ``images.json``."""

from __future__ import annotations

from collections.abc import Sequence
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


def image_statistics(plan: Plan, run: Path, samples: Sequence[Sample] | None = None) -> Values:
    """Return the statistics of the images that can be read; each is measured once and kept in the run's folder.

    Args:
        plan: plan of the study.
        run: folder of the run.
        samples: images of the study that are needed, as ``--until`` takes them by and by; all if None.

    Raises:
        UserError: the file cannot be written.
    """
    view = next(cell.view for cell in plan.cells if cell.label == "raw")
    darken = [view.darken.spec, view.darken.version] if view.darken else None
    identity = {"version": VERSION, "dataset_fingerprint": plan.dataset_fingerprint, "darken": darken}
    wanted = plan.dataset.samples if samples is None else samples
    kept: Values = {}
    try:
        content = read_run_json(run / FILE)
        if {name: content.get(name) for name in identity} == identity:
            kept = {image: each for image, each in _values(run, content).items() if each.keys() == STATISTICS.keys()}
    except (UserError, AttributeError):  # not there, or damaged: computed again
        pass

    def measured(sample: Sample) -> dict[str, float] | None:
        try:
            image = view.read(sample, "cpu")
        except UserError:  # the run names it
            return None
        return {name: statistic.of(image) for name, statistic in STATISTICS.items()}

    missing = [sample for sample in wanted if sample.id not in kept]
    with ThreadPoolExecutor(max(2, usual_threads())) as threads:
        results = zip(missing, threads.map(measured, missing), strict=True)
        new = {sample.id: result for sample, result in results if result is not None}
    known = kept | new
    if new or not (run / FILE).is_file():
        images = {str(sample.id): known[sample.id] for sample in plan.dataset.samples if sample.id in known}
        write_atomic(run / FILE, to_json(identity | {"images": images}))
    return {sample.id: known[sample.id] for sample in wanted if sample.id in known}


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
