"""Figure of the operating point: F1 over the score threshold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sgz_bench.benchmarks.results import ResultRow

from ..labels import broken
from ..numbers import percent
from ..run import Study
from .style import COLUMN, Look, NothingToShow, canvas, sized, styled

_MOST = 6  # curves besides raw and bright


@styled
def f1_curves(study: Study, look: Mapping[str, Look]) -> Figure:
    """Draw F1 over the threshold for raw, the upper bound and the best enhancers, with the operating point.

    Raises:
        NothingToShow: the run has no operating point.
    """
    drawn = [row for row in study.scored if row.key in study.operating]
    if not drawn:
        raise NothingToShow("no operating point")
    point = study.operating[drawn[0].key]
    numbers = {row.key: point.rows[row.key] for row in drawn if row.key in point.rows}
    enhanced = [row for row in study.enhanced if row.key in numbers]
    best = sorted(enhanced, key=lambda row: -(numbers[row.key].best_f1 or 0))[:_MOST]
    rows = [row for row in drawn if row.enhancer in {"raw", "bright"} or row in best]
    labels = study.labels
    figure = canvas(COLUMN, 2.6 + 0.145 * len(rows), layout="constrained")
    axes = figure.subplots()
    handles: list[Line2D] = []
    for row in rows:
        own, reference, numbers_of_row = look[row.enhancer], row.enhancer in {"raw", "bright"}, numbers[row.key]
        width, order = sized(1.5 if reference else 1.0), 3 if reference else 2
        curve = [100 * value for value in numbers_of_row.curve]
        axes.plot(point.grid, curve, color=own.colour, linestyle=own.line, linewidth=width, zorder=order)
        if numbers_of_row.threshold is not None:
            top = 100 * (numbers_of_row.best_f1 or 0)
            axes.plot(numbers_of_row.threshold, top, marker=own.marker, color=own.colour, ms=sized(4.5), zorder=4)
        handles.append(_handle(row, labels, own, numbers_of_row.F1))
    axes.axvline(point.conf, color="0.3", linewidth=sized(0.8), linestyle=(0, (4, 2)), zorder=1)
    axes.set(xlim=(0, 1), ylim=(0, None), xlabel="Score threshold", ylabel="F1 (%), all classes, IoU 0.5")
    at: dict[str, Any] = {
        "xy": (point.conf, 0),
        "xytext": (sized(3), sized(3)),
        "textcoords": "offset points",
        "color": "0.3",
    }
    text = f"operating point {point.conf:.3f}"
    axes.annotate(text, **at, xycoords=axes.get_xaxis_transform(), va="bottom", fontsize=sized(6))
    axes.grid()
    left_out = f"; the {len(best)} best of {len(enhanced)} enhancers" if len(best) < len(enhanced) else ""
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=1,
        handlelength=3,
        borderpad=0,
        title=f"F1 at the operating point; marks: each row's best{left_out}",
        title_fontsize=sized(6.5),
    )
    return figure


def _handle(row: ResultRow, labels: Mapping[str, str], look: Look, f1: float | None) -> Line2D:
    label = "\n".join(broken(labels[row.enhancer], 44)) + f", F1 {percent(f1)}"
    return Line2D([], [], color=look.colour, linestyle=look.line, marker=look.marker, label=label)
