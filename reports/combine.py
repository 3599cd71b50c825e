"""Several runs in one table, where their numbers can stand beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sgz_bench.benchmarks.results import ResultRow
from sgz_bench.enhancer.errors import UserError

from .study import FinishedRun, Study

# What must be the same for numbers to be comparable, the most telling first.
_SAME = ("task", "split", "classes", "dataset_fingerprint", "metric_version", "protocol")


def combine(runs: Sequence[FinishedRun]) -> list[Study]:
    """One study for each model and darkening; a row that several runs share is there once, as in the run that has most
    metrics of it.

    Raises:
        UserError: rows that must not share a table; names the field and both values.
    """
    _check_comparable(runs)
    groups: dict[tuple[str, str, str | None], dict[str, ResultRow]] = {}
    for run in runs:
        for row in run.study.rows:
            group = groups.setdefault((row.model, row.model_fingerprint, run.study.darken), {})
            known = group.get(row.key)
            if known is None or known.status != "ok" or len(row.measures) > len(known.measures):
                group[row.key] = row
    costs = {key: cost for run in reversed(runs) for key, cost in run.study.costs.items()}
    return [Study.of(list(rows.values()), costs) for rows in groups.values()]


def _check_comparable(runs: Sequence[FinishedRun]) -> None:
    first: tuple[Path, ResultRow] = (runs[0].folder, runs[0].study.rows[0])
    metrics: dict[str, str] = {}
    for run in runs:
        for row in run.study.rows:
            for field in _SAME:
                mine, theirs = getattr(first[1], field), getattr(row, field)
                if mine != theirs:
                    raise UserError(
                        f"{first[0]} and {run.folder} cannot share a table: {field} differs, {_brief(mine, theirs)}"
                        f" against {_brief(theirs, mine)}; compare them in two tables"
                    )
            for name, measure in row.measures.items():
                if metrics.setdefault(name, measure["fingerprint"]) != measure["fingerprint"]:
                    raise UserError(f"{first[0]} and {run.folder} cannot share a table: their metrics {name} differ")


def _brief(value: object, other: object) -> str:
    """A value in an error message; of a long list what the other one lacks."""
    if isinstance(value, list) and isinstance(other, list):
        own = [str(item) for item in value if item not in other] or [str(item) for item in value]
        return f"{len(value)} classes with {', '.join(own[:5])}" + (", …" if len(own) > 5 else "")
    return repr(value[:16] + "…" if isinstance(value, str) and len(value) > 40 else value)
