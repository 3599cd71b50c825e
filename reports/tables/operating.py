"""Operating point in tables: columns of the comparison, and the tables ``operating_point`` and ``thresholds``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, cast

from sgz_bench.benchmarks.decisions.operating import Change, OperatingPoint, OperatingRow
from sgz_bench.benchmarks.results import Delta, ResultRow
from sgz_bench.core.text import pluralize

from ..numbers import MINUS, UNDEFINED, percent, three_digits
from ..run import Study
from .notes import study_notes
from .spreadsheets import Record, filled, operating_columns
from .table import Column, Table, TableCell, best, data_of, difference_cell

_Rate = Literal["precision", "recall", "F1", "FPPI"]

OPERATING_COLUMNS = {
    "precision": Column(("Precision",)),
    "recall": Column(("Recall",)),
    "F1": Column(("F1",)),
    "FPPI": Column(("FP per", "image")),
    "dprecision": Column(("ΔPrecision [95 % CI]",), "difference"),
    "drecall": Column(("ΔRecall [95 % CI]",), "difference"),
    "dF1": Column(("ΔF1 [95 % CI]",), "difference"),
    "dFPPI": Column(("ΔFP per image [95 % CI]",), "difference"),
    "threshold": Column(("Best", "threshold")),
    "best_F1": Column(("F1 there",)),
    "retuning": Column(("Re-tuning [95 % CI]",), "difference"),
    "dF1_retuned": Column(("ΔF1 re-tuned [95 % CI]",), "difference"),
}
_PLAIN = Column(("",))
_POINT = ("precision", "recall", "F1", "FPPI", "dprecision", "drecall", "dF1", "dFPPI")
_THRESHOLDS = ("F1", "threshold", "best_F1", "retuning", "dF1_retuned")
_TUNED = (
    "Best threshold: the score with the highest F1 on these images; F1 there is too high, because the same images"
    " choose and count. Re-tuning: F1 gained by an own threshold, the cost of keeping the common one; ΔF1 re-tuned:"
    " difference from raw, each at an own threshold. Both are cross-fitted: thresholds are chosen on one half of the"
    " images and counted on the other"
)


def operating_cells(name: str, study: Study) -> list[TableCell]:
    """Return the cells of a column of :data:`OPERATING_COLUMNS`, one per row of a study."""
    rows = [_row(study, row) for row in study.rows]
    if name in {"precision", "recall", "F1", "FPPI"}:
        return _rate_cells(cast(_Rate, name), study, rows)
    by_name: dict[str, Callable[[OperatingRow], TableCell]] = {
        "threshold": lambda row: TableCell(_score(row.threshold), value=row.threshold),
        "best_F1": lambda row: TableCell(percent(row.best_f1), value=row.best_f1),
        "retuning": lambda row: _change_cell(row.retuning_crossfitted),
        "dF1_retuned": lambda row: _change_cell(row.gain_retuned),
        "dFPPI": lambda row: _per_image_cell(row.delta.get("FPPI")),
    }

    def cell(row: OperatingRow) -> TableCell:
        return by_name[name](row) if name in by_name else _change_cell(row.delta.get(name[1:]))

    return [TableCell(UNDEFINED) if row is None else cell(row) for row in rows]


def operating_notes(studies: Sequence[Study], shown: Sequence[str], *, tested: bool = False) -> list[str]:
    """Describe the operating points of a table, and what bounds the boxes that count; none if no column needs it.

    Args:
        studies: studies of the table.
        shown: names of its columns.
        tested: stars of the other columns stand for p-values.
    """
    if not set(shown) & set(OPERATING_COLUMNS):
        return []
    pairs = [(study, row, study.operating[row.key]) for study in studies for row in study.scored if _row(study, row)]
    points = list({(point.conf, point.chosen): point for *_, point in pairs}.values())
    notes = [f"Operating point: {'; '.join(map(_described, points))}."] if points else []
    if len(points) > 1:
        notes.append("Rows at different operating points are not comparable.")
    if set(shown) & set(_THRESHOLDS) - {"F1"} and points:
        notes.append(f"{_TUNED} ({pluralize(points[0].splits, 'random halving')}).")
    if tested and {name for name in shown if OPERATING_COLUMNS.get(name, _PLAIN).kind == "difference"}:
        notes.append("* in the columns of the operating point: the interval excludes 0.")
    notes += dict.fromkeys(line for _, row, point in pairs if (line := _unseen(row, point)))
    cut = [
        f"{study.labels[row.enhancer]} {count}"
        for study, row, point in pairs
        if (count := point.rows[row.key].beyond_limit)
    ]
    if cut:
        notes.append(f"Boxes beyond the 100 best of their class and image, which COCO leaves out: {', '.join(cut)}.")
    return notes


def operating_tables(study: Study) -> dict[str, tuple[Table, list[Record]]]:
    """Return the tables ``operating_point`` and ``thresholds`` with their records; none for a run without."""
    rows = [row for row in study.scored if _row(study, row)]
    if not rows:
        return {}
    records = filled(
        {"enhancer": row.enhancer} | operating_columns(study.operating.get(row.key), row.key) for row in rows
    )
    point = study.operating[rows[0].key]
    place = f"on {data_of(rows[0])}"
    captions = {
        "operating_point": (_POINT, f"Operating point: boxes scored {_score(point.conf)} or more, {place}."),
        "thresholds": (_THRESHOLDS, f"Best threshold of each row, against {_score(point.conf)} for all, {place}."),
    }
    tables = {}
    for name, (shown, caption) in captions.items():
        columns = [operating_cells(each, study) for each in shown]
        lines = [
            (TableCell(study.labels[row.enhancer]), *(cells[index] for cells in columns))
            for index, row in enumerate(study.rows)
            if row in rows
        ]
        heads = (Column(("Enhancer",), "label"), *(OPERATING_COLUMNS[each] for each in shown))
        notes = [
            *operating_notes([study], shown),
            "Bold: best of raw and the enhancers.",
            *study_notes([study], study.labels, [point.resamples]),
        ]
        tables[name] = (Table(name, caption, heads, (tuple(lines),), tuple(notes)), records)
    return tables


def _row(study: Study, row: ResultRow) -> OperatingRow | None:
    point = study.operating.get(row.key)
    return None if point is None or row.status != "ok" else point.rows.get(row.key)


def _rate_cells(name: _Rate, study: Study, rows: Sequence[OperatingRow | None]) -> list[TableCell]:
    """Return cells with the best of raw and the enhancers bold, unless rows are not comparable."""
    values = [None if row is None else getattr(row, name) for row in rows]
    texts = [(three_digits if name == "FPPI" else percent)(value) for value in values]
    comparable = len({point.conf for point in study.operating.values()}) == 1 and not study.differing
    ranked = [index for index, row in enumerate(study.rows) if comparable and not row.bound]
    bold = {ranked[k] for k in best([texts[index] for index in ranked], lowest=name == "FPPI")}
    return [
        TableCell(text, index in bold, value=value)
        for index, (text, value) in enumerate(zip(texts, values, strict=True))
    ]


def _change_cell(change: Change | None) -> TableCell:
    if change is None:
        return TableCell(UNDEFINED)
    return difference_cell(Delta(value=change.value, low=change.low, high=change.high, p=None, p_holm=None))


def _per_image_cell(change: Change | None) -> TableCell:
    """Return a difference of false positives per image, with two decimals."""
    cell = _change_cell(change)
    if change is None or change.value is None:
        return cell
    value, *ends = (
        "" if each is None else f"{each:+.2f}".replace("-", MINUS) for each in (change.value, change.low, change.high)
    )
    return replace(cell, text=f"{value} [{', '.join(ends)}]" if all(ends) else value)


def _described(point: OperatingPoint) -> str:
    origin = {
        "given": "given by --operating-point",
        "raw": "the raw row's best F1 on these same images, of equal ones the highest score",
        "fallback": "because raw finds nothing, so that none is its best",
    }
    return (
        f"boxes scored {_score(point.conf)} or more ({origin[point.chosen]}), IoU {point.iou:g}, matched as for COCO's"
        " AP50, all classes together (boxes of classes without labels are false positives)"
    )


def _unseen(row: ResultRow, point: OperatingPoint) -> str:
    """Return a line about boxes that the model itself leaves out."""
    lowest, most = row.inference.get("conf"), row.inference.get("max_det")
    if not isinstance(lowest, int | float):
        return ""
    line = f"The model returns boxes scored {lowest:g} or more"
    line += f", at most {most} per image" if isinstance(most, int) else ""
    return line + (f": {_score(point.conf)} counts the same boxes as {lowest:g}." if point.conf < lowest else ".")


def _score(threshold: float | None) -> str:
    return UNDEFINED if threshold is None else f"{threshold:.3f}".removeprefix("0")
