"""CSV of a study: raw numbers in [0, 1] at full precision, for whoever computes on."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from sgz_bench.benchmarks.costs import cost_columns
from sgz_bench.benchmarks.results import Delta, ResultRow

from .numbers import exact
from .study import Study

_PLAIN = (
    "key", "status", "error", "task", "protocol", "dataset", "split", "dataset_fingerprint", "partial", "images",
    "model", "model_fingerprint", "darken", "seed", "metric_version", "enhancer", "enhancer_fingerprint", "terms",
)  # fmt: skip
_PARTS = ("value", "low", "high", "p", "p_holm")


def comparison_csv(studies: Sequence[Study]) -> str:
    """One line per row: identity, every metric, every difference as ``delta_AP50``, ``delta_AP50_low``, …

    Rows of several training seeds have ``seeds``, their number, and standard deviations as ``AP50_std``, …
    What was measured of costs is in ``cost_parameters``, …
    """
    return _write(
        {name: getattr(row, name) for name in _PLAIN}
        | row.metrics
        | _over_seeds(row)
        | _flat(row.delta)
        | cost_columns(study.costs.get(row.key))
        for study in studies
        for row in study.rows
    )


def class_csv(study: Study) -> str:
    """One line per enhancer and class."""
    return _write(
        {"enhancer": row.enhancer, "class": name} | values | _flat(row.delta_per_class.get(name, {}))
        for row in study.scored
        for name, values in row.per_class.items()
    )


def attribute_csv(study: Study, attribute: str) -> str:
    """One line per enhancer and attribute value."""
    return _write(
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


def _write(records: Iterable[Mapping[str, object]]) -> str:
    records = list(records)
    fields = list(dict.fromkeys(name for record in records for name in record))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fields, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: exact(value) for name, value in record.items()} for record in records)
    return buffer.getvalue()
