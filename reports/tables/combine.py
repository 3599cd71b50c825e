"""Several runs in one table, if their numbers are comparable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from sgz_bench.benchmarks.results import ResultRow
from sgz_bench.core.errors import UserError
from sgz_bench.core.text import pluralize

from ..numbers import UNDEFINED
from ..run import FinishedRun, Study

# Fields that must be equal for numbers to be comparable, the most informative first.
_SAME = ("task", "split", "classes", "dataset_fingerprint", "metric_version", "protocol")

_Identity = Mapping[str, object]


def combine(runs: Sequence[FinishedRun], *, side_by_side: bool = False) -> list[Study]:
    """Return one study for each model and darkening.

    A row that several runs share appears once, from the run with the most metrics of it.

    Args:
        runs: finished runs.
        side_by_side: also combine runs of one task that are not comparable; their studies have ``differing`` fields.

    Raises:
        UserError: runs that must not share a table; names the field and both values.
    """
    identities = [_identity(run) for run in runs]
    fields = _differing(identities)
    if fields and (fields[0] == "task" or not side_by_side):
        _refuse(runs, identities, fields[0])
    groups: dict[tuple[object, ...], dict[str, ResultRow]] = {}
    differing: dict[tuple[object, ...], dict[str, str]] = {}
    for run, identity in zip(runs, identities, strict=True):
        labels = {field: _label(identity.get(field), [each.get(field) for each in identities]) for field in fields}
        values = [repr(identity.get(field)) for field in fields]
        for row in run.study.rows:
            key = (*values, row.model, row.model_fingerprint, run.study.darken)
            differing[key], group = labels, groups.setdefault(key, {})
            known = group.get(row.key)
            if known is None or known.status != "ok" or len(row.measures) > len(known.measures):
                group[row.key] = row
    costs = {row_key: cost for run in reversed(runs) for row_key, cost in run.study.costs.items()}
    operating = {row_key: point for run in reversed(runs) for row_key, point in run.study.operating.items()}
    ranks = {row_key: rank for run in reversed(runs) for row_key, rank in run.study.ranks.items()}
    return [Study.of(list(rows.values()), costs, differing[key], operating, ranks) for key, rows in groups.items()]


def _identity(run: FinishedRun) -> _Identity:
    """Return what all rows of a run have in common, the hashes of its added metrics, and its enhancers' engines."""
    measures = {name: measure for row in run.study.rows for name, measure in row.measures.items()}
    same: dict[str, object] = {field: getattr(run.study.rows[0], field) for field in _SAME}
    engines = {f"engine of {row.enhancer}": row.engine for row in run.study.rows if row.engine}
    return same | {f"metric {name}": measure["fingerprint"] for name, measure in measures.items()} | engines


def _differing(identities: Sequence[_Identity]) -> list[str]:
    """Return the fields that differ among the runs that have them."""
    fields = dict.fromkeys(field for identity in identities for field in identity)
    return [field for field in fields if len({repr(each[field]) for each in identities if field in each}) > 1]


def _refuse(runs: Sequence[FinishedRun], identities: Sequence[_Identity], field: str) -> NoReturn:
    values = [(run.folder, each[field]) for run, each in zip(runs, identities, strict=True) if field in each]
    first, mine = values[0]
    other, theirs = next(pair for pair in values if pair[1] != mine)
    fix = " (they have no metric in common)" if field == "task" else ", or in one with --force-side-by-side"
    raise UserError(
        f"{first} and {other} cannot share a table: {field} differs, {_brief(mine, theirs)} against"
        f" {_brief(theirs, mine)}; compare them in two tables{fix}"
    )


def _label(value: object, values: Sequence[object]) -> str:
    """Format a value for the column "Differs in": the first digits of a hash, the number of classes."""
    if not isinstance(value, list):
        return UNDEFINED if value is None else str(value)[:8] if len(str(value)) > 40 else str(value)
    others = [other for other in values if isinstance(other, list) and other != value]
    own = [name for name in value if any(name not in other for other in others)]
    ambiguous = own and any(len(other) == len(value) for other in others)
    return f"{len(value)} with {own[0]}" if ambiguous else str(len(value))


def _brief(value: object, other: object) -> str:
    """Format a value for an error message; of a list, what the other list lacks."""
    if isinstance(value, list) and isinstance(other, list):
        own = [str(item) for item in value if item not in other] or [str(item) for item in value]
        return f"{pluralize(len(value), 'class', 'classes')} with {', '.join(own[:5])}" + (
            ", …" if len(own) > 5 else ""
        )
    return repr(value[:16] + "…" if isinstance(value, str) and len(value) > 40 else value)
