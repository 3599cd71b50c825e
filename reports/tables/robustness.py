"""Table of a darkness sweep: mean over stops, its ratio to the bright images, and its difference from raw."""

from __future__ import annotations

from pathlib import Path

from sgz_bench.benchmarks.decisions.sweep import Estimate, Robustness, read_robustness
from sgz_bench.benchmarks.results import Delta
from sgz_bench.core.text import pluralize

from ..labels import enhancer_labels
from ..numbers import UNDEFINED, percent
from .spreadsheets import Record
from .table import Column, Table, TableCell, best, difference_cell


def robustness_tables(folder: Path) -> dict[str, tuple[Table, list[Record]]]:
    """Return name → table and records of each sweep of a suite; empty without any.

    Raises:
        UserError: the suite's ``robustness.json`` is damaged.
    """
    sweeps = read_robustness(folder)
    names = ["robustness" if number == 1 else f"robustness--{number}" for number in range(1, len(sweeps) + 1)]
    return {name: (_table(name, sweep), _records(sweep)) for name, sweep in zip(names, sweeps, strict=True)}


def _table(name: str, sweep: Robustness) -> Table:
    labels = enhancer_labels(row.label for row in sweep.rows)
    stops = ", ".join(f"{ev:g}" for ev in sweep.stops.values())
    with_ratio = any(row.ratio for row in sweep.rows)
    ranked = [index for index, row in enumerate(sweep.rows) if row.label != "bright"]
    texts = [percent(sweep.rows[index].mean.value) for index in ranked]
    bold = {ranked[index] for index in best(texts)}
    columns = [Column(("Enhancer",), "label"), Column((f"Mean {sweep.metric} [95 % CI]",), "difference")]
    columns += [Column(("% of bright [95 % CI]",), "difference")] if with_ratio else []
    columns += [Column(("Δ [95 % CI]",), "difference")]
    lines = []
    for index, row in enumerate(sweep.rows):
        cells = [TableCell(labels[row.label]), _cell(row.mean, bold=index in bold)]
        cells += [_cell(row.ratio)] if with_ratio else []
        cells += [difference_cell(_delta(row.delta))]
        lines.append(tuple(cells))
    notes = [
        f"Mean {sweep.metric}: over the stops (mPC of robustness benchmarks)"
        + ("; % of bright: relative to the bright images (rPC)." if with_ratio else "."),
        "Intervals: 95 %, resamples of the images shared by all stops; Δ: difference from raw;"
        " *: this interval excludes 0. Bold: best of raw and the enhancers.",
        f"Runs {', '.join(sweep.stops)}.",
    ]
    notes += [f"Not at all stops, so left out: {', '.join(sweep.left_out)}."] if sweep.left_out else []
    return Table(
        name=name,
        caption=f"Robustness over {stops} stops of darkening, {pluralize(sweep.images, 'image')}.",
        columns=tuple(columns),
        blocks=(tuple(lines),),
        notes=tuple(notes),
    )


def _records(sweep: Robustness) -> list[Record]:
    """Return one record per row: ``mean``, ``mean_low``, …, ``ratio``, …, ``delta``, …, undefined values as None."""
    records: list[Record] = []
    for row in sweep.rows:
        record: dict[str, object] = {"enhancer": row.label, "metric": sweep.metric, "stops": len(sweep.stops)}
        for name, each in (("mean", row.mean), ("ratio", row.ratio), ("delta", row.delta)):
            record[name] = each.value if each else None
            record |= {f"{name}_{end}": getattr(each, end) if each else None for end in ("low", "high")}
        records.append(record)
    return records


def _cell(each: Estimate | None, *, bold: bool = False) -> TableCell:
    if each is None or each.value is None:
        return TableCell(UNDEFINED)
    interval = "" if each.low is None or each.high is None else f" [{percent(each.low)}, {percent(each.high)}]"
    return TableCell(percent(each.value) + interval, bold=bold, value=each.value)


def _delta(each: Estimate | None) -> Delta | None:
    return Delta(value=each.value, low=each.low, high=each.high, p=None, p_holm=None) if each else None
