"""Figure of the gain over brightness, from ``decision.json``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.reports.figures.brightness import brightness_curves
from sgz_bench.reports.figures.catalog import run_figures
from sgz_bench.reports.figures.style import NothingToShow, looks
from sgz_bench.reports.report import write_report
from sgz_bench.reports.run import FinishedRun

MakeRun = Callable[..., Path]
NAMES = ("gamma", "he", "clahe", "autogamma", "lime", "dual", "bimef")


def _content(names: tuple[str, ...] = NAMES) -> dict[str, Any]:
    points = [[2.0, -0.01, None, None], [9.0, 0.03, 0.01, 0.05], [40.0, 0.04, 0.02, 0.06]]
    nothing: dict[str, Any] = {"points": points, "pays": None, "costs": None}
    curves = dict.fromkeys(names, nothing)
    curves |= {"gamma": nothing | {"pays": {"where": "above", "low": 9.0, "high": 40.0}}}
    curves |= {"he": nothing | {"costs": {"where": "between", "low": 9.0, "high": 9.0}}}
    return {"metric": "AP50", "statistic": "luma", "images": 60, "window": 18, "enhancers": curves}


def _write(run: Path, content: Any) -> FinishedRun:
    (run / "decision.json").write_text(json.dumps({"brightness": content}))
    return FinishedRun.open(run)


def test_panels_are_the_best_six_and_say_where_a_gain_is_shown(make_run: MakeRun) -> None:
    run = _write(make_run(enhancers=NAMES), _content())
    figure = brightness_curves(run.study, run.brightness(), looks([row.enhancer for row in run.study.rows]))
    deltas = {row.enhancer: row.delta["AP50"]["value"] for row in run.study.enhanced}
    best = sorted(NAMES, key=lambda name: -(deltas[name] or 0.0))[:6]
    titles = [axes.get_title().split("\n") for axes in figure.axes]
    assert [run.study.labels[name] for name in best] == [title[0] for title in titles]
    said = {name: title[1] for name, title in zip(best, titles, strict=True)}
    wanted = dict.fromkeys(NAMES, "no difference shown anywhere")
    wanted |= {"gamma": "gains above luma 9", "he": "loses at luma 9"}
    assert said == {name: wanted[name] for name in best}
    assert figure.axes[0].get_xscale() == "log"  # twentyfold
    thick = [line for line in figure.axes[best.index("gamma")].lines if line.get_linewidth() > 1.5]
    assert [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in thick] == [([9.0, 40.0], [3.0, 4.0])]
    assert "the best 6 of 7" in figure.get_supxlabel()


def test_runs_without_a_decision_have_no_such_figure_and_those_without_curves_say_why(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = FinishedRun.open(make_run("old", enhancers=("gamma",)))
    look = looks([row.enhancer for row in run.study.rows])
    assert run.brightness() is None
    assert "brightness" not in run_figures(run, look)
    few = _content(()) | {"enhancers": {}, "reason": "9 images are too few for a curve"}
    run = _write(tmp_path / "old", few)
    assert "brightness" in run_figures(run, look)
    with pytest.raises(NothingToShow, match=r"^9 images are too few for a curve$"):
        brightness_curves(run.study, run.brightness(), look)


@pytest.mark.parametrize(
    "content", [3, {}, _content() | {"enhancers": {"gamma": {"points": [[1.0]], "pays": None, "costs": None}}}]
)
def test_a_damaged_file_is_named_and_the_other_figures_are_drawn(make_run: MakeRun, content: Any) -> None:
    run = make_run(enhancers=("gamma",))
    with pytest.raises(UserError, match=r"decision.json is damaged \(brightness: .*\); repeat the run's command$"):
        _write(run, content).brightness()
    said: list[str] = []
    written = write_report(run, ("png",), said.append, ("brightness", "forest"))
    assert [path.name for path in written] == ["forest.png"]
    assert len(said) == 1
    assert said[0].startswith("brightness: not drawn, ")
