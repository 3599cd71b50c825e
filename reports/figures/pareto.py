"""Pareto plot: gain of each enhancer over its time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator

from sgz_bench.benchmarks.analyses.costs import Cost
from sgz_bench.benchmarks.results import Delta

from ..labels import broken
from ..numbers import significant
from ..run import Study
from .style import COLUMN, Look, NothingToShow, canvas, points, sized, styled


@styled
def pareto(study: Study, look: Mapping[str, Look]) -> Figure:
    """Draw the lead metric's difference from raw over the enhancer's time per image, with intervals; one column wide.

    A line joins the enhancers that beat all faster ones. It starts from raw, which costs and gains nothing.

    Raises:
        NothingToShow: no enhancer was both compared and timed.
    """
    lead = study.vocabulary.lead
    positions = {
        row.enhancer: position
        for row in study.enhanced
        if (position := _position(study.costs.get(row.key), row.delta.get(lead))) is not None
    }
    if not positions:
        raise NothingToShow("no enhancer was both compared with raw and timed")
    labels = study.labels
    columns = 2 if max(len(labels[name]) for name in positions) <= 26 else 1
    figure = canvas(COLUMN, 2.3 + 0.145 * math.ceil(len(positions) / columns), layout="constrained")
    axes: Any = figure.subplots()
    handles: list[Line2D] = []
    for row in study.enhanced:
        if row.enhancer not in positions:
            continue
        x, y = positions[row.enhancer]
        own, delta = look[row.enhancer], row.delta[lead]
        if delta["low"] is not None and delta["high"] is not None:
            axes.plot([x, x], [100 * delta["low"], 100 * delta["high"]], color=own.colour, linewidth=sized(0.8))
        fill = own.colour if significant(delta) else "white"
        style: dict[str, Any] = {
            "color": own.colour,
            "marker": own.marker,
            "markerfacecolor": fill,
            "markersize": sized(4.5),
        }
        axes.plot([x], [y], **style)
        label = "\n".join(broken(labels[row.enhancer], 44))
        handles.append(Line2D([], [], linestyle="none", label=label, **style))
    left, right = min(x for x, _ in positions.values()) / 2, max(x for x, _ in positions.values()) * 2
    front = frontier(list(positions.values()))
    xs, ys = [left, *(x for x, _ in front), right], [0.0, *(y for _, y in front)]
    axes.step(xs, [*ys, ys[-1]], where="post", color="0.6", linewidth=sized(0.8), zorder=0)
    axes.axhline(0, color="0.3", linewidth=sized(0.7), zorder=0)
    axes.set_xscale("log")
    axes.set_xlim(left, right)
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if right / left > 100 else (1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:g}"))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda _value, _position: ""))
    axes.yaxis.set_major_formatter(points)
    axes.grid()
    cost = next(study.costs[row.key] for row in study.enhanced if row.enhancer in positions)
    axes.set_xlabel(f"enhancer, ms per image ({cost.width} × {cost.height}, {cost.device})")
    figure.suptitle("hollow: p ≥ .05 after Holm; line: nothing faster gains more", fontsize=sized(6.5))
    axes.set_ylabel(f"Δ{study.vocabulary.metrics[lead]} from raw, points")
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, borderpad=0)
    return figure


def frontier(positions: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the positions (cost, gain) that gain more than nothing and than all cheaper ones, cheapest first."""
    front: list[tuple[float, float]] = []
    for x, y in sorted(positions, key=lambda position: (position[0], -position[1])):
        if y > (front[-1][1] if front else 0.0):
            front.append((x, y))
    return front


def _position(cost: Cost | None, delta: Delta | None) -> tuple[float, float] | None:
    """Return milliseconds and points of a row; None if it was not timed or compared."""
    if cost is None or cost.enhancer_ms is None or delta is None or delta["value"] is None:
        return None
    return cost.enhancer_ms, 100 * delta["value"]
