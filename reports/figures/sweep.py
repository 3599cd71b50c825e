"""Metric and gain of every enhancer over exposure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sgz_bench.benchmarks.results import is_bound

from ..labels import broken, enhancer_labels
from ..numbers import significant
from ..run import Study
from .style import PAGE, Look, NothingToShow, canvas, points, sized, styled


@styled
def sweep(exposures: Sequence[tuple[float, Study]], look: Mapping[str, Look]) -> Figure:
    """Draw the first compared metric of every row, and its difference from raw with intervals, over exposure.

    Args:
        exposures: stops by which images were darkened, with the study at each; ascending.
        look: look of each enhancer.

    Raises:
        NothingToShow: fewer than two exposures, or no scored row.
    """
    names = list(dict.fromkeys(row.enhancer for _, study in exposures for row in study.scored))
    if len(exposures) < 2 or not names:
        raise NothingToShow("fewer than two exposures were scored")
    words = exposures[0][1].vocabulary
    metric = words.compared[0]
    labels = enhancer_labels(names)
    columns = 3 if max(map(len, labels.values())) <= 30 else 2
    height = 2.7 + 0.145 * math.ceil(len(names) / columns)
    figure = canvas(PAGE, height, layout="constrained")
    values, differences = figure.subplots(1, 2)
    compared = [name for name in names if name != "raw" and not is_bound(name)]
    spacing = min(b - a for (a, _), (b, _) in itertools.pairwise(exposures))
    for name in names:
        own, points_of = look[name], [(ev, row) for ev, study in exposures if (row := study.find(name)) is not None]
        style = {"color": own.colour, "linestyle": own.line, "marker": own.marker, "markersize": sized(3.5)}
        known = [(ev, value) for ev, row in points_of if (value := row.metrics.get(metric)) is not None]
        values.plot([ev for ev, _ in known], [100 * value for _, value in known], **style)
        if name not in compared:
            continue
        aside = spacing * 0.5 * ((compared.index(name) + 0.5) / len(compared) - 0.5)  # keeps intervals apart
        for ev, row in points_of:
            delta = row.delta.get(metric)
            if delta is None or delta["value"] is None:
                continue
            if delta["low"] is not None and delta["high"] is not None:
                interval = [100 * delta["low"], 100 * delta["high"]]
                differences.plot([ev + aside] * 2, interval, color=own.colour, linewidth=sized(0.8))
            fill = own.colour if significant(delta) else "white"
            differences.plot(
                [ev + aside],
                [100 * delta["value"]],
                color=own.colour,
                marker=own.marker,
                markerfacecolor=fill,
                ms=sized(3.5),
            )
    differences.axhline(0, color="0.3", linewidth=sized(0.7), zorder=0)
    values.set_ylabel(f"{words.metrics[metric]} (%)")
    values.set_ylim(bottom=0)
    differences.set_ylabel(f"Δ{words.metrics[metric]} from raw, points")
    differences.yaxis.set_major_formatter(points)
    for axes in (values, differences):
        axes.set_xlabel("darkened by, stops (EV)")
        axes.set_xticks([ev for ev, _ in exposures])
        axes.grid()
    rows = exposures[0][1].rows
    figure.suptitle(
        f"{words.title} on {rows[0].dataset} ({rows[0].split}). "
        "Intervals: 95 %, paired, over images; hollow: p ≥ .05 after Holm.",
        fontsize=sized(7),
    )
    handles = [
        Line2D(
            [], [], color=look[n].colour, linestyle=look[n].line, marker=look[n].marker,
            label="\n".join(broken(labels[n], 44)),
        )
        for n in names
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=3, borderpad=0)
    return figure
