"""Operating point in reports: its tables, its columns of the comparison, its figure, and damage."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sgz_bench.benchmarks.decisions.operating import GRID, OperatingPoint, OperatingRow
from sgz_bench.benchmarks.results import ResultRow, read_rows
from sgz_bench.core.errors import UserError
from sgz_bench.reports.figures.operating import f1_curves
from sgz_bench.reports.figures.style import NothingToShow, looks
from sgz_bench.reports.run import FinishedRun
from sgz_bench.reports.tables import markup
from sgz_bench.reports.tables.combine import combine
from sgz_bench.reports.tables.comparison import comparison_table
from sgz_bench.reports.tables.forms import FORMS, slices
from sgz_bench.reports.tables.spreadsheets import comparison_records
from sgz_bench.reports.tables.table import Table

MakeRun = Callable[..., Path]
WITH = ("gamma(gamma=0.5)", "he")


def markdown(table: Table) -> str:
    return markup.markdown(table).replace("\\", "")


def change(value: float | None, low: float | None = None, high: float | None = None) -> dict[str, float | None]:
    return {"value": value, "low": low, "high": high}


def row(index: int, raw: bool, **fields: Any) -> OperatingRow:
    rates = {"precision": 0.7 + index / 100, "recall": 0.4, "F1": 0.5 + index / 100, "FPPI": 1.25 - index / 10}
    deltas = {
        "precision": change(0.01, -0.01, 0.03),
        "recall": change(0.0, -0.02, 0.02),
        "F1": change(0.0123, 0.004, 0.02),
        "FPPI": change(-0.125, -0.31, 0.06),
    }
    return OperatingRow.model_validate(
        rates
        | {"true": 40.0, "false": 10.0, "missed": 60.0, "beyond_limit": 0, "delta": {} if raw else deltas}
        | {"threshold": 0.3 + index / 100, "best_f1": 0.6, "retuning": change(0.02, 0.01, 0.03)}
        | {"retuning_crossfitted": change(-0.004, -0.01, 0.002), "curve": [0.5] * len(GRID)}
        | {"gain_retuned": None if raw else change(0.03, 0.01, 0.05)}
        | fields
    )


@pytest.fixture
def pointed(make_run: MakeRun) -> MakeRun:
    """``pointed(name, conf=…, fields={"he": {…}}, …)`` writes a run with an operating point."""

    def make(
        name: str = "run", *, fields: Any = None, conf: float = 0.285, chosen: str = "raw", suffix: str = ""
    ) -> Path:
        def changed(row: ResultRow) -> ResultRow:
            key = row.key if row.enhancer in {"raw", "bright"} else row.key + suffix
            return replace(row, key=key, inference={"conf": 0.001, "max_det": 300})

        run = make_run(name, enhancers=WITH, change=changed)
        rows = {
            each.key: row(index, each.enhancer == "raw", **(fields or {}).get(each.enhancer, {}))
            for index, each in enumerate(read_rows(run))
        }
        numbers = {"conf": conf, "chosen": chosen, "iou": 0.5, "resamples": 1000, "splits": 20, "grid": GRID}
        point = OperatingPoint.model_validate(numbers | {"rows": rows})
        (run / "decision.json").write_text(json.dumps({"operating": point.model_dump()}))
        return run

    return make


def test_the_tables_have_every_row_and_say_how_the_threshold_was_chosen(pointed: MakeRun) -> None:
    tables = slices(FinishedRun.open(pointed()))
    point, records = tables["operating_point"]
    text = markdown(point)
    assert "Operating point: boxes scored .285 or more, on" in text
    assert "boxes scored .285 or more (the raw row's best F1 on these same images, of equal ones the highest" in text
    assert "IoU 0.5" in text
    assert "The model returns boxes scored 0.001 or more, at most 300 per image." in text
    (he,) = (line for line in text.splitlines() if line.startswith("| he"))
    assert "73.0" in he
    assert "+1.2 [+0.4, +2.0]" in he
    assert "−0.12 [−0.31, +0.06]" in he
    thresholds = markdown(tables["thresholds"][0])
    assert ".330 | 60.0 | −0.4 [−1.0, +0.2]" in thresholds
    assert "20 random halvings" in thresholds
    assert len(records) == 4
    assert {"conf", "conf_chosen", "precision", "delta_F1_low", "retuning", "retuning_crossfitted_high"} <= set(
        records[0]
    )


@pytest.mark.parametrize("form", FORMS)
def test_every_form_can_be_written(pointed: MakeRun, form: str) -> None:
    for name in ("operating_point", "thresholds"):
        table, records = slices(FinishedRun.open(pointed(name)))[name]
        assert FORMS[form]([table], records)


def test_columns_are_there_on_demand_and_not_by_default(pointed: MakeRun) -> None:
    run = FinishedRun.open(pointed())
    assert "Precision" not in markdown(comparison_table([run.study], [1000]))
    columns = ("AP50", "precision", "FPPI", "dF1", "dFPPI", "threshold", "retuning", "dF1_retuned")
    text = markdown(comparison_table([run.study], [1000], columns=columns))
    (he,) = (line for line in text.splitlines() if line.startswith("| he"))
    assert "**73.0**" in he  # best of raw and the enhancers
    assert "**0.950**" in he  # fewest false positives
    assert "+3.0 [+1.0, +5.0]" in he
    assert "* in the columns of the operating point: the interval excludes 0." in text
    rows = list(csv.DictReader(io.StringIO(FORMS["csv"]([], comparison_records([run.study])))))
    assert {each["conf"] for each in rows} == {"0.285"}
    assert [each["delta_FPPI"] for each in rows] == ["-0.125", "", "-0.125", "-0.125"]


def test_a_run_without_an_operating_point_has_no_such_column_or_table(made_up: dict[str, Path]) -> None:
    for folder in made_up.values():
        run = FinishedRun.open(folder)
        assert not {"operating_point", "thresholds"} & slices(run).keys()
        with pytest.raises(UserError, match="there is no column 'precision' here"):
            comparison_table([run.study], [1000], columns=["precision"])
        with pytest.raises(NothingToShow, match="no operating point"):
            f1_curves(run.study, looks([each.enhancer for each in run.study.rows]))


def test_undefined_precision_is_shown_as_other_undefined_values(pointed: MakeRun) -> None:
    nothing = {"precision": None, "threshold": None, "delta": {"precision": change(None), "F1": change(-0.5)}}
    run = FinishedRun.open(pointed(fields={"he": nothing}))
    (he,) = (line for line in markdown(slices(run)["operating_point"][0]).splitlines() if line.startswith("| he"))
    assert [cell.strip() for cell in he.split("|")[2:7:4]] == ["–", "–"]
    assert "–" in markdown(slices(run)["thresholds"][0])
    assert f1_curves(run.study, looks([each.enhancer for each in run.study.rows])).axes


def test_boxes_that_do_not_count_are_told(pointed: MakeRun) -> None:
    run = FinishedRun.open(pointed(fields={"he": {"beyond_limit": 12}}, conf=0.0005, chosen="given"))
    text = markdown(slices(run)["operating_point"][0])
    assert "Boxes beyond the 100 best of their class and image, which COCO leaves out: he 12." in text
    assert "given by --operating-point" in text
    assert "counts the same boxes as 0.001" in text


def test_runs_at_different_points_are_told_apart(pointed: MakeRun) -> None:
    runs = [FinishedRun.open(pointed(str(conf), conf=conf, chosen="given", suffix=f"-{conf}")) for conf in (0.2, 0.4)]
    studies = combine(runs)
    text = markdown(comparison_table(studies, [1000, 1000], columns=["F1"]))
    assert "Rows at different operating points are not comparable." in text
    assert "**" not in text.split("\n\n")[1]


@pytest.mark.parametrize("damage", ['{"operating": {"conf": "high"}}', '{"operating": [1]}', "[]", "{"])
def test_a_damaged_file_costs_its_tables_alone(pointed: MakeRun, damage: str) -> None:
    run = pointed()
    (run / "decision.json").write_text(damage)
    opened = FinishedRun.open(run)
    assert len(opened.faults) == 1
    assert "decision.json" in opened.faults[0]
    assert "repeat the run's command" in opened.faults[0]
    assert "operating_point" not in slices(opened)
