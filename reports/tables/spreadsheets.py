"""Numbers of a study for programs: records in [0, 1] with all digits, as CSV and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from sgz_bench.benchmarks.analyses.costs import cost_columns
from sgz_bench.benchmarks.decisions.operating import OperatingPoint
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
    """Return one record per row: identity, every metric, every difference as ``delta_AP50``, ``delta_AP50_low``, …

    Rows of several training seeds have their number in ``seeds`` and standard deviations in ``AP50_std``, … Measured
    costs are in ``cost_parameters``, …; numbers at the operating point are named as in ``decision.json``. Rows that
    share a table but are not comparable have the reason in ``differs_in``.
    """
    return filled(
        {name: getattr(row, name) for name in _PLAIN}
        | ({"differs_in": study.differs_in} if study.differing else {})
        | row.metrics
        | _over_seeds(row)
        | _flat(row.delta)
        | cost_columns(study.costs.get(row.key))
        | operating_columns(study.operating.get(row.key), row.key)
        for study in studies
        for row in study.rows
    )


def operating_columns(point: OperatingPoint | None, key: str) -> dict[str, object]:
    """Return a row's numbers at its operating point as columns; empty for a run without one."""
    if point is None or key not in point.rows:
        return {}
    own = point.rows[key]
    plain = own.model_dump(exclude={"curve", "delta", "retuning", "retuning_crossfitted", "gain_retuned"})
    changes = {f"delta_{name}": each for name, each in own.delta.items()} | {
        "retuning": own.retuning,
        "retuning_crossfitted": own.retuning_crossfitted,
        "gain_retuned": own.gain_retuned,
    }
    return {"conf": point.conf, "conf_chosen": point.chosen, **plain} | {
        name + ("" if part == "value" else f"_{part}"): value
        for name, each in changes.items()
        if each is not None
        for part, value in each.model_dump().items()
    }


def class_records(study: Study) -> list[Record]:
    """Return one record per enhancer and class."""
    return filled(
        {"enhancer": row.enhancer, "class": name} | values | _flat(row.delta_per_class.get(name, {}))
        for row in study.scored
        for name, values in row.per_class.items()
    )


def attribute_records(study: Study, attribute: str) -> list[Record]:
    """Return one record per enhancer and value of an attribute."""
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
    """Give all records the same fields; missing values are None."""
    records = list(records)
    fields = dict.fromkeys(name for record in records for name in record)
    return [{name: record.get(name) for name in fields} for record in records]


def csv_text(records: Sequence[Record]) -> str:
    """Return a CSV line per record; undefined values are empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(records[0] if records else ())
    writer.writerows([exact(value) for value in record.values()] for record in records)
    return buffer.getvalue()


def json_text(records: Sequence[Record]) -> str:
    """Return a JSON list of objects; undefined values are null."""
    return to_json(records)
