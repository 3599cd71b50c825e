"""Damaged files of a run: its report has the rest, or there is one error that names the file."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from mutations import as_json, mutated_bytes, mutated_text

from sgz_bench.core.errors import UserError
from sgz_bench.reports.page.facts import failures, protocol, provenance
from sgz_bench.reports.page.gallery import pairs
from sgz_bench.reports.page.verdict import verdict
from sgz_bench.reports.run import FinishedRun
from sgz_bench.reports.tables.comparison import comparison_table
from sgz_bench.reports.tables.forms import slices
from sgz_bench.reports.tables.table import cost_tables

EXAMPLES = int(os.environ.get("SGZ_BENCH_FUZZ_EXAMPLES", 15))
INDEX = "gallery/index.json"
FILES = (
    "manifest.json",
    "results.jsonl",
    "truth.json",
    "costs.json",
    "errors.json",
    "tones.json",
    "gallery/index.json",
)
CELL_FILES = ("curves.json", "predictions.json", "confusion.npz")


def _read_all(folder: Path) -> None:
    run = FinishedRun.open(folder)
    comparison_table([run.study], [run.replicates])
    cost_tables([run.study])
    for read in (slices, protocol, provenance, failures, lambda run: verdict(run.study), lambda run: pairs(run, 2)):
        with contextlib.suppress(UserError):
            read(run)
    for row in run.study.scored:
        for method in (run.curves, run.shown_predictions, run.confusion):
            with contextlib.suppress(UserError):
                method(row)
    for part in (run.errors, run.tones, run.class_ids, lambda: run.setting, lambda: run.exposure):
        with contextlib.suppress(UserError):
            part()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*FILES, *CELL_FILES])
@pytest.mark.parametrize("task", ["detection", "segmentation"])
def test_a_damaged_file_gives_a_report_or_one_error(
    task: str, name: str, made_up: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(made_up[task], tmp_path / "run"))
    _read_all(folder)
    path = folder / name if name in FILES else next(iter(sorted(folder.glob(f"cells/*/{name}"))), folder / name)
    if not path.is_file():
        pytest.skip(f"the run has no {name}")
    intact = path.read_bytes()
    if name.endswith(".json"):
        damaged = as_json(json.loads(intact))
    else:
        damaged = mutated_text(intact.decode()) if name.endswith(".jsonl") else mutated_bytes(intact)

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(damaged)
    def check(data: bytes) -> None:
        path.write_bytes(data)
        with contextlib.suppress(UserError):
            _read_all(folder)

    check()
