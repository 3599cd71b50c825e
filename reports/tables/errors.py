"""Tables of the errors that enhancement adds and removes, and of the objects that it recovers and loses."""

from __future__ import annotations

from collections.abc import Mapping

from sgz_bench.benchmarks.analyses.detection_errors import MIN_SCORE, Group, Kind, RowErrors
from sgz_bench.benchmarks.results import Delta, ResultRow

from ..labels import object_group_label
from ..numbers import difference, gained_and_lost, in_unit, percent, signed, significant
from ..run import FinishedRun
from .notes import study_notes
from .spreadsheets import Record, filled
from .table import Column, Table, TableCell, data_of

_KINDS = (
    "classification: right box, other class; localisation: right class, IoU .1 to .5; duplicate: object found already; "
    "background: no object there; both: other class and IoU .1 to .5; missed: labelled object without any of these. "
    f"Counts are of predictions scored {MIN_SCORE} or more."
)
_OBJECTS = (
    "Labelled objects that only the enhanced image (+), and only the raw one (−), let the model find, at IoU .5 and a "
    f"score of {MIN_SCORE}. Sizes are COCO's; luma is the mean of a box on the raw image, 0 to 255."
)
_COSTS = (
    "Points of AP50 that an oracle would recover by fixing every error of one kind (TIDE, Bolya et al. 2020), "
    f"and the change from raw; they do not add up. {_KINDS}"
)
_COUNTS = f"raw: number of errors; others: difference from raw [95 % interval over images]. {_KINDS}"
_FOUND = f"{_OBJECTS} raw: number of objects found. With several training seeds: of the first."


def error_tables(run: FinishedRun) -> dict[str, tuple[Table, list[Record]]]:
    """Return the tables ``errors``, ``error_counts`` and ``objects`` with their records; none without ``errors.json``.

    Raises:
        UserError: ``errors.json`` is damaged.
    """
    study, errors = run.study, run.errors()
    rows = [row for row in study.scored if row.key in errors]
    if not rows:
        return {}
    labels = study.labels
    notes = study_notes([study], labels, [run.replicates])
    kinds = [Column((kind.capitalize(),)) for kind in errors[rows[0].key].kinds]
    groups = [(by, name, group) for by, parts in errors[rows[0].key].objects.items() for name, group in parts.items()]
    heads = [Column((object_group_label(by, name).capitalize(), f"({group.objects})")) for by, name, group in groups]

    def table(name: str, caption: str, columns: list[Column], lines: list[tuple[TableCell, ...]], note: str) -> Table:
        caption = f"{caption} on {data_of(rows[0])}."
        return Table(name, caption, (Column(("Enhancer",), "label"), *columns), (tuple(lines),), (note, *notes))

    costs = [(TableCell(labels[row.enhancer]), *map(_cost, errors[row.key].kinds.values())) for row in rows]
    counts = [(TableCell(labels[row.enhancer]), *map(_count, errors[row.key].kinds.values())) for row in rows]
    objects = [
        (TableCell(labels[row.enhancer]), *(_objects(row, errors[row.key].objects[by][name]) for by, name, _ in groups))
        for row in rows
    ]
    by_kind = _kind_records(rows, errors)
    return {
        "errors": (table("errors", "Cost of each kind of error", kinds, costs, _COSTS), by_kind),
        "error_counts": (table("error_counts", "Errors of each kind", kinds, counts, _COUNTS), by_kind),
        "objects": (
            table("objects", "Objects recovered and lost", heads, objects, _FOUND), _object_records(rows, errors),
        ),
    }  # fmt: skip


def _cost(kind: Kind) -> TableCell:
    change = "" if kind.cost_change is None else f" ({signed(kind.cost_change)})"
    return TableCell(percent(kind.cost) + change, value=kind.cost)


def _count(kind: Kind) -> TableCell:
    delta = _delta(kind)
    if delta is None:
        return TableCell(in_unit(kind.count, ""), value=kind.count)
    return TableCell(difference(delta, ""), mark=significant(delta), value=delta["value"])


def _delta(kind: Kind) -> Delta | None:
    if kind.count_change is None:
        return None
    return Delta(**kind.count_change, p=None, p_holm=None)


def _objects(row: ResultRow, group: Group) -> TableCell:
    if row.enhancer == "raw":
        return TableCell(str(group.found), value=group.found)
    text = gained_and_lost(group.recovered, group.lost, of=group.objects)
    return TableCell(text, value=group.recovered - group.lost)


def _kind_records(rows: list[ResultRow], errors: Mapping[str, RowErrors]) -> list[Record]:
    return filled(
        {
            "enhancer": row.enhancer,
            "error": name,
            "cost": kind.cost,
            "cost_change": kind.cost_change,
            "count": kind.count,
        }
        | {f"count_change_{part}": value for part, value in (kind.count_change or {}).items()}
        for row in rows
        for name, kind in errors[row.key].kinds.items()
    )


def _object_records(rows: list[ResultRow], errors: Mapping[str, RowErrors]) -> list[Record]:
    return filled(
        {"enhancer": row.enhancer, "by": by, "group": name} | group.model_dump()
        for row in rows
        for by, parts in errors[row.key].objects.items()
        for name, group in parts.items()
    )
