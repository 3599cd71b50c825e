"""What the runs of a suite say together: one table over all of them, and how they depend on darkness."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from sgz_bench.benchmarks.store import write_atomic
from sgz_bench.enhancer.errors import UserError

from .labels import enhancer_labels, model_labels
from .markup import latex, markdown
from .numbers import percent
from .study import FinishedRun, Study
from .style import FORMATS, NothingToShow, check_formats, looks, save
from .sweep import sweep
from .tables import COST_COLUMNS, Cell, Column, Table, cost_cells, cost_notes, difference_cell

_TOGETHER = 6  # studies that have room in one table
Group = tuple[str, str, str, int, str, str]


def open_suite(folder: str | Path) -> list[FinishedRun]:
    """The finished runs in a suite's folder, by name.

    Raises:
        UserError: there is none.
    """
    runs = sorted(path.parent for path in Path(folder).glob("*/results.jsonl"))
    if not runs:
        raise UserError(f"{folder} is neither a finished run nor the folder of a suite; finish it by its command")
    return [FinishedRun.open(run) for run in runs]


def write_suite_report(
    folder: str | Path, formats: tuple[str, ...] = FORMATS, say: Callable[[str], None] = lambda _line: None
) -> list[Path]:
    """Write ``FOLDER/report/tables/summary*.{md,tex}`` and ``FOLDER/report/figures/sweep_*``.

    Args:
        folder: the suite's, as ``sgz-bench run --out`` made it.
        formats: of the figures.
        say: told, a line each, which figures were not drawn and why.

    Raises:
        UserError: no finished run, an unknown format, or a place that cannot be written.
    """
    check_formats(formats)
    runs, report = open_suite(folder), Path(folder) / "report"
    written: list[Path] = []
    for table in summary_tables(runs):
        for ending, text in (("md", markdown(table)), ("tex", latex(table))):
            written.append(report / "tables" / f"{table.name}.{ending}")
            write_atomic(written[-1], text)
    for name, exposures in sweeps(runs).items():
        look = looks([row.enhancer for _, study in exposures for row in study.rows])
        try:
            written += save(sweep(exposures, look), report / "figures" / f"sweep_{name}", formats)
        except NothingToShow as reason:
            say(f"sweep_{name}: not drawn, {reason}")
    return written


def summary_tables(runs: Sequence[FinishedRun]) -> list[Table]:
    """Enhancers in rows, a difference from raw for each study in columns; of many studies a table for each data set."""
    if len(runs) <= _TOGETHER:
        return [_summary("summary", runs)]
    groups: dict[Group, list[FinishedRun]] = {}
    for run in sorted(runs, key=lambda run: run.exposure or 0.0):
        groups.setdefault(_group(run), []).append(run)
    return [_summary(f"summary_{name}", groups[group]) for group, name in _names(list(groups)).items()]


def sweeps(runs: Sequence[FinishedRun]) -> dict[str, list[tuple[float, Study]]]:
    """Name → (stops, study) in ascending order, of the runs that differ in nothing but darkness."""
    groups: dict[Group, list[tuple[float, Study]]] = {}
    for run in runs:
        if run.exposure is not None:
            groups.setdefault(_group(run), []).append((run.exposure, run.study))
    several = {group: sorted(each, key=lambda pair: pair[0]) for group, each in groups.items() if len(each) > 1}
    return {name: several[group] for group, name in _names(list(several)).items()}


def _group(run: FinishedRun) -> Group:
    row = run.study.rows[0]
    return row.task, row.dataset, row.split, row.seed, row.model, row.model_fingerprint


def _names(groups: Sequence[Group]) -> dict[Group, str]:
    """Parts of file names; where two would be the same, with a number."""
    names: dict[Group, str] = {}
    for group in groups:
        model = group[4:]
        stem = re.sub(r"[^\w.=-]+", "-", "-".join([*group[:3], model_labels([model])[model]]))
        alike = sum(name == stem or name.startswith(f"{stem}--") for name in names.values())
        names[group] = f"{stem}--{alike + 1}" if alike else stem
    return names


def _summary(name: str, runs: Sequence[FinishedRun]) -> Table:
    studies = [run.study for run in runs]
    models = model_labels((study.rows[0].model, study.rows[0].model_fingerprint) for study in studies)
    order = {"bright": 0, "raw": 1}
    rows = [row for study in studies for row in study.rows]
    found = dict.fromkeys(row.enhancer for row in rows)
    enhancers = sorted(found, key=lambda enhancer: order.get(enhancer, 2))
    labels = enhancer_labels(enhancers)
    costs = {
        row.enhancer: study.costs[row.key]
        for study in reversed(studies)
        for row in study.rows
        if row.key in study.costs
    }

    def cell(study: Study, enhancer: str) -> Cell:
        row = next((row for row in study.rows if row.enhancer == enhancer), None)
        lead = study.words.lead
        if row is None or row.status != "ok":
            return Cell("–" if row is None else "error")
        return Cell(percent(row.metrics.get(lead))) if enhancer == "raw" else difference_cell(row.delta.get(lead))

    def parts(run: FinishedRun) -> tuple[str, ...]:
        row = run.study.rows[0]
        stops = "as it is" if run.exposure is None else f"EV {run.exposure:g}"
        return f"Δ{run.study.words.lead}", f"{row.dataset} {row.split}", models[_group(run)[4:]], stops

    each = [parts(run) for run in runs]
    shared = [len(set(values)) == 1 for values in zip(*each, strict=True)]
    common = ", ".join(part for part, same in zip(each[0], shared, strict=True) if same)
    headings = [tuple(part for part, same in zip(own, shared, strict=True) if not same) for own in each]

    line = [
        (Cell(labels[enhancer]), *(cell(study, enhancer) for study in studies))
        + (cost_cells(costs.get(enhancer)) if costs else ())
        for enhancer in enhancers
    ]
    terms = dict.fromkeys(
        f"{labels[row.enhancer]}: {row.terms}" for study in studies for row in study.rows if row.terms
    )
    notes = ["raw: the metric itself in %; others: difference from raw, 95 % paired bootstrap interval over images."]
    notes += ["* interval excludes 0."]
    notes += [f"Images: {', '.join(dict.fromkeys(str(study.rows[0].images) for study in studies))}."]
    notes += cost_notes([row for study in studies[:1] for row in study.rows], studies[0].costs)
    notes += [f"Terms of weights: {'; '.join(terms)}."] if terms else []
    return Table(
        name=name,
        caption="Raw against enhanced images" + (f": {common}." if common else "."),
        columns=(
            Column(("Enhancer",), "label"),
            *(Column(heading or each[0][:1], "difference") for heading in headings),
            *([Column(heading) for heading in COST_COLUMNS] if costs else []),
        ),
        blocks=(tuple(line),),
        notes=tuple(notes),
    )
