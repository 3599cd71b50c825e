"""Gain of enhancers over the brightness of the raw image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from ..labels import broken
from ..run import Study
from ..run_files import Brightness, BrightnessCurve, BrightnessRange
from .style import COLUMN, PAGE, Look, NothingToShow, canvas, points, sized, styled

_PANELS = 6
_ACROSS = 3
_WIDE = 8.0  # ratio of brightnesses from which the axis is logarithmic


@styled
def brightness_curves(study: Study, brightness: Brightness | None, look: Mapping[str, Look]) -> Figure:
    """Draw Δ of the lead metric over the raw image's brightness with a band, for the six best enhancers.

    The line is thick, and the panel says where, as far as the simultaneous limits show a gain or a loss.

    Raises:
        NothingToShow: the run has no curves.
    """
    if brightness is None:
        raise NothingToShow("no differences over brightness; repeat the run's command")
    if not brightness["enhancers"]:
        raise NothingToShow(brightness.get("reason") or "no enhancer was compared with raw")
    metric = brightness["metric"]
    overall = {row.enhancer: row.delta[metric]["value"] for row in study.enhanced if metric in row.delta}
    known = {label: each for label, each in brightness["enhancers"].items() if label in look and each["points"]}
    best = sorted(known, key=lambda label: -(overall.get(label) or -math.inf))[:_PANELS]
    if not best:
        raise NothingToShow("no enhancer was compared with raw")
    curves = {label: _columns(known[label]) for label in known}
    labels = study.labels
    across = min(_ACROSS, len(best))
    lines = math.ceil(len(best) / across)
    figure = canvas(PAGE if across > 1 else COLUMN, 0.65 + 1.65 * lines, layout="constrained")
    panels: Any = figure.subplots(lines, across, sharex=True, sharey=True, squeeze=False).ravel()
    for index, (axes, label) in enumerate(zip(panels, best, strict=False)):
        for other in (each for each in known if each != label):
            axes.plot(*curves[other][:2], color="0.85", linewidth=sized(0.5), zorder=1)
        _panel(axes, curves[label], known[label], look[label])
        heading = "\n".join([*broken(labels.get(label, label), 34), _phrase(known[label], brightness["statistic"])])
        axes.set_title(heading, fontsize=sized(6.5))
        axes.tick_params(labelbottom=index + across >= len(best))
    for axes in panels[len(best) :]:
        axes.remove()
    _scale(panels[0], np.concatenate([each[0] for each in curves.values()]), [curves[label] for label in best])
    more = f"; the best {len(best)} of {len(known)}" if len(best) < len(known) else ""
    window = f"median of {brightness['window']} of {brightness['images']} images"
    note = f"{brightness['statistic']} of the raw image ({window})"
    figure.supxlabel(
        f"{note}\nband: 95 % interval; thick: shown over all windows at once; grey: the other enhancers{more}"
    )
    figure.supylabel(f"Δ{metric} from raw, points")
    return figure


Columns = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def _columns(curve: BrightnessCurve) -> Columns:
    """Return brightness, difference, low and high, differences in points."""
    table = np.array(curve["points"], dtype=np.float64)
    return table[:, 0], 100 * table[:, 1], 100 * table[:, 2], 100 * table[:, 3]


def _panel(axes: Any, columns: Columns, curve: BrightnessCurve, own: Look) -> None:
    x, y, low, high = columns
    axes.axhline(0, color="0.3", linewidth=sized(0.7), zorder=2)
    axes.fill_between(x, low, high, color=own.colour, alpha=0.2, linewidth=0, zorder=2)
    style = {"color": own.colour, "marker": own.marker, "markersize": sized(2.5)}
    axes.plot(x, y, linewidth=sized(0.8), markerfacecolor="white", zorder=3, **style)
    for part in (curve["pays"], curve["costs"]):
        if part is not None:
            inside = (x >= part["low"]) & (x <= part["high"])
            axes.plot(x[inside], y[inside], linewidth=sized(1.8), zorder=4, **style)
    axes.grid()


def _scale(axes: Any, brightness: NDArray[np.float64], drawn: Sequence[Columns]) -> None:
    """Set the axes that all panels share; the y axis fits the drawn bands, not the other enhancers."""
    ends = np.concatenate([column for each in drawn for column in each[1:]])
    ends = ends[np.isfinite(ends)]
    low, high = min(float(ends.min(initial=0)), 0.0), max(float(ends.max(initial=0)), 0.0)
    pad = 0.06 * (high - low) or 1.0
    axes.set_ylim(low - pad, high + pad)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(points)
    darkest, brightest = float(brightness.min()), float(brightness.max())
    if darkest > 0 and brightest / darkest > _WIDE:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:g}"))


def _phrase(curve: BrightnessCurve, statistic: str) -> str:
    """Say where a gain or a loss is shown: ``gains below luma 23; loses above 80``."""
    parts = []
    for part, verb in ((curve["pays"], "gains"), (curve["costs"], "loses")):
        if part is not None:
            parts.append(f"{verb} {_where(part, statistic)}")
    return "; ".join(parts) or "no difference shown anywhere"


def _where(part: BrightnessRange, statistic: str) -> str:
    low, high = (f"{part[end]:.3g}" for end in ("low", "high"))
    if part["where"] == "everywhere":
        return "everywhere"
    if part["where"] == "between":
        return f"at {statistic} {low}" if low == high else f"between {statistic} {low} and {high}"
    return f"below {statistic} {high}" if part["where"] == "below" else f"above {statistic} {low}"
