"""The tables of a study: what stands in them. How they are written is in ``markup``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sgz_bench.benchmarks.results import Delta, ResultRow

from .labels import darken_labels, enhancer_labels, model_labels, short_labels
from .numbers import UNDEFINED, difference, excludes_zero, p_value, percent
from .study import Study

_METRICS = {"AP": "AP", "AP50": "AP50", "AP75": "AP75", "VOC_AP50": "VOC AP50"}
Slices = Mapping[str, Mapping[str, float | int | None]]


@dataclass(frozen=True)
class Column:
    """A heading in lines; ``label`` columns hold names, ``difference`` columns a value and its interval."""

    heading: tuple[str, ...]
    kind: Literal["label", "number", "difference"] = "number"


@dataclass(frozen=True)
class Cell:
    """Text as :mod:`.numbers` and :mod:`.labels` write it; ``mark`` is the star of an interval that excludes 0."""

    text: str
    bold: bool = False
    mark: bool = False


@dataclass(frozen=True)
class Table:
    """Rows in blocks (a rule goes between blocks), with the notes that belong under it."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    blocks: tuple[tuple[tuple[Cell, ...], ...], ...]
    notes: tuple[str, ...]


def comparison_table(studies: Sequence[Study], replicates: Sequence[int | None]) -> Table:
    """Metrics and differences from raw of every row: one study, or several with a column for what tells them apart.

    Args:
        studies: one block each.
        replicates: bootstrap resamples of the runs they come from, for the note.
    """
    rows = [row for study in studies for row in study.rows]
    labels = enhancer_labels(row.enhancer for row in rows)
    models = model_labels(_model(row) for row in rows)
    darkenings = darken_labels(study.darken for study in studies)
    several_models, several_darkenings = len(models) > 1, len(darkenings) > 1

    def line(study: Study, row: ResultRow, bold: set[tuple[str, str]]) -> tuple[Cell, ...]:
        cells = [Cell(labels[row.enhancer] + (" (partial)" if row.partial else ""))]
        if several_models:
            cells.append(Cell(models[_model(row)]))
        if several_darkenings:
            cells.append(Cell("none" if row.enhancer == "bright" else darkenings[study.darken]))
        if row.status != "ok":
            return (*cells, Cell("error"), *[Cell(UNDEFINED)] * (len(_METRICS) + 2))
        cells += [Cell(percent(row.metrics.get(metric)), (row.key, metric) in bold) for metric in _METRICS]
        cells += [_difference(row.delta.get(metric)) for metric in ("AP", "AP50")]
        delta = row.delta.get("AP50")
        return (*cells, Cell(p_value(delta["p_holm"] if delta else None)))

    columns = [Column(("Enhancer",), "label")]
    columns += [Column(("Model",), "label")] * several_models + [Column(("Darkening",), "label")] * several_darkenings
    columns += [Column(tuple(name.split())) for name in _METRICS.values()]
    columns += [Column((f"Δ{metric} [95 % CI]",), "difference") for metric in ("AP", "AP50")]
    columns += [Column(("p (Holm,", "AP50)"))]
    return Table(
        name="comparison",
        caption=f"Detection on {_data(rows[0])}: raw against enhanced images.",
        columns=tuple(columns),
        blocks=tuple(tuple(line(study, row, _bold(study)) for row in study.rows) for study in studies),
        notes=(_METRIC_NOTE, *_notes(studies, labels, replicates)),
    )


def class_table(study: Study, replicates: int | None) -> Table:
    """AP50 of every class and row."""
    return _slice_table(
        "per_class",
        "AP50 by class",
        ("Class", "Boxes"),
        "boxes",
        study,
        replicates,
        lambda row: (row.per_class, row.delta_per_class),
    )


def attribute_table(study: Study, replicates: int | None, attribute: str) -> Table:
    """AP50 on the images with each value of an attribute."""
    return _slice_table(
        f"by_{attribute}",
        f"AP50 by {attribute}",
        (attribute.capitalize(), "Images"),
        "images",
        study,
        replicates,
        lambda row: (row.by_attribute.get(attribute, {}), row.delta_by_attribute.get(attribute, {})),
    )


def attributes(study: Study) -> list[str]:
    """The attributes that metrics of the study are sliced by."""
    return list(dict.fromkeys(name for row in study.scored for name in row.by_attribute))


def best(texts: Sequence[str]) -> set[int]:
    """Places of the highest number among metrics as they are shown; what is shown as equal is equally good."""
    shown = {place: float(text) for place, text in enumerate(texts) if text != UNDEFINED}
    return {place for place, value in shown.items() if value == max(shown.values())}


def _slice_table(
    name: str,
    title: str,
    heading: tuple[str, str],
    count: str,
    study: Study,
    replicates: int | None,
    pick: Callable[[ResultRow], tuple[Slices, Mapping[str, Mapping[str, Delta]]]],
) -> Table:
    rows = study.scored
    labels, headings = (name(row.enhancer for row in study.rows) for name in (enhancer_labels, short_labels))
    contest = [place for place, row in enumerate(rows) if row.enhancer != "bright"]
    lines = []
    for value in dict.fromkeys(value for row in rows for value in pick(row)[0]):
        slices = [pick(row)[0].get(value, {}) for row in rows]
        deltas = [pick(row)[1].get(value, {}).get("AP50") for row in rows]
        texts = [percent(each.get("AP50")) for each in slices]
        winners = {contest[place] for place in best([texts[place] for place in contest])}
        number = next((each[count] for each in slices if each.get(count) is not None), None)
        cells = [Cell(texts[i], i in winners, excludes_zero(deltas[i])) for i in range(len(rows))]
        lines.append((Cell(value), Cell(UNDEFINED if number is None else str(number)), *cells))
    shown = dict.fromkeys(row.enhancer for row in rows)
    spelt = [f"{headings[spec]}: {labels[spec]}" for spec in shown if headings[spec] != labels[spec]]
    return Table(
        name=name,
        caption=f"{title} on {_data(study.rows[0])}.",
        columns=(
            Column((heading[0],), "label"),
            Column((heading[1],)),
            *(Column((headings[row.enhancer],)) for row in rows),
        ),
        blocks=(tuple(lines),),
        notes=(_SLICE_NOTE, *(["; ".join(spelt) + "."] if spelt else []), *_notes([study], labels, [replicates])),
    )


def _bold(study: Study) -> set[tuple[str, str]]:
    """(row key, metric) of the best among raw and the enhancers; ``bright`` is a bound, not an answer."""
    rows = [row for row in study.scored if row.enhancer != "bright"]
    return {
        (rows[place].key, metric)
        for metric in _METRICS
        for place in best([percent(row.metrics.get(metric)) for row in rows])
    }


def _difference(delta: Delta | None) -> Cell:
    return Cell(difference(delta), mark=excludes_zero(delta))


def _model(row: ResultRow) -> tuple[str, str]:
    return row.model, row.model_fingerprint


def _data(row: ResultRow) -> str:
    return f"{row.dataset} ({row.split})"


_METRIC_NOTE = (
    "All in %. AP, AP50, AP75: COCO; VOC AP50: every-point interpolation. Bold: best of raw and the enhancers. "
    "p: paired permutation test."
)
_SLICE_NOTE = "COCO AP50 in %. Bold: best of raw and the enhancers."


def _notes(studies: Sequence[Study], labels: Mapping[str, str], replicates: Sequence[int | None]) -> list[str]:
    rows = [row for study in studies for row in study.rows]
    counts = ", ".join(dict.fromkeys(str(count) for count in replicates if count is not None))
    resamples = f" ({counts} resamples)" if counts else ""
    notes = [f"Δ: difference from raw, 95 % paired bootstrap interval over images{resamples}; * interval excludes 0."]
    skipped = max(len(row.skipped) for row in rows)
    notes += [
        f"Data set {rows[0].dataset}, split {rows[0].split}, {rows[0].images} images"
        + (f" ({skipped} unreadable ones left out)" if skipped else "")
        + f", protocol {rows[0].protocol}."
    ]
    notes += [f"Model {model}." for model in dict.fromkeys(row.model for row in rows)]
    notes += [f"Darkening {darken or 'none'}." for darken in dict.fromkeys(study.darken for study in studies)]
    if any(row.enhancer == "bright" for row in rows):
        notes.append("bright: the images before darkening, the upper bound.")
    if any(row.partial for row in rows):
        notes.append("partial: scored on a part of the split (--limit), not comparable with results on all of it.")
    notes += [f"error in {labels[row.enhancer]}: {row.error}" for row in rows if row.status != "ok"]
    return notes
