"""Heat map of differences: one line per enhancer, on a scale that diverges from 0."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .style import COLUMN, PAGE, canvas, difference_bar, sized


def heat_map(
    grid: NDArray[np.float64],
    texts: Sequence[Sequence[str]],
    lines: Sequence[str],
    columns: Sequence[str],
    *,
    label: str,
    note: str,
    line_height: float,
    good: str = "high",
) -> Figure:
    """Draw a heat map; the calling function must be ``styled``.

    Args:
        grid: ``(lines, columns)`` in points; NaN stays white.
        texts: text of each cell.
        lines, columns: names of the lines and columns.
        label: label of the colour bar.
        note: text under the map.
        line_height: inches for the tallest name of a line.
        good: ``high`` or ``low``: the numbers that are blue.
    """
    limit = max(float(np.nanmax(np.abs(grid), initial=0.0)), 0.1) if not np.isnan(grid).all() else 0.1
    width = min(PAGE, max(COLUMN, 2.2 + 0.47 * len(columns)))
    figure = canvas(width, 0.85 + max(line_height, 0.27) * len(lines), layout="constrained")
    axes = figure.subplots()
    colours = "RdBu" if good == "high" else "RdBu_r"
    mesh = axes.pcolormesh(grid, cmap=colours, vmin=-limit, vmax=limit, edgecolors="white", linewidth=sized(0.8))
    for y, line in enumerate(texts):
        for x, text in enumerate(line):
            dark = abs(grid[y, x]) > 0.6 * limit
            axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", size=sized(6), color="w" if dark else "k")
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns)
    axes.set_yticks(np.arange(len(lines)) + 0.5, lines)
    axes.tick_params(length=0)
    axes.tick_params(axis="x", labeltop=True, labelbottom=False, labelsize=sized(6))
    axes.invert_yaxis()
    axes.spines[:].set_visible(False)
    difference_bar(figure.colorbar(mesh, ax=axes, fraction=0.04, pad=0.02, aspect=12), label, limit)
    figure.supxlabel(note)
    return figure
