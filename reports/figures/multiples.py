"""Small multiples: one panel per curve, with all other curves in grey behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from ..labels import broken
from .style import PAGE, Look, canvas, sized

_ACROSS = 5
_SIDE = 1.3  # inches of a panel including tick labels
Curve = tuple[Any, Any]  # x and y, sequences of one length


def multiples(titles: Sequence[str], curves: Sequence[Curve], looks: Sequence[Look], ticks: Sequence[float]) -> Figure:
    """Draw square panels on common axes, each with one curve in its look; at most two columns wide.

    Args:
        titles, curves, looks: one of each per panel; a curve is (x, y).
        ticks: ticks of both axes, from end to end.
    """
    across = min(_ACROSS, len(curves))
    lines = math.ceil(len(curves) / across)
    heads = [[line for part in title.split("\n") for line in broken(part, 20)] for title in titles]
    tallest = [max(map(len, heads[k * across : (k + 1) * across])) for k in range(lines)]
    height = 0.55 + _SIDE * lines + 0.12 * (sum(tallest) - lines)
    figure = canvas(max(0.4 + _SIDE * across, PAGE / 2), height, layout="constrained")
    panels: Any = figure.subplots(lines, across, sharex=True, sharey=True, squeeze=False).ravel()
    for index, (axes, head, (x, y), own) in enumerate(zip(panels, heads, curves, looks, strict=False)):
        for others in curves:
            axes.plot(*others, color="0.85", linewidth=sized(0.5), zorder=1)
        axes.plot(
            x,
            y,
            color=own.colour,
            linestyle=own.line,
            linewidth=sized(1),
            marker=own.marker,
            markersize=sized(3),
            markevery=(len(x) // 10, len(x) // 5),
        )
        axes.set_title("\n".join(head), fontsize=sized(6.5))
        ends = (ticks[0], ticks[-1])
        axes.set(xlim=ends, ylim=ends, aspect="equal", xticks=ticks, yticks=ticks)
        axes.tick_params(labelbottom=index + across >= len(curves))
    for axes in panels[len(curves) :]:
        axes.remove()
    return figure
