"""Figures of a study; each function returns a matplotlib Figure or raises NothingToShow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from sgz_bench.benchmarks.results import Delta, ResultRow

from ..labels import broken
from ..numbers import amounts, signed, significant, with_spread
from ..run import Study, seeds
from .heat_map import heat_map
from .multiples import multiples
from .pages import TALLEST, pages
from .style import COLUMN, PAGE, Look, NothingToShow, canvas, points, sized, styled

_CLASSES = 20  # legible bars in one panel
_VALUES = 12  # columns of a heat map
_CURVES = 10  # curves in one panel


@styled
def forest(study: Study, look: Mapping[str, Look]) -> Figure:
    """Draw every enhancer's difference in both compared metrics with intervals, best lead on top; one column wide.

    Raises:
        NothingToShow: no enhancer was compared.
    """
    words = study.vocabulary
    rows = sorted(_compared(study), key=lambda row: -_point(row.delta.get(words.lead)))
    labels = _lines(study.labels, 24)
    figure = canvas(COLUMN, 0.75 + _row(labels) * len(rows), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    raw = study.find("raw")
    for axes, metric in zip(panels, words.compared, strict=True):
        for y, row in enumerate(rows):
            _interval(axes, y, row.delta.get(metric), look[row.enhancer])
        axes.axvline(0, color="0.3", linewidth=sized(0.7), zorder=0)
        axes.grid(axis="x")
        axes.margins(x=0.08)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 4, 5, 10]))
        reference = f"raw {with_spread(raw.metrics.get(metric), raw.spread.get(metric))}" if raw else ""
        axes.set_title(f"Δ{words.metrics[metric]}", fontweight="bold", pad=sized(12))
        above = {"xy": (0.5, 1), "xytext": (0, sized(3)), "xycoords": "axes fraction", "textcoords": "offset points"}
        axes.annotate(reference, **above, ha="center", va="bottom", fontsize=sized(6), color="0.35")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_formatter(points)
    panels[0].set_yticks(range(len(rows)), [labels[row.enhancer] for row in rows])
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    label = "difference from raw in points, 95 % interval; hollow: p ≥ .05 after Holm"
    trained = seeds(rows)
    figure.supxlabel(label + (f"\nmeans over {trained} training seeds" if trained else ""))
    return figure


@styled
def class_bars(study: Study, look: Mapping[str, Look]) -> list[Figure]:
    """Draw Δ of every enhancer and class with intervals, in pages two columns wide; at most 20 classes, the largest.

    Raises:
        NothingToShow: no enhancer was compared, or no class has a difference.
    """
    words = study.vocabulary
    rows = [row for row in _compared(study) if row.delta_per_class]
    if not rows:
        raise NothingToShow("no differences by class")
    counts = {name: int(values[words.unit] or 0) for name, values in rows[0].per_class.items()}
    counts = {name: count for name, count in counts.items() if count}
    names = _largest(counts, _CLASSES)
    if not names:
        raise NothingToShow(f"no class has {words.unit}")
    shown = amounts(counts, shares=words.shares)
    labels = study.short_labels
    deltas = {
        row.enhancer: [row.delta_per_class.get(name, {}).get(words.class_metric) for name in names] for row in rows
    }
    line = 0.38 + 0.135 * len(names)
    which = "all classes"
    if len(names) < len(counts):
        which = f"the {len(names)} of {len(counts)} classes with most {words.unit}"

    def page(rows: Sequence[ResultRow], note: str) -> Figure:
        lines = math.ceil(len(rows) / 4)
        across = math.ceil(len(rows) / lines)
        figure = canvas(PAGE if across > 1 else COLUMN, 0.5 + lines * line, layout="constrained")
        panels = figure.subplots(lines, across, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, row in zip(panels, rows, strict=False):
            for y, delta in enumerate(deltas[row.enhancer]):
                _bar(axes, y, delta, look[row.enhancer].colour)
            axes.axvline(0, color="0.3", linewidth=sized(0.7))
            axes.grid(axis="x")
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
            axes.set_title("\n".join(broken(labels[row.enhancer], 24)), fontweight="bold")
            axes.tick_params(axis="y", length=0)
            axes.tick_params(axis="x", labelbottom=True)
            axes.xaxis.set_major_formatter(points)
        for axes in panels[len(rows) :]:
            axes.set_axis_off()
        panels[0].update_datalim([(end, 0) for end in _ends(deltas.values())])  # all pages share one scale
        panels[0].autoscale_view(scaley=False)
        panels[0].set_yticks(range(len(names)), [f"{name} ({shown[name]})" for name in names])
        panels[0].set_ylim(len(names) - 0.4, -0.6)
        label = f"Δ{words.class_metric} from raw in points, 95 % interval; {which} ({words.count_phrase})"
        figure.supxlabel("\n".join(broken(label + note, 130 if across > 1 else 60)) if note else label)
        return figure

    return [page(*each) for each in pages(rows, 4 * max(1, int((TALLEST - 0.5) / line)), words.lead)]


@styled
def attribute_map(study: Study, attribute: str) -> Figure:
    """Draw the lead metric's Δ of every enhancer on the images with each value of an attribute, on a diverging scale.

    Raises:
        NothingToShow: no enhancer was compared, or none has differences by this attribute.
    """
    lead = study.vocabulary.lead
    rows = [row for row in _compared(study) if row.delta_by_attribute.get(attribute)]
    if not rows:
        raise NothingToShow(f"no differences by {attribute}")
    counts = {value: int(numbers["images"] or 0) for value, numbers in rows[0].by_attribute[attribute].items()}
    largest = set(_largest(counts, _VALUES))
    values = [value for value in counts if value in largest]
    deltas = [[row.delta_by_attribute[attribute].get(value, {}).get(lead) for value in values] for row in rows]
    grid = np.array([[100 * _point(delta) for delta in line] for line in deltas])
    labels = _lines(study.labels, 24)
    left_out = f"; the {len(values)} of {len(counts)} values with most images" if len(values) < len(counts) else ""
    return heat_map(
        grid,
        [[signed(delta["value"] if delta else None) + "*" * significant(delta) for delta in line] for line in deltas],
        [labels[row.enhancer] for row in rows],
        ["\n".join([*broken(value, 9), f"n={counts[value]}"]) for value in values],
        label=f"Δ{lead} (points)",
        note=f"by {attribute}; n: images; * 95 % interval excludes 0{left_out}",
        line_height=_row(labels),
    )


@styled
def precision_recall(study: Study, curves: Mapping[str, Mapping[str, Any]], look: Mapping[str, Look]) -> Figure:
    """Draw precision over recall at IoU 0.5, mean over classes, of every row; many enhancers get a panel each.

    Args:
        study: the rows.
        curves: row key → its ``curves.json``.
        look: look of each enhancer.

    Raises:
        NothingToShow: no row has a curve.
    """
    rows = [row for row in study.scored if curves[row.key]["precision"].get("all")]
    if not rows:
        raise NothingToShow("no precision–recall curves")
    labels = study.labels
    if len(rows) > _CURVES:
        return _many_curves(rows, curves, labels, look)
    wide = max(len(labels[row.enhancer]) for row in rows) > 18
    lines = len(rows) if wide else math.ceil(len(rows) / 2)
    figure = canvas(COLUMN, 2.75 + 0.145 * lines, layout="constrained")
    axes = figure.subplots()
    handles: list[Line2D] = []
    for row in rows:
        own, recall = look[row.enhancer], curves[row.key]["recall"]
        precision = curves[row.key]["precision"]["all"]
        reference = row.enhancer in {"raw", "bright"}
        axes.plot(
            recall,
            np.array(precision, dtype=float),
            color=own.colour,
            linestyle=own.line,
            marker=None if reference else own.marker,
            markevery=[k for k in range(4 + 3 * len(handles), 101, 25) if (precision[k] or 0) > 0.02],
            linewidth=sized(1.5 if reference else 1.0),
            zorder=3 if reference else 2,
        )
        label = (
            "\n".join(broken(labels[row.enhancer], 44))
            + f", AP50 {with_spread(row.metrics.get('AP50'), row.spread.get('AP50'))}"
        )
        marker = None if reference else own.marker
        handles.append(Line2D([], [], color=own.colour, linestyle=own.line, marker=marker, label=label))
    axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel="Recall", ylabel="Precision (mean over classes, IoU 0.5)")
    axes.grid()
    figure.legend(handles=handles, loc="outside lower center", ncols=1 if wide else 2, handlelength=3, borderpad=0)
    return figure


def _many_curves(
    rows: Sequence[ResultRow],
    curves: Mapping[str, Mapping[str, Any]],
    labels: Mapping[str, str],
    look: Mapping[str, Look],
) -> Figure:
    def ap50(row: ResultRow) -> str:
        return f"AP50 {with_spread(row.metrics.get('AP50'), row.spread.get('AP50'))}"

    drawn = {
        row.enhancer: (curves[row.key]["recall"], np.array(curves[row.key]["precision"]["all"], dtype=float))
        for row in rows
    }
    enhanced = [row for row in rows if row.enhancer not in {"raw", "bright"}]
    own = [row.enhancer for row in enhanced]
    titles = [f"{labels[row.enhancer]}\n{ap50(row)}" for row in enhanced]
    figure = multiples(titles, [drawn[name] for name in own], [look[name] for name in own], (0, 0.5, 1))
    for axes in figure.axes:
        for name in sorted(drawn.keys() - set(own)):
            axes.plot(*drawn[name], color="k", linewidth=sized(0.6), linestyle=look[name].line, zorder=1.5)
    meaning = {"raw": "black", "bright": "dashed"}
    references = [f"{meaning[row.enhancer]}: {row.enhancer}, {ap50(row)}" for row in rows if row.enhancer in meaning]
    figure.supxlabel("; ".join(["recall", *references, "grey: the other enhancers"]))
    figure.supylabel("precision, mean over classes, IoU 0.5")
    return figure


def _compared(study: Study) -> tuple[ResultRow, ...]:
    if not any(row.delta for row in study.enhanced):
        raise NothingToShow("no enhancer was compared with raw")
    return tuple(row for row in study.enhanced if row.delta)


def _point(delta: Delta | None) -> float:
    return math.nan if delta is None or delta["value"] is None else delta["value"]


def _interval(axes: Any, y: float, delta: Delta | None, look: Look) -> None:
    """Draw a point with its interval; hollow unless it is significant."""
    if delta is None or delta["value"] is None:
        axes.text(
            0.02, y, "undefined", transform=axes.get_yaxis_transform(), va="center", fontsize=sized(6), color="0.4"
        )
        return
    if delta["low"] is not None and delta["high"] is not None:
        axes.plot([100 * delta["low"], 100 * delta["high"]], [y, y], color=look.colour, solid_capstyle="butt")
    fill = look.colour if significant(delta) else "white"
    axes.plot(
        [100 * delta["value"]], [y], marker=look.marker, color=look.colour, markerfacecolor=fill, markersize=sized(4.5)
    )


def _bar(axes: Any, y: float, delta: Delta | None, colour: str) -> None:
    if delta is None or delta["value"] is None:
        axes.text(0, y, " –", va="center", fontsize=sized(6), color="0.4")
        return
    axes.barh(y, 100 * delta["value"], height=0.72, color=colour)
    if delta["low"] is not None and delta["high"] is not None:
        axes.plot([100 * delta["low"], 100 * delta["high"]], [y, y], color="0.15", linewidth=sized(0.8))


def _ends(deltas: Iterable[Sequence[Delta | None]]) -> tuple[float, float]:
    """Return the lowest and the highest value among differences and their intervals, in points."""
    known = [delta for each in deltas for delta in each if delta is not None]
    ends = [100 * end for delta in known for end in (delta["value"], delta["low"], delta["high"]) if end is not None]
    return min(ends, default=0.0), max(ends, default=0.0)


def _largest(counts: Mapping[str, int], most: int) -> list[str]:
    """Return the ``most`` names with the largest counts, largest first; equal counts keep their order."""
    return sorted(counts, key=lambda name: -counts[name])[:most]


def _row(labels: Mapping[str, str]) -> float:
    """Return the inches that the tallest label needs."""
    return max(0.2, 0.02 + 0.11 * max(label.count("\n") + 1 for label in labels.values()))


def _lines(labels: Mapping[str, str], width: int) -> dict[str, str]:
    return {spec: "\n".join(broken(label, width)) for spec, label in labels.items()}
