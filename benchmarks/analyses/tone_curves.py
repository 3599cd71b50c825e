"""Tone curves: output of each row's enhancer for a grey ramp, measured once when a run ends, in ``tones.json``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import to_json, write_atomic
from sgz_bench.enhancer.composites import Composite
from sgz_bench.enhancer.diagnostics import ramp_curve
from sgz_bench.enhancer.folder import Folder

from ..store import read_entries

if TYPE_CHECKING:
    from ..plan import Plan
    from ..results import ResultRow

FILE = "tones.json"
LEVELS = 256
_HEIGHT = 256  # pixels of the ramp; enough for the coarsest enhancer
_DIGITS = 5  # a fiftieth of an 8-bit level
Curve = Annotated[list[float], Field(min_length=LEVELS, max_length=LEVELS)]


def write_tone_curves(plan: Plan, run: Path, rows: Sequence[ResultRow], device: str) -> None:
    """Measure the curves that ``tones.json`` lacks, and rewrite it.

    ``raw``, ``bright``, folders of images and specs around an enhancer have no curve. Of several training seeds the
    first is measured.
    """
    try:
        known = read_tone_curves(run)
    except UserError:  # damaged: measure again
        known = {}
    kept: dict[str, list[float]] = {}
    for row, group in zip(rows, plan.rows, strict=True):
        enhancer = group[0].view.enhancer
        if row.status != "ok" or row.enhancer in {"raw", "bright"} or isinstance(enhancer, (Folder, Composite)):
            continue
        try:
            kept[row.key] = known.get(row.key) or [
                round(level, _DIGITS) for level in ramp_curve(enhancer, _HEIGHT, device).mean(axis=1).tolist()
            ]
        except (Exception, SystemExit):  # the row stays scored, but has no curve
            continue
    write_atomic(run / FILE, to_json(kept))


def read_tone_curves(run: Path) -> dict[str, list[float]]:
    """Read row key → output in [0, 1] for levels 0 to 255 of a grey ramp, mean of channels; empty without the file.

    Raises:
        UserError: the file is damaged.
    """
    return read_entries(run / FILE, Curve)
