"""Figures of many enhancers come in pages that fit a paper."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from sgz_bench.reports.figures.catalog import run_figures
from sgz_bench.reports.figures.confusion import confusion_change
from sgz_bench.reports.figures.study import class_bars
from sgz_bench.reports.figures.style import looks
from sgz_bench.reports.page.html import section
from sgz_bench.reports.report import write_report
from sgz_bench.reports.run import FinishedRun
from sgz_bench.reports.tables.comparison import comparison_table

MakeRun = Callable[..., Path]
MANY = tuple(f"gamma(gamma={exponent})" for exponent in range(2, 29))
TEXT_HEIGHT = 8.875  # inches of a page of CVPR's template


@pytest.fixture
def bars(make_run: MakeRun) -> tuple[FinishedRun, list[Figure]]:
    run = FinishedRun.open(make_run(enhancers=MANY, gallery=False))
    return run, class_bars(run.study, looks([row.enhancer for row in run.study.rows]))


def titles(figures: list[Figure]) -> list[str]:
    return [axes.get_title().replace("\n", "") for figure in figures for axes in figure.axes if axes.get_title()]


def test_every_enhancer_has_a_panel_on_one_of_the_pages_the_best_first(bars: tuple[FinishedRun, list[Figure]]) -> None:
    run, pages = bars
    by_gain = sorted(run.study.enhanced, key=lambda row: row.delta["AP50"]["value"] or 0.0, reverse=True)
    assert len(pages) > 1
    assert titles(pages) == [row.enhancer for row in by_gain]


def test_pages_fit_a_paper_and_have_one_scale(bars: tuple[FinishedRun, list[Figure]]) -> None:
    _, pages = bars
    assert all(figure.get_figheight() < TEXT_HEIGHT for figure in pages)
    assert len({figure.axes[0].get_xlim() for figure in pages}) == 1
    assert [figure.get_supxlabel().replace("\n", " ").rpartition("; ")[2] for figure in pages] == [
        "enhancers 1 to 16 of 27, best AP50 first",
        "enhancers 17 to 27 of 27, best AP50 first",
    ]


def test_what_fits_on_one_page_stays_in_the_order_of_the_run(make_run: MakeRun) -> None:
    run = FinishedRun.open(make_run(enhancers=MANY[:9], gallery=False))
    (figure,) = class_bars(run.study, looks([row.enhancer for row in run.study.rows]))
    assert titles([figure]) == list(MANY[:9])
    assert "enhancers" not in figure.get_supxlabel()


def test_confusion_in_pages_keeps_every_panel_and_the_scale_of_its_colours(make_segmentation: MakeRun) -> None:
    run = FinishedRun.open(make_segmentation(enhancers=MANY))
    pages = confusion_change(run.study, {row.key: run.confusion(row) for row in run.study.scored})
    assert sorted(titles(pages)) == sorted(MANY)
    assert all(figure.get_figheight() < TEXT_HEIGHT for figure in pages)
    assert len({axes.collections[0].get_clim() for figure in pages for axes in figure.axes[:1]}) == 1


def test_pages_are_files_of_their_own_and_pictures_of_their_own(make_run: MakeRun) -> None:
    folder = make_run(enhancers=MANY, gallery=False, errors=False)
    assert [path.name for path in write_report(folder, ("png",), figures=("per_class",))] == [
        "per_class.png",
        "per_class-2.png",
    ]
    run = FinishedRun.open(folder)
    drawn = run_figures(run, looks([row.enhancer for row in run.study.rows]))
    shown = section(run, [comparison_table([run.study], [None])], {"per_class": drawn["per_class"]}).further
    assert [picture.title for picture in shown] == ["By class, 1 of 2", "By class, 2 of 2"]
