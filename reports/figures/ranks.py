"""Figure of ranks: rank intervals and the probability of being the best."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..labels import broken
from ..run import Study
from .style import COLUMN, Look, NothingToShow, canvas, sized, styled


@styled
def rank_intervals(study: Study, look: Mapping[str, Look]) -> Figure:
    """Draw the rank of raw and every enhancer with its interval, and its share of resamples as the best.

    The best rank is on top; of equal ranks the more probable best one.

    Raises:
        NothingToShow: the run has no ranks.
    """
    rows = [row for row in study.scored if row.key in study.ranks]
    if not rows:
        raise NothingToShow("no ranks")
    ranks = study.ranks
    rows.sort(key=lambda row: (ranks[row.key].rank, -ranks[row.key].best))
    labels = {row.enhancer: "\n".join(broken(study.labels[row.enhancer], 24)) for row in rows}
    height = max(0.2, 0.02 + 0.11 * max(label.count("\n") + 1 for label in labels.values()))
    figure = canvas(COLUMN, 0.8 + height * len(rows), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[3, 2])
    for y, row in enumerate(rows):
        own, rank = look[row.enhancer], ranks[row.key]
        left.plot([rank.low, rank.high], [y, y], color=own.colour, solid_capstyle="butt")
        left.plot([rank.rank], [y], marker=own.marker, color=own.colour, markersize=sized(4.5))
        right.barh(y, 100 * rank.best, height=0.62, color=own.colour)
        text = "<1" if 0 < rank.best < 0.005 else f"{100 * rank.best:.0f}"
        right.annotate(
            text, (100 * rank.best, y), (sized(2), 0), textcoords="offset points", va="center", fontsize=sized(6)
        )
    room = 0.3 + 0.03 * len(rows)
    left.set(xlim=(1 - room, len(rows) + room), title="Rank")
    left.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=2))
    right.set(xlim=(0, 118), title="Best (%)")
    right.set_xticks([0, 50, 100])
    for axes in (left, right):
        axes.title.set_fontweight("bold")
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    left.set_yticks(range(len(rows)), list(labels.values()))
    left.set_ylim(len(rows) - 0.5, -0.5)
    lead = study.vocabulary.metrics[study.vocabulary.lead]
    figure.supxlabel(f"by {lead}; lines: 95 % interval; best: share of the resamples of images")
    return figure
