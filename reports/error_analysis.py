"""What kinds of errors enhancement adds and removes, and which objects it recovers and loses: tables and figures."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from sgz_bench.benchmarks.analyses.detection_errors import MIN_SCORE, Group, Kind, RowErrors
from sgz_bench.benchmarks.results import Delta, ResultRow

from .figures.heat_map import heat_map
from .figures.style import NothingToShow, styled
from .labels import broken, enhancer_labels
from .numbers import MINUS, UNDEFINED, difference, excludes_zero, in_unit, percent, signed
from .run import FinishedRun, Study
from .tables.notes import study_notes
from .tables.spreadsheets import Record, filled
from .tables.table import Cell, Column, Table, data_of

_BY = {"size": "", "luminance": "luma "}
_HYPHENATED = {"classification": "classifi-\ncation", "localisation": "localis-\nation", "background": "back-\nground"}
_KINDS = (
    f"classification: right place, other class; localisation: right class, IoU .1 to .5; duplicate: found already; "
    f"background: nothing there; both: other class and IoU .1 to .5; missed: labelled, and no error of these is of it. "
    f"Counts are of predictions scored {MIN_SCORE} or more."
)
_OBJECTS = (
    "Labelled objects that only the enhanced image (+), and only the raw one (−), let the model find, at IoU .5 and a "
    f"score of {MIN_SCORE}. Sizes are COCO's; luma is the mean of a box on the raw image, 0 to 255."
)


def error_tables(run: FinishedRun) -> dict[str, tuple[Table, list[Record]]]:
    """Tables ``errors``, ``error_counts`` and ``objects`` with their records; none for a run without them."""
    study, errors = run.study, run.errors()
    rows = [row for row in study.scored if row.key in errors]
    if not rows:
        return {}
    labels = enhancer_labels(row.enhancer for row in study.rows)
    notes = study_notes([study], labels, [run.replicates])
    kinds = list(errors[rows[0].key].kinds)
    names = [Column((kind.capitalize(),)) for kind in kinds]

    def table(name: str, caption: str, columns: list[Column], lines: list[tuple[Cell, ...]], note: str) -> Table:
        caption = f"{caption} on {data_of(rows[0])}."
        return Table(name, caption, (Column(("Enhancer",), "label"), *columns), (tuple(lines),), (note, *notes))

    costs = [(Cell(labels[row.enhancer]), *map(_cost, errors[row.key].kinds.values())) for row in rows]
    counts = [(Cell(labels[row.enhancer]), *map(_count, errors[row.key].kinds.values())) for row in rows]
    groups = [(by, name, group) for by, parts in errors[rows[0].key].objects.items() for name, group in parts.items()]
    objects = [
        (Cell(labels[row.enhancer]), *(_found(row, errors[row.key].objects[by][name]) for by, name, _ in groups))
        for row in rows
    ]
    heads = [Column((f"{_BY[by]}{name}".capitalize(), f"({group.objects})")) for by, name, group in groups]
    cost_note = (
        "Points of AP50 that an oracle would give back that mends every error of one kind (TIDE, Bolya et al. 2020), "
        f"and the change from raw; they do not add up. {_KINDS}"
    )
    count_note = f"raw: how many; others: difference from raw [95 % interval over images]. {_KINDS}"
    object_note = f"{_OBJECTS} raw: how many of the objects it finds. Of several training seeds the first."
    by_kind = _kind_records(rows, errors)
    return {
        "errors": (table("errors", "What each kind of error costs", names, costs, cost_note), by_kind),
        "error_counts": (
            table("error_counts", "Errors of each kind", names, counts, count_note), by_kind,
        ),
        "objects": (
            table("objects", "Objects recovered and lost", heads, objects, object_note), _object_records(rows, errors),
        ),
    }  # fmt: skip


@styled
def error_map(study: Study, errors: Mapping[str, RowErrors]) -> Figure:
    """Change from raw in what each kind of error costs, in points of AP50.

    Raises:
        NothingToShow: the run has no errors, or no enhancer.
    """
    rows = _enhanced(study, errors)
    kinds = list(errors[rows[0].key].kinds)
    each = [[errors[row.key].kinds[kind] for kind in kinds] for row in rows]
    grid = [[math.nan if kind.cost_change is None else 100 * kind.cost_change for kind in line] for line in each]
    texts = [[signed(kind.cost_change) for kind in line] for line in each]
    lines, height = _lines(study, rows)
    return heat_map(
        np.array(grid),
        texts,
        lines,
        [_HYPHENATED.get(kind, kind) for kind in kinds],
        label="cost (points)",
        note="change from raw in what each kind of error costs, in AP50; blue: it costs less",
        line_height=height,
        good="low",
    )


@styled
def object_map(study: Study, errors: Mapping[str, RowErrors]) -> Figure:
    """Objects that only the enhanced, and only the raw image let the model find, by size and brightness.

    Raises:
        NothingToShow: the run has no errors, or no enhancer.
    """
    rows = _enhanced(study, errors)
    groups = [(by, name) for by, parts in errors[rows[0].key].objects.items() for name in parts]
    each = [[errors[row.key].objects[by][name] for by, name in groups] for row in rows]
    grid = [[100 * (g.recovered - g.lost) / g.objects if g.objects else math.nan for g in line] for line in each]
    heads = [
        "\n".join([*f"{_BY[by]}{name}".split(" ", 1), f"n={group.objects}"])
        for (by, name), group in zip(groups, each[0], strict=True)
    ]
    lines, height = _lines(study, rows)
    return heat_map(
        np.array(grid),
        [[_plus_minus(group) for group in line] for line in each],
        lines,
        heads,
        label="net, % of objects",
        note=f"objects found only enhanced (+) and only raw ({MINUS}), by size and brightness; n: objects",
        line_height=height,
    )


def _enhanced(study: Study, errors: Mapping[str, RowErrors]) -> list[ResultRow]:
    rows = [row for row in study.enhanced if row.key in errors]
    if not rows:
        raise NothingToShow("the run has no errors.json; repeat the run's command, which writes it")
    return rows


def _lines(study: Study, rows: list[ResultRow]) -> tuple[list[str], float]:
    """Names in lines, and the inches that the tallest needs."""
    labels = enhancer_labels(row.enhancer for row in study.rows)
    names = ["\n".join(broken(labels[row.enhancer], 24)) for row in rows]
    return names, 0.1 + 0.1 * max(name.count("\n") + 1 for name in names)


def _cost(kind: Kind) -> Cell:
    change = "" if kind.cost_change is None else f" ({signed(kind.cost_change)})"
    return Cell(percent(kind.cost) + change, value=kind.cost)


def _count(kind: Kind) -> Cell:
    delta = _delta(kind)
    if delta is None:
        return Cell(in_unit(kind.count, ""), value=kind.count)
    return Cell(difference(delta, ""), mark=excludes_zero(delta), value=delta["value"])


def _delta(kind: Kind) -> Delta | None:
    if kind.count_change is None:
        return None
    value, low, high = (kind.count_change[part] for part in ("value", "low", "high"))
    return Delta(value=value, low=low, high=high, p=None, p_holm=None)


def _found(row: ResultRow, group: Group) -> Cell:
    return (
        Cell(str(group.found), value=group.found)
        if row.enhancer == "raw"
        else Cell(_plus_minus(group), value=group.recovered - group.lost)
    )


def _plus_minus(group: Group) -> str:
    return f"+{group.recovered} {MINUS}{group.lost}" if group.objects else UNDEFINED


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
