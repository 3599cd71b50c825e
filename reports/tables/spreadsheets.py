"""The numbers of a study for whoever computes on: in [0, 1], all digits, as CSV and as JSON of the same records."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from sgz_bench.benchmarks.analyses.costs import cost_columns
from sgz_bench.benchmarks.results import Delta, ResultRow
from sgz_bench.core.files import to_json

from ..numbers import exact
from ..run import Study

Record = Mapping[str, object]

_PLAIN = (
    "key", "status", "error", "task", "protocol", "dataset", "split", "dataset_fingerprint", "partial", "images",
    "model", "model_fingerprint", "darken", "seed", "metric_version", "enhancer", "enhancer_fingerprint", "engine",
    "terms",
)  # fmt: skip
_PARTS = ("value", "low", "high", "p", "p_holm")


def comparison_records(studies: Sequence[Study]) -> list[Record]:
    """One per row: identity, every metric, every difference as ``delta_AP50``, ``delta_AP50_low``, …

    Rows of several training seeds have ``seeds``, their number, and standard deviations as ``AP50_std``, …
    What was measured of costs is in ``cost_parameters``, … Rows that were forced into one table say in ``differs_in``
    what keeps them from being compared.
    """
    return filled(
        {name: getattr(row, name) for name in _PLAIN}
        | ({"differs_in": study.differs_in} if study.apart else {})
        | row.metrics
        | _over_seeds(row)
        | _flat(row.delta)
        | cost_columns(study.costs.get(row.key))
        for study in studies
        for row in study.rows
    )


def class_records(study: Study) -> list[Record]:
    """One per enhancer and class."""
    return filled(
        {"enhancer": row.enhancer, "class": name} | values | _flat(row.delta_per_class.get(name, {}))
        for row in study.scored
        for name, values in row.per_class.items()
    )


def attribute_records(study: Study, attribute: str) -> list[Record]:
    """One per enhancer and attribute value."""
    return filled(
        {"enhancer": row.enhancer, attribute: value}
        | numbers
        | _flat(row.delta_by_attribute.get(attribute, {}).get(value, {}))
        for row in study.scored
        for value, numbers in row.by_attribute.get(attribute, {}).items()
    )


def _over_seeds(row: ResultRow) -> dict[str, object]:
    if not row.members:
        return {}
    return {"seeds": len(row.members), **{f"{metric}_std": value for metric, value in row.spread.items()}}


def _flat(deltas: Mapping[str, Delta]) -> dict[str, object]:
    return {
        f"delta_{metric}" + ("" if part == "value" else f"_{part}"): delta[part]  # type: ignore[literal-required]
        for metric, delta in deltas.items()
        for part in _PARTS
    }


def filled(records: Iterable[Record]) -> list[Record]:
    """All with the same fields; what one lacks is None."""
    records = list(records)
    fields = dict.fromkeys(name for record in records for name in record)
    return [{name: record.get(name) for name in fields} for record in records]


def csv_text(records: Sequence[Record]) -> str:
    """A line per record; what is undefined is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(records[0] if records else ())
    writer.writerows([exact(value) for value in record.values()] for record in records)
    return buffer.getvalue()


def json_text(records: Sequence[Record]) -> str:
    """A list of objects; what is undefined is null."""
    return to_json(records)
