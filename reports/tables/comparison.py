"""Comparison table: every row with its metrics, its differences from raw and its costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sgz_bench.benchmarks.results import ResultRow
from sgz_bench.core.errors import UserError

from ..labels import darken_labels, enhancer_labels, model_labels
from ..numbers import UNDEFINED, in_unit, p_value, with_spread
from ..run import Study
from .notes import cost_notes, differing_note, measure_notes, study_notes
from .operating import OPERATING_COLUMNS, operating_cells, operating_notes
from .ranks import RANK_COLUMNS, rank_column, rank_notes
from .table import COST_COLUMNS, Column, Table, TableCell, best, cost_cells, data_of, difference_cell, model_of


def comparison_table(
    studies: Sequence[Study],
    replicates: Sequence[int | None],
    *,
    columns: Sequence[str] = (),
    with_costs: bool = True,
) -> Table:
    """Return metrics and differences from raw of every row of one or several studies.

    Several studies get further columns for what distinguishes them.

    Args:
        studies: one block of rows each.
        replicates: bootstrap resamples of the studies' runs, for the note.
        columns: columns of numbers, by the names of ``--columns``; the default columns if empty.
        with_costs: include measured costs in the default columns.

    Raises:
        UserError: an unknown column; lists the available ones.
    """
    rows, words = [row for study in studies for row in study.rows], studies[0].vocabulary
    labels = enhancer_labels(row.enhancer for row in rows)
    names, numbers = _names(studies, labels), _numbers(studies)
    shown = list(dict.fromkeys(columns)) or _usual(studies, with_costs)
    for name in shown:
        if name not in numbers:
            raise UserError(f"there is no column {name!r} here; use one or more of {', '.join(numbers)}")

    def block(study: Study) -> Iterable[tuple[TableCell, ...]]:
        for row, *cells in zip(study.rows, *(numbers[name].cells(study) for name in shown), strict=True):
            if row.status != "ok":
                cells = [TableCell("error"), *[TableCell(UNDEFINED)] * (len(shown) - 1)]
            yield (*(TableCell(text(study, row)) for text in names.values()), *cells)

    differing = bool(studies[0].differing)
    note = words.metric_note + " Bold: best of raw and the enhancers." * (not differing)
    costs = {key: cost for study in studies for key, cost in study.costs.items()}
    return Table(
        name="comparison",
        caption=f"{words.title} on {', '.join(dict.fromkeys(map(data_of, rows)))}: raw against enhanced images.",
        columns=(
            *(Column((heading,), "label") for heading in names),
            *(numbers[name].column for name in shown),
        ),
        blocks=tuple(tuple(block(study)) for study in studies),
        notes=(
            *(differing_note(studies[0].differing) if differing else ()),
            note + " p: paired test over images." * ("p" in shown),
            *measure_notes(rows, shown),
            *(operating_notes(studies, shown, tested=True) if any(study.operating for study in studies) else ()),
            *rank_notes(studies, shown),
            *study_notes(studies, labels, replicates, spread=True, tested=True),
            *(cost_notes(rows, costs) if set(shown) & set(COST_COLUMNS) else ()),
        ),
    )


@dataclass(frozen=True)
class _Numbers:
    """Column, and the function that returns its cells, one for each row of a study."""

    column: Column
    cells: Callable[[Study], Sequence[TableCell]]


def _names(studies: Sequence[Study], labels: Mapping[str, str]) -> dict[str, Callable[[Study, ResultRow], str]]:
    """Return heading → text of a row, for the columns that identify rows."""
    models = model_labels(model_of(row) for study in studies for row in study.rows)
    darkenings = darken_labels(study.darken for study in studies)
    names: dict[str, Callable[[Study, ResultRow], str]] = {
        "Enhancer": lambda _, row: labels[row.enhancer] + (" (partial)" if row.partial else "")
    }
    if studies[0].differing:
        names["Differs in"] = lambda study, _: study.differs_in
    if len(models) > 1:
        names["Model"] = lambda _, row: models[model_of(row)]
    if len(darkenings) > 1:
        names["Darkening"] = lambda study, row: "none" if row.enhancer == "bright" else darkenings[study.darken]
    return names


def _usual(studies: Sequence[Study], with_costs: bool) -> list[str]:
    words, rows = studies[0].vocabulary, [row for study in studies for row in study.rows]
    added = list(dict.fromkeys(name for row in rows for name in row.measures))
    costs = list(COST_COLUMNS) if with_costs and any(study.costs for study in studies) else []
    return [*_own_metrics(studies), *added, *(f"d{metric}" for metric in (*words.compared, *added)), "p", *costs]


def _own_metrics(studies: Sequence[Study]) -> list[str]:
    """Return the metrics of the task, without optional ones that no row has."""
    words, given = studies[0].vocabulary, {name for study in studies for row in study.rows for name in row.metrics}
    return [name for name in words.metrics if name not in words.where_given or name in given]


def _numbers(studies: Sequence[Study]) -> dict[str, _Numbers]:
    """Return all columns of numbers by the names of ``--columns``."""
    words, rows = studies[0].vocabulary, [row for study in studies for row in study.rows]
    metrics = dict.fromkeys([*_own_metrics(studies), *(metric for row in rows for metric in row.metrics)])
    added = dict.fromkeys(name for row in rows for name in row.measures)  # whose names may have blanks
    compared = dict.fromkeys([*words.compared, *added, *(metric for row in rows for metric in row.delta)])
    print_names = {metric: words.metrics.get(metric, metric) for metric in (*metrics, *compared)}
    numbers = {}
    for metric in metrics:
        heading = (metric,) if metric in added else tuple(print_names[metric].split())
        numbers[metric] = _Numbers(Column(heading), partial(_metric_cells, metric))
    for metric in compared:
        column = Column((f"Δ{print_names[metric]} [95 % CI]",), "difference")
        numbers[f"d{metric}"] = _Numbers(column, partial(_difference_cells, metric))
    numbers["p"] = _Numbers(Column(("p (Holm,", f"{words.lead})")), _p_cells)
    if any(study.costs for study in studies):
        for index, (name, column) in enumerate(COST_COLUMNS.items()):
            numbers[name] = _Numbers(column, partial(_cost_cells, index))
    if any(study.operating for study in studies):
        for name, column in OPERATING_COLUMNS.items():
            numbers.setdefault(name, _Numbers(column, partial(operating_cells, name)))  # unless a custom metric has it
    if any(study.ranks for study in studies):
        for name, column in RANK_COLUMNS.items():
            numbers.setdefault(name, _Numbers(column, partial(rank_column, name)))
    return numbers


def _metric_cells(metric: str, study: Study) -> list[TableCell]:
    """Return cells with the best of raw and the enhancers bold; an upper bound is never bold."""
    values = [row.metrics.get(metric) for row in study.rows]
    texts = [in_unit(value, _unit(row, metric)) for value, row in zip(values, study.rows, strict=True)]
    ranked = [i for i, row in enumerate(study.rows) if row.status == "ok" and not row.bound]
    lowest = any(row.measures[metric]["better"] == "lower" for row in study.rows if metric in row.measures)
    # Rows that are not comparable have no best one.
    bold = set() if study.differing else {ranked[k] for k in best([texts[i] for i in ranked], lowest=lowest)}
    return [
        TableCell(with_spread(value, row.spread.get(metric), _unit(row, metric)), i in bold, value=value)
        for i, (value, row) in enumerate(zip(values, study.rows, strict=True))
    ]


def _difference_cells(metric: str, study: Study) -> list[TableCell]:
    return [difference_cell(row.delta.get(metric), _unit(row, metric)) for row in study.rows]


def _p_cells(study: Study) -> list[TableCell]:
    deltas = [row.delta.get(study.vocabulary.lead) for row in study.rows]
    corrected = [delta["p_holm"] if delta else None for delta in deltas]
    return [TableCell(p_value(p), value=p) for p in corrected]


def _cost_cells(index: int, study: Study) -> list[TableCell]:
    return [cost_cells(study.costs.get(row.key))[index] for row in study.rows]


def _unit(row: ResultRow, metric: str) -> str:
    return row.measures[metric]["unit"] if metric in row.measures else "%"
