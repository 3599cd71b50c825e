"""Figure of an enhancer's diagnostics."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from sgz_bench.enhancer.diagnostics import Diagnostics

from .style import PAGE, canvas, sized, styled

_CHANNELS = (("R", "#D55E00", "-"), ("G", "#009E73", (0, (5, 1))), ("B", "#0072B2", (0, (1, 1))))


@styled
def diagnostics_figure(diagnostics: Diagnostics) -> Figure:
    """Draw the tone curve on a grey ramp, an image before and after, and the factor map, if any."""
    panels = 3 if diagnostics.factor is None else 4
    figure = canvas(PAGE, PAGE / panels + 0.4, layout="constrained")
    curve, *others = figure.subplots(1, panels)
    levels = np.arange(256) / 255
    curve.plot(levels, levels, color="0.7", linewidth=sized(0.6))
    for channel, (name, colour, line) in enumerate(_CHANNELS):
        curve.plot(levels, diagnostics.curve[:, channel], color=colour, linestyle=line, label=name)
    curve.set(xlabel="grey in", ylabel="out", xlim=(0, 1), ylim=(0, 1), aspect="equal", title="tone curve")
    curve.legend(loc="lower right")
    for axes, image, title in zip(others, (diagnostics.before, diagnostics.after), ("before", "after"), strict=False):
        axes.imshow(image)
        axes.set_title(title)
    if diagnostics.factor is not None:
        shown = others[2].imshow(diagnostics.factor, cmap="viridis")
        others[2].set_title("factor map")
        figure.colorbar(shown, ax=others[2], shrink=0.6)
    for axes in others:
        axes.set_axis_off()
    return figure
