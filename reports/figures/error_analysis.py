"""Heat maps of the errors that enhancement adds and removes, and of the objects that it recovers and loses."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from sgz_bench.benchmarks.analyses.detection_errors import RowErrors
from sgz_bench.benchmarks.results import ResultRow

from ..labels import broken, object_group_label
from ..numbers import MINUS, gained_and_lost, signed
from ..run import Study
from .heat_map import heat_map
from .style import NothingToShow, styled

_HYPHENATED = {"classification": "classifi-\ncation", "localisation": "localis-\nation", "background": "back-\nground"}


@styled
def error_map(study: Study, errors: Mapping[str, RowErrors]) -> Figure:
    """Draw the change from raw in what each kind of error costs, in points of AP50.

    Args:
        study: the rows.
        errors: row key → its errors.

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
    """Draw the objects found only on the enhanced and only on the raw image, by size and brightness.

    Args:
        study: the rows.
        errors: row key → its errors.

    Raises:
        NothingToShow: the run has no errors, or no enhancer.
    """
    rows = _enhanced(study, errors)
    groups = [(by, name) for by, parts in errors[rows[0].key].objects.items() for name in parts]
    each = [[errors[row.key].objects[by][name] for by, name in groups] for row in rows]
    grid = [[100 * (g.recovered - g.lost) / g.objects if g.objects else math.nan for g in line] for line in each]
    heads = [
        "\n".join([*object_group_label(by, name).split(" ", 1), f"n={group.objects}"])
        for (by, name), group in zip(groups, each[0], strict=True)
    ]
    lines, height = _lines(study, rows)
    return heat_map(
        np.array(grid),
        [[gained_and_lost(group.recovered, group.lost, of=group.objects) for group in line] for line in each],
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
    """Labels broken into lines, and the inches that the tallest label needs."""
    labels = ["\n".join(broken(study.labels[row.enhancer], 24)) for row in rows]
    return labels, 0.1 + 0.1 * max(label.count("\n") + 1 for label in labels)
