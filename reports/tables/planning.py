"""Planning table: the images that each enhancer of a run needs."""

from __future__ import annotations

from collections.abc import Mapping

from sgz_bench.benchmarks.decisions.planning import Images, Planning, rounded

from ..labels import enhancer_labels
from ..numbers import UNDEFINED, signed
from .table import Column, Table, TableCell


def planning_table(planning: Planning) -> Table:
    """Return the images for an interval and for power, each with its range, of every enhancer."""
    effect, power = f"±{planning.effect:g}", f"{100 * planning.power:g} % power"
    headings = [("Images", f"for {effect}"), ("Images for", power)]
    several = planning.compared > 1
    headings += [("Holm:", f"for {effect}"), ("Holm:", power)] if several else []
    labels: Mapping[str, str] = enhancer_labels(planning.needs)
    rows = []
    for label, need in planning.needs.items():
        numbers = [need.interval, need.power, *([need.interval_corrected, need.power_corrected] if several else [])]
        mark = "" if need.fits else " †"
        rows.append(
            (
                TableCell(labels[label] + mark, bold=label == planning.candidate),
                TableCell(signed(need.delta), value=need.delta),
                *(_cell(each) for each in numbers),
            )
        )
    return Table(
        "planning",
        f"Images to decide {planning.effect:g} points of {planning.metric}; this run has {planning.images:,}.",
        (Column(("Enhancer",), "label"), Column((f"Δ{planning.metric}",)), *map(Column, headings)),
        (tuple(rows),),
        _notes(planning),
    )


def _cell(images: Images | None) -> TableCell:
    if images is None:
        return TableCell(UNDEFINED)
    return TableCell(f"{rounded(images.number)} ({rounded(images.low)}–{rounded(images.high)})", value=images.number)


def _notes(planning: Planning) -> tuple[str, ...]:
    effect = f"{planning.effect:g}"
    notes = [
        f"for ±{effect}: to a 95 % interval of that half-width; power: to show a true difference of {effect} with that"
        " probability, two-sided at .05. ( ): 95 % range of the number itself."
    ]
    if planning.compared > 1:
        notes.append(
            f"Holm: at the level .05 / {planning.compared} of the first step of the correction for"
            f" {planning.compared} enhancers; later steps need fewer images."
        )
    unfit = [need for need in planning.needs.values() if not need.fits]
    if unfit:
        notes.append(
            "†: the variance on halves or quarters of the run does not fall as 1 / images, for instance because classes"
            " are rare; the range covers what they say."
        )
    return tuple(notes)
