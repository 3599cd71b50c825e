"""Table of a choice: every candidate with its difference from raw, and the verdict under it."""

from __future__ import annotations

from sgz_bench.benchmarks.decisions.choice import Candidate, Choice, Difference
from sgz_bench.benchmarks.decisions.cross_fit import RESAMPLE_SPLITS
from sgz_bench.benchmarks.decisions.ranks import Ranks
from sgz_bench.benchmarks.results import Delta
from sgz_bench.core.text import pluralize

from ..labels import enhancer_labels
from ..numbers import UNDEFINED, difference, percent, significant
from .ranks import RANK_COLUMNS, rank_cells, rank_note
from .table import Column, Table, TableCell, difference_cell

_MOST = 30  # rows besides raw


def choice_table(choice: Choice, ranks: Ranks | None = None) -> Table:
    """Return the candidates, best first, raw among them; notes say how they were measured."""
    labels = enhancer_labels(each.label for each in choice.candidates)
    validated = choice.validation is not None
    delta = f"Δ{choice.metric}"
    columns = [Column(("Enhancer",), "label")]
    columns += [Column((f"{delta} on validation [95 % CI]",), "difference")] if validated else []
    columns += [Column((f"{delta} [95 % CI]",), "difference")]
    columns += [] if validated else [Column(("Chosen", "%"))]
    columns += [Column((f"No worse by {100 * choice.margin:g}",))] if choice.margin is not None else []
    columns += RANK_COLUMNS.values() if ranks else []

    def line(each: Candidate) -> tuple[TableCell, ...]:
        cells = [TableCell(labels[each.label], bold=each.label == choice.best)]
        cells += [_cell(each, each.validation)] if each.validation else []
        cells += [_cell(each, each.difference)]
        cells += [TableCell(percent(each.chosen), value=each.chosen)] if each.chosen is not None else []
        if choice.margin is not None:
            cells.append(
                TableCell(UNDEFINED if each.label == "raw" else "yes" if each.label in choice.no_worse else "no")
            )
        if ranks:
            cells += rank_cells(ranks.of(each.label))
        return tuple(cells)

    order = sorted(choice.candidates, key=lambda each: -((each.validation or each.difference).value or 0.0))
    shown = [each for place, each in enumerate(order) if place < _MOST or each.label in {"raw", choice.best}]
    fewer = [f"The {_MOST} best of {len(order)} rows and raw; --json has all."] if len(shown) < len(order) else []
    return Table(
        name="choice",
        caption=f"Choice among {pluralize(len(choice.candidates) - 1, 'enhancer')} and raw, "
        f"on {pluralize(choice.images, 'image')}.",
        columns=tuple(columns),
        blocks=(tuple(line(each) for each in shown),),
        notes=(*fewer, *_notes(choice, delta), *([rank_note(ranks.resamples)] if ranks else [])),
    )


def choice_lines(choice: Choice) -> list[str]:
    """Return naive best, honest gain and verdict as lines for the terminal."""
    labels = enhancer_labels(each.label for each in choice.candidates)
    unit = f"Δ{choice.metric}"
    naive = choice.find(choice.best)
    if choice.validation is None:
        first = f"naive best: {labels[choice.best]}, {unit} {_text(naive.difference)} on the images that chose it"
        honest = f"honest gain of choosing: {unit} {_text(choice.gain)} on images that had no part in the choice"
    else:
        own = naive.validation or naive.difference
        first = f"best on the validation run: {labels[choice.best]}, {unit} {_text(own)} there"
        honest = f"honest gain of choosing: {unit} {_text(choice.gain)} on the images of the run"
    lines = [first, honest]
    if choice.margin is not None:
        names = ", ".join(labels[label] for label in choice.no_worse) or "none"
        lines.append(f"no worse than raw by more than {100 * choice.margin:g} points: {names}")
    verdict = choice.verdict
    text = f"deploy {labels[verdict.label]}" if verdict.label else verdict.text
    return [*lines, f"verdict: {text} ({verdict.reason})"]


def _notes(choice: Choice, delta: str) -> list[str]:
    notes = [f"{delta}: difference from raw in points, interval and star as in the comparison table."]
    if choice.validation is None:
        notes.append(
            f"Chosen: share of {choice.splits} random halvings of the images, both halves in turn, on which the row"
            f" was the best; the honest gain is measured on the other halves, its interval from {choice.resamples}"
            f" resamples of the images, {RESAMPLE_SPLITS} halvings each."
        )
    else:
        notes.append(f"Validation run: {choice.validation}; the choice is made there alone.")
    if choice.margin is not None:
        notes.append(
            f"No worse by {100 * choice.margin:g}: the 95 % interval lies above −{100 * choice.margin:g} points,"
            " which is a one-sided bound at 97.5 %; each row by itself."
        )
    if choice.left_out:
        notes.append(f"Not in both runs, so left out: {', '.join(choice.left_out)}.")
    return notes


def _delta(each: Difference) -> Delta:
    return Delta(value=each.value, low=each.low, high=each.high, p=each.p, p_holm=None)


def _cell(candidate: Candidate, each: Difference) -> TableCell:
    return TableCell("0", value=0.0) if candidate.label == "raw" else difference_cell(_delta(each))


def _text(each: Difference) -> str:
    return difference(_delta(each)) + "*" * significant(_delta(each))
