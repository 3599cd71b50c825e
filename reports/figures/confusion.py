"""Confusion between classes, enhanced minus raw."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from sgz_bench.benchmarks.results import ResultRow

from ..labels import broken
from ..numbers import MINUS
from ..run import Study
from .pages import TALLEST, pages
from .style import PAGE, NothingToShow, canvas, difference_bar, sized, styled

_CLASSES = 20  # legible rows and columns of a panel
_LEGIBLE = 0.14  # inches of the smallest cell with a legible number
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Confusion:
    """Row-normalised confusion matrices.

    Attributes:
        rows, columns: names of the true and the predicted classes.
        shares: row key → ``(rows, columns)``, shares of a true class's pixels by predicted class, in [0, 1].
        kept, occurring: number of classes with their own column, and of all classes that occur.
    """

    rows: list[str]
    columns: list[str]
    shares: dict[str, NDArray[np.float64]]
    kept: int
    occurring: int


@styled
def confusion_change(study: Study, counts: Mapping[str, Counts]) -> list[Figure]:
    """Draw the change from raw of the row-normalised confusion matrix in points: a panel per enhancer, in pages.

    Args:
        study: the rows.
        counts: row key → ``(K, K + 1)`` pixels; rows are true classes, columns predicted ones, the last "no class".

    Raises:
        NothingToShow: no enhancer was compared, or no class has pixels.
    """
    raw, rows = study.find("raw"), study.enhanced
    if raw is None or not rows:
        raise NothingToShow("no enhancer was compared with raw")
    confusion = normalised(raw.classes, {row.key: counts[row.key] for row in (raw, *rows)})
    changes = {row.key: 100 * (confusion.shares[row.key] - confusion.shares[raw.key]) for row in rows}
    limit = max(1.0, *(float(np.abs(each).max()) for each in changes.values()))
    labels = study.short_labels

    names = 0.07 * max(map(len, (*confusion.rows, *confusion.columns)))
    room = (PAGE - names - 0.7) / len(confusion.columns)  # inches for one column's cells in all panels
    most = 3 if len(rows) > 6 and room / 3 >= _LEGIBLE else 2
    cell = min(0.3, room / most)
    size = min(6.0, max(4.3, 27 * cell))
    above, line = (
        names + 0.55,
        cell * len(confusion.rows) + 0.32,
    )  # inches of a page's names, of a row of panels

    def page(rows: Sequence[ResultRow], part: str) -> Figure:
        across = min(most, len(rows))
        lines = math.ceil(len(rows) / across)
        width = min(PAGE, names + 0.9 + across * (cell * len(confusion.columns) + 0.1))
        figure = canvas(max(width, PAGE / 2), above + lines * line, layout="constrained")
        panels = figure.subplots(lines, across, sharex=True, sharey=True, squeeze=False).ravel()
        for index, (axes, row) in enumerate(zip(panels, rows, strict=False)):
            mesh = _panel(axes, confusion, changes[row.key], limit, size)
            axes.set_title("\n".join(broken(labels[row.enhancer], 78 // most)), fontweight="bold")
            axes.tick_params(axis="x", labelbottom=index + across >= len(rows))
        panels[0].set_ylim(len(confusion.rows), 0)
        panels[0].set_xlim(0, len(confusion.columns))
        for axes in panels[len(rows) :]:
            axes.set_axis_off()
        shrink = min(1.0, 1.6 / lines)
        bar = figure.colorbar(mesh, ax=panels.tolist(), fraction=0.04, pad=0.01, aspect=20, shrink=shrink)
        difference_bar(bar, "change of the share (points)", limit)
        figure.supylabel("truth")
        which = ""
        if confusion.kept < confusion.occurring:
            which = f"; the {confusion.kept} of {confusion.occurring} classes with most pixels"
        note = (
            f"share of each class's pixels by what they are called, enhanced − raw; framed: what is right{which}{part}"
        )
        figure.supxlabel("prediction\n" + "\n".join(broken(note, 110 if across > 1 else 52)))
        return figure

    return [page(*each) for each in pages(rows, most * max(1, int((TALLEST - above) / line)), study.vocabulary.lead)]


def _panel(axes: Any, confusion: Confusion, change: NDArray[np.float64], limit: float, size: float) -> Any:
    """Draw one enhancer's matrix with numbers of ``size`` points; return the mesh for a colour bar."""
    mesh = axes.pcolormesh(change, cmap="RdBu", vmin=-limit, vmax=limit, edgecolors="0.9", linewidth=sized(0.3))
    for (y, x), value in np.ndenumerate(change):
        if abs(value) >= 0.5:
            dark = abs(value) > 0.6 * limit
            text = f"{value:+.0f}".replace("-", MINUS)
            axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", size=sized(size), color="w" if dark else "k")
    for y, name in enumerate(confusion.rows):
        if name in confusion.columns:
            corner = (confusion.columns.index(name), y)
            axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="k", linewidth=sized(0.7)))
    axes.set_xticks(np.arange(len(confusion.columns)) + 0.5, confusion.columns, rotation=90)
    axes.set_yticks(np.arange(len(confusion.rows)) + 0.5, confusion.rows)
    axes.tick_params(length=0, labelsize=sized(6))
    axes.spines[:].set_visible(False)
    return mesh


def normalised(classes: list[str], counts: Mapping[str, Counts]) -> Confusion:
    """Normalise confusion matrices by true class, for the classes that occur.

    Rows are the classes in the truth; columns are these and all other predicted classes. If there are too many, the
    classes with the most pixels are kept and the other columns are summed as ``other classes``; rows add up to 1.

    Raises:
        NothingToShow: no class has pixels.
    """
    totals = np.sum(list(counts.values()), axis=0)
    truth, predicted = totals.sum(axis=1), totals.sum(axis=0)
    present = [k for k in range(len(classes)) if truth[k] or predicted[k]]
    kept = sorted(sorted(present, key=lambda k: (-truth[k], -predicted[k], k))[:_CLASSES])
    rows = [k for k in kept if truth[k]]
    if not rows:
        raise NothingToShow("no class has pixels")
    merged = {"other classes": [k for k in present if k not in kept], "no class": [len(classes)]}
    merged = {name: columns for name, columns in merged.items() if predicted[columns].sum()}
    shares = {}
    for key, matrix in counts.items():
        parts = [matrix[:, kept], *(matrix[:, columns].sum(axis=1, keepdims=True) for columns in merged.values())]
        shares[key] = np.concatenate(parts, axis=1)[rows] / matrix.sum(axis=1, keepdims=True)[rows]
    return Confusion(
        [classes[k] for k in rows], [*(classes[k] for k in kept), *merged], shares, len(kept), len(present)
    )
