"""Ranks in reports: columns on demand, and a figure, from the run's ``decision.json``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sgz_bench.benchmarks.decisions.ranks import Ranks
from sgz_bench.benchmarks.results import read_rows
from sgz_bench.core.errors import UserError
from sgz_bench.reports.figures.catalog import run_figures
from sgz_bench.reports.figures.ranks import rank_intervals
from sgz_bench.reports.figures.style import NothingToShow, looks
from sgz_bench.reports.run import FinishedRun
from sgz_bench.reports.tables.comparison import comparison_table

MakeRun = Callable[..., Path]


def ranked(run: Path) -> Path:
    """Add ranks to a run: the enhancers in their order, raw last."""
    labels = [row.enhancer for row in read_rows(run) if row.enhancer != "bright"]
    n = len(labels)
    order = tuple((k - 1) % n + 1 for k in range(n))
    ranks = Ranks(
        "AP50",
        tuple(labels),
        tuple(0.75 if k == 1 else 0.25 / (n - 1) for k in range(n)),
        tuple(n if place == n else place for place in order),
        tuple(max(1, place - 1) for place in order),
        tuple(min(n, place + 2) for place in order),
        300,
    )
    (run / "decision.json").write_text(json.dumps({"ranks": ranks.to_dict()}))
    return run


def test_columns_are_there_on_demand_and_not_by_default(make_run: MakeRun) -> None:
    study = FinishedRun.open(ranked(make_run(enhancers=("bright", "gamma(gamma=0.45)", "he")))).study
    assert "Rank" not in str(comparison_table([study], [100]).columns)
    table = comparison_table([study], [100], columns=["AP50", "best", "rank"])
    cells = {line[0].text: [cell.text for cell in line[2:]] for line in table.blocks[0]}
    assert cells == {
        "bright": ["–", "–"],
        "raw": ["12.5", "3 [2, 3]"],
        "gamma(gamma=0.45)": ["75.0", "1 [1, 3]"],
        "he": ["12.5", "2 [1, 3]"],
    }
    assert any("Best: share of resamples of the images" in note for note in table.notes)


def test_a_run_without_ranks_has_neither_columns_nor_a_figure(make_run: MakeRun) -> None:
    run = FinishedRun.open(make_run(enhancers=("he",)))
    with pytest.raises(UserError, match="there is no column 'rank' here"):
        comparison_table([run.study], [100], columns=["rank"])
    assert "ranks" not in run_figures(run, {})
    with pytest.raises(NothingToShow, match="no ranks"):
        rank_intervals(run.study, {})


@pytest.mark.parametrize("count", [1, 31])
def test_the_figure_has_a_line_for_each_row_best_on_top(make_run: MakeRun, count: int) -> None:
    names = tuple(f"gamma(gamma=0.{k})" for k in range(11, 11 + count) if k % 10)
    run = FinishedRun.open(ranked(make_run(enhancers=names)))
    figure = run_figures(run, looks([row.enhancer for row in run.study.rows]))["ranks"].draw()
    left, right = figure.axes
    labels = [text.get_text() for text in left.get_yticklabels()]
    assert len(labels) == len(names) + 1
    assert labels[0].replace("\n", "") == names[0]
    assert labels[-1] == "raw"
    assert len(right.patches) == len(names) + 1


def test_damaged_ranks_cost_the_columns_and_are_named_once(make_run: MakeRun) -> None:
    run = make_run(enhancers=("he",))
    (run / "decision.json").write_text('{"ranks": {"rows": 3}}')
    (fault,) = FinishedRun.open(run).faults
    assert "decision.json is damaged (ranks: " in fault
    (run / "decision.json").write_text("{")
    assert len(FinishedRun.open(run).faults) == 1
