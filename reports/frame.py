"""Rows of finished runs as a pandas DataFrame."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgz_bench.benchmarks.analyses.costs import cost_columns, read_costs
from sgz_bench.benchmarks.results import read_rows

if TYPE_CHECKING:
    import pandas as pd

_NESTED = {
    "metrics",
    "per_class",
    "by_attribute",
    "delta",
    "delta_per_class",
    "delta_by_attribute",
    "members",
    "spread",
    "measures",
}


def load_run(path: str | Path) -> pd.DataFrame:
    """Return the rows of a run as a DataFrame: plain fields unchanged, metrics and differences as flat columns.

    For a suite's folder, return the rows of all its runs, with the name of each run's folder in a first column ``run``.

    Columns ``AP50``, ``VOC_AP50``, … hold the metrics; ``delta_AP50``, ``delta_AP50_low``, ``delta_AP50_high``,
    ``delta_AP50_p``, ``delta_AP50_p_holm`` hold the differences from raw. All are in [0, 1]. Measured costs are in
    ``cost_parameters``, ``cost_macs``, ``cost_enhancer_ms``, ``cost_model_ms``, ``cost_memory`` (bytes), …

    Raises:
        UserError: the folder is neither a finished run nor a suite with finished runs.
    """
    import pandas as pd

    folder = Path(path)
    suite = [] if (folder / "results.jsonl").is_file() else sorted(folder.glob("*/results.jsonl"))
    if suite:
        return pd.DataFrame.from_records(
            [{"run": each.parent.name} | record for each in suite for record in _records(each.parent)]
        )
    return pd.DataFrame.from_records(_records(folder))


def _records(folder: Path) -> list[dict[str, Any]]:
    records, costs = [], read_costs(folder)
    for row in read_rows(folder):
        record = {name: value for name, value in asdict(row).items() if name not in _NESTED}
        record |= row.metrics
        record |= {f"{metric}_std": value for metric, value in row.spread.items()}
        for metric, delta in row.delta.items():
            record[f"delta_{metric}"] = delta["value"]
            record |= {f"delta_{metric}_{part}": delta[part] for part in ("low", "high", "p", "p_holm")}
        records.append(record | cost_columns(costs.get(row.key)))
    return records
