"""Tables, records and figures of errors and objects."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sgz_bench.benchmarks.analyses.detection_errors import read_errors
from sgz_bench.benchmarks.results import read_rows
from sgz_bench.reports.figures.error_analysis import error_map, object_map
from sgz_bench.reports.figures.style import NothingToShow
from sgz_bench.reports.report import write_report
from sgz_bench.reports.run import FinishedRun
from sgz_bench.reports.tables.errors import error_tables

MakeRun = Callable[..., Path]
TWO = ("gamma(gamma=0.5)", "he")


@pytest.fixture
def run(make_run: MakeRun) -> FinishedRun:
    return FinishedRun.open(make_run(enhancers=TWO, bright=False))


def number(text: str) -> float:
    return float(text.replace("−", "-").strip("()"))


def test_costs_are_in_points_with_their_change_from_raw(run: FinishedRun) -> None:
    table, records = error_tables(run)["errors"]
    errors = read_errors(run.folder)
    (raw, *others), rows = table.blocks[0], read_rows(run.folder)
    kinds = [column.heading[0].lower() for column in table.columns[1:]]
    assert kinds == list(errors[rows[0].key].kinds)
    for cell, kind in zip(raw[1:], kinds, strict=True):
        assert number(cell.text) == pytest.approx(100 * (errors[rows[0].key].kinds[kind].cost or 0), abs=0.051)
    for line, row in zip(others, rows[1:], strict=True):
        for cell, kind in zip(line[1:], kinds, strict=True):
            cost, change = cell.text.split()
            known = errors[row.key].kinds[kind]
            assert number(cost) == pytest.approx(100 * (known.cost or 0), abs=0.051)
            assert number(change) == pytest.approx(100 * (known.cost_change or 0), abs=0.051)
            assert cell.value == known.cost
    assert len(records) == 3 * len(kinds)


def test_counts_have_their_interval_and_a_star_where_it_excludes_0(run: FinishedRun) -> None:
    table, records = error_tables(run)["error_counts"]
    for line in table.blocks[0][1:]:
        for cell in line[1:]:
            value, low, high = (
                number(part.strip("[],")) for part in cell.text.replace("[", "").replace("]", "").split()
            )
            assert low <= value <= high
            assert cell.mark == (low > 0 or high < 0)
    for record in records:
        assert (record["count_change_value"] is None) == (record["enhancer"] == "raw")


def test_objects_are_told_by_what_only_one_of_the_two_found(run: FinishedRun) -> None:
    table, records = error_tables(run)["objects"]
    assert [column.heading[0] for column in table.columns[1:]] == ["Small", "Medium", "Large"]
    objects = json.loads((run.folder / "truth.json").read_text())["annotations"]
    counts = [int(column.heading[1].strip("()")) for column in table.columns[1:]]
    assert sum(counts) == len(objects)
    assert counts[1] == sum(32**2 <= each["area"] < 96**2 for each in objects)
    for line, row in zip(table.blocks[0][1:], read_rows(run.folder)[1:], strict=True):
        for cell, record in zip(line[1:], [r for r in records if r["enhancer"] == row.enhancer], strict=True):
            if record["objects"]:
                assert cell.text == f"+{record['recovered']} −{record['lost']}"
                assert record["found"] == record["raw"] + record["recovered"] - record["lost"]  # type: ignore[operator]


def test_maps_have_a_line_for_every_enhancer_and_the_numbers_of_the_table(run: FinishedRun) -> None:
    errors = read_errors(run.folder)
    rows = read_rows(run.folder)
    figure = error_map(run.study, errors)
    shown = [[text.get_text() for text in figure.axes[0].texts][k * 6 : k * 6 + 6] for k in range(2)]
    wanted = [[100 * (kind.cost_change or 0) for kind in errors[row.key].kinds.values()] for row in rows[1:]]
    assert np.allclose([[number(text) for text in line] for line in shown], wanted, atol=0.051)
    objects = [text.get_text() for text in object_map(run.study, errors).axes[0].texts]
    assert objects == [cell.text for line in error_tables(run)["objects"][0].blocks[0][1:] for cell in line[1:]]


def test_a_run_of_before_has_neither(make_run: MakeRun) -> None:
    old = FinishedRun.open(make_run(enhancers=TWO, errors=False))
    assert error_tables(old) == {}
    for draw in (error_map, object_map):
        with pytest.raises(NothingToShow, match=r"no errors\.json; repeat the run's command"):
            draw(old.study, {})
    said: list[str] = []
    write_report(old.folder, ("png",), said.append)
    assert [line.partition(":")[0] for line in said] == ["errors", "objects"]
