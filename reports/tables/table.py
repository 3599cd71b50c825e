"""Content of a study's tables; ``markup`` and ``latex`` format it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sgz_bench.benchmarks.analyses.costs import Cost
from sgz_bench.benchmarks.results import Delta, ResultRow

from ..labels import model_labels
from ..numbers import MINUS, UNDEFINED, amounts, difference, percent, short_count, significant, three_digits
from ..run import Study
from .notes import cost_notes, study_notes

Slices = Mapping[str, Mapping[str, float | int | None]]


@dataclass(frozen=True)
class Column:
    """Column with its heading in lines; ``label`` columns hold names, ``difference`` columns values with intervals."""

    heading: tuple[str, ...]
    kind: Literal["label", "number", "difference"] = "number"


@dataclass(frozen=True)
class TableCell:
    """Cell of a table.

    Attributes:
        text: formatted by :mod:`..numbers` or :mod:`..labels`.
        bold: the best of its column or row.
        mark: a star; the difference is significant.
        value: the number at full precision, in the unit of CSV and JSON ([0, 1], bytes, …); of a difference, its value
            without the interval. None for names and where undefined.
    """

    text: str
    bold: bool = False
    mark: bool = False
    value: float | None = None


@dataclass(frozen=True)
class Table:
    """Table: rows in blocks with a rule between blocks, and the notes under it."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    blocks: tuple[tuple[tuple[TableCell, ...], ...], ...]
    notes: tuple[str, ...]


def cost_tables(studies: Sequence[Study]) -> list[Table]:
    """Return a table of the measured costs of each study, for output where the comparison has no room for them.

    A study without measured costs has no table. The caption names the model, distinctly among all ``studies``.
    """
    models = model_labels(model_of(row) for study in studies for row in study.rows)
    tables = []
    for study in studies:
        rows = [row for row in study.scored if row.key in study.costs]
        cells = tuple((TableCell(study.labels[row.enhancer]), *cost_cells(study.costs[row.key])) for row in rows)
        if rows:
            tables.append(
                Table(
                    name="costs",
                    caption=f"Costs in front of {models[study.model]}.",
                    columns=(Column(("Enhancer",), "label"), *COST_COLUMNS.values()),
                    blocks=(cells,),
                    notes=tuple(cost_notes(rows, study.costs)),
                )
            )
    return tables


COST_COLUMNS = {
    "params": Column(("Params",)),
    "GMACs": Column(("GMACs",)),
    "MB": Column(("Peak", "MB")),
    "ms": Column(("Enhancer", "ms")),
    "model_ms": Column(("Model", "ms")),
}


def cost_cells(cost: Cost | None) -> tuple[TableCell, ...]:
    """Return the cells under ``COST_COLUMNS``."""
    if cost is None:
        return (TableCell(UNDEFINED),) * len(COST_COLUMNS)
    numbers = ((cost.macs, 1e9), (cost.memory, 1e6), (cost.enhancer_ms, 1), (cost.model_ms, 1))
    return (
        TableCell(short_count(cost.parameters or None), value=cost.parameters or None),
        *(TableCell(three_digits(None if each is None else each / unit), value=each) for each, unit in numbers),
    )


def class_table(study: Study, replicates: int | None) -> Table:
    """Return the class metric (AP50 or IoU) of every class and row."""
    words = study.vocabulary
    return _slice_table(
        "per_class",
        _Sliced("class", words.class_metric, words.unit, words.class_note, words.count_heading, words.shares),
        study,
        replicates,
        lambda row: (row.per_class, row.delta_per_class),
    )


def attribute_table(study: Study, replicates: int | None, attribute: str) -> Table:
    """Return the lead metric (AP50 or mIoU) on the images with each value of an attribute."""
    return _slice_table(
        f"by_{attribute}",
        _Sliced(attribute, study.vocabulary.lead, "images", study.vocabulary.slice_note, "Images"),
        study,
        replicates,
        lambda row: (row.by_attribute.get(attribute, {}), row.delta_by_attribute.get(attribute, {})),
    )


def best(texts: Sequence[str], *, lowest: bool = False) -> set[int]:
    """Return the indices of the highest (or lowest) number among formatted metrics; equal texts are equally good."""
    numbers = {index: float(text.replace(MINUS, "-")) for index, text in enumerate(texts) if text != UNDEFINED}
    extreme = (min if lowest else max)(numbers.values(), default=0.0)
    return {index for index, value in numbers.items() if value == extreme}


@dataclass(frozen=True)
class _Sliced:
    """Metric by classes or attribute values, and the unit in which these are counted."""

    by: str
    metric: str
    unit: str
    note: str
    count_heading: str
    shares: bool = False


def _slice_table(
    name: str,
    sliced: _Sliced,
    study: Study,
    replicates: int | None,
    pick: Callable[[ResultRow], tuple[Slices, Mapping[str, Mapping[str, Delta]]]],
) -> Table:
    rows = study.scored
    labels, headings = study.labels, study.short_labels
    ranked = [index for index, row in enumerate(rows) if not row.bound]
    parts = {
        value: [pick(row)[0].get(value, {}) for row in rows]
        for value in dict.fromkeys(value for row in rows for value in pick(row)[0])
    }
    counts = {value: _count(slices, sliced.unit) for value, slices in parts.items()}
    counted = amounts(counts, shares=sliced.shares)
    lines = []
    for value, slices in parts.items():
        deltas = [pick(row)[1].get(value, {}).get(sliced.metric) for row in rows]
        numbers = [each.get(sliced.metric) for each in slices]
        texts = [percent(each) for each in numbers]
        winners = {ranked[k] for k in best([texts[index] for index in ranked])}
        cells = [TableCell(texts[i], i in winners, significant(deltas[i]), numbers[i]) for i in range(len(rows))]
        lines.append((TableCell(value), TableCell(counted[value], value=counts[value]), *cells))
    shown = dict.fromkeys(row.enhancer for row in rows)
    in_full = [f"{headings[spec]}: {labels[spec]}" for spec in shown if headings[spec] != labels[spec]]
    note = f"{sliced.note} Bold: best of raw and the enhancers."
    return Table(
        name=name,
        caption=f"{sliced.metric} by {sliced.by} on {data_of(study.rows[0])}.",
        columns=(
            Column((sliced.by.capitalize(),), "label"),
            Column((sliced.count_heading,)),
            *(Column((headings[row.enhancer],)) for row in rows),
        ),
        blocks=(tuple(lines),),
        notes=(note, *(["; ".join(in_full) + "."] if in_full else []), *study_notes([study], labels, [replicates])),
    )


def _count(slices: Sequence[Mapping[str, float | int | None]], unit: str) -> int | None:
    """Return the count of a class or attribute value, from the first row that has it."""
    return next((int(number) for each in slices if (number := each.get(unit)) is not None), None)


def difference_cell(delta: Delta | None, unit: str = "%") -> TableCell:
    """Return a difference with its interval and star."""
    return TableCell(difference(delta, unit), mark=significant(delta), value=delta["value"] if delta else None)


def model_of(row: ResultRow) -> tuple[str, str]:
    """Return the spec of a row's model and the hash of its weights."""
    return row.model, row.model_fingerprint


def data_of(row: ResultRow) -> str:
    """Return data set and split for captions."""
    return f"{row.dataset} ({row.split})"
