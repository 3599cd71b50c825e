"""Report of a suite: summary tables over its runs, and figures over exposure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from sgz_bench.benchmarks.suite import STUDIES
from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_json
from sgz_bench.core.text import pluralize

from .figures.catalog import run_figures, sweep_figures
from .figures.style import FORMATS, check_formats, looks, save_figures
from .labels import enhancer_labels, model_labels
from .numbers import percent
from .page.html import section_titles
from .report import check_figures, drawing, matching, run_section, write_page, write_run
from .run import FinishedRun, Study
from .tables.forms import write_forms
from .tables.notes import cost_notes, study_notes
from .tables.robustness import robustness_tables
from .tables.spreadsheets import comparison_records
from .tables.table import COST_COLUMNS, Column, Table, TableCell, cost_cells, difference_cell

_MOST_STUDIES = 6  # that fit into one table


class _Group(NamedTuple):
    """Identity of a study without its exposure; the studies of a sweep share it."""

    task: str
    dataset: str
    setting: str
    split: str
    protocol: str
    classes: tuple[str, ...]
    images: int
    seed: int
    model: tuple[str, str]  # spec, hash of the weights


def open_suite(folder: str | Path) -> list[FinishedRun]:
    """Open the finished runs in a suite's folder, sorted by name.

    Raises:
        UserError: the folder has no finished run.
    """
    runs = sorted(path.parent for path in Path(folder).glob("*/results.jsonl"))
    if not runs:
        raise UserError(f"{folder} is neither a finished run nor the folder of a suite; repeat its command")
    return [FinishedRun.open(run) for run in runs]


def unfinished(folder: str | Path) -> list[str]:
    """Return the names of the suite's studies without results: they failed or were interrupted."""
    path = Path(folder) / STUDIES
    planned: list[str] = read_json(path, "repeat the suite's command", list) if path.is_file() else []
    begun = [each.parent.name for each in sorted(Path(folder).glob("*/manifest.json"))]
    return [name for name in dict.fromkeys([*planned, *begun]) if not (Path(folder) / name / "results.jsonl").is_file()]


def write_suite_report(
    folder: str | Path,
    formats: tuple[str, ...] = FORMATS,
    say: Callable[[str], None] = lambda _line: None,
    figures: Sequence[str] = (),
) -> list[Path]:
    """Write the report of every run, and report.html, summaries, robustness and sweeps over all runs to FOLDER/report.

    An enhancer has the same look in all figures.

    Args:
        folder: the suite's folder, as ``sgz-bench run --out`` made it.
        formats: file formats of the figures.
        say: receives one line for each figure that is not drawn, with the reason.
        figures: names or patterns of the only figures to write, without tables and pages; all if empty.

    Returns:
        Paths of the written files.

    Raises:
        UserError: no finished run, a figure that no run has, an unknown format, or a path that cannot be written.
    """
    check_formats(formats)
    runs, report = open_suite(folder), Path(folder) / "report"
    look = looks([row.enhancer for run in runs for row in run.study.rows])
    each = [run_figures(run, look) for run in runs]
    together = sweep_figures(sweeps(runs), look)
    check_figures(figures, [*(name for drawn in each for name in drawn), *together])
    written: list[Path] = []
    for run, drawn in zip(runs, each, strict=True):
        written += write_run(run, drawn, formats, say, figures)
    if figures:
        return written + save_figures(drawing(matching(together, figures)), report / "figures", formats, say)
    tables = []
    for name, part in _summarised(runs).items():
        tables.append(_summary(name, part, unfinished(folder)))
        written += write_forms(report / "tables" / name, tables[-1], comparison_records([run.study for run in part]))
    try:
        over_stops = robustness_tables(Path(folder))
    except UserError as error:  # costs its own tables, not the report
        over_stops = {}
        say(f"left out: {error}")
    for name, each_table in over_stops.items():
        tables.append(each_table[0])
        written += write_forms(report / "tables" / name, *each_table)
    written += save_figures(drawing(together), report / "figures", formats, say)
    sections = [
        run_section(run, drawn, len(runs), title)
        for run, drawn, title in zip(runs, each, section_titles(runs), strict=True)
    ]
    return [*written, write_page(Path(folder), sections, tables, together)]


def summary_tables(runs: Sequence[FinishedRun], missing: Sequence[str] = ()) -> list[Table]:
    """Return tables with enhancers in rows and each study's difference from raw in columns.

    Up to six studies share one table; more get a table for each group that differs in exposure only.

    Args:
        runs: finished runs.
        missing: names of unfinished runs, for the notes.
    """
    return [_summary(name, part, missing) for name, part in _summarised(runs).items()]


def _summarised(runs: Sequence[FinishedRun]) -> dict[str, list[FinishedRun]]:
    """Return name of a summary table → the runs in it."""
    if len(runs) <= _MOST_STUDIES:
        return {"summary": list(runs)}
    groups: dict[_Group, list[FinishedRun]] = {}
    for run in sorted(runs, key=lambda run: run.exposure or 0.0):
        groups.setdefault(_group(run), []).append(run)
    return {f"summary_{name}": groups[group] for group, name in _names(list(groups)).items()}


def sweeps(runs: Sequence[FinishedRun]) -> dict[str, list[tuple[float, Study]]]:
    """Return name → (stops, study) in ascending order, for runs that differ in exposure only."""
    groups: dict[_Group, list[tuple[float, Study]]] = {}
    for run in runs:
        if run.exposure is not None:
            groups.setdefault(_group(run), []).append((run.exposure, run.study))
    several = {group: sorted(each, key=lambda pair: pair[0]) for group, each in groups.items() if len(each) > 1}
    return {name: several[group] for group, name in _names(list(several)).items()}


def _group(run: FinishedRun) -> _Group:
    row, model = run.study.rows[0], run.study.model
    return _Group(
        row.task, row.dataset, run.setting, row.split, row.protocol, tuple(row.classes), row.images, row.seed, model
    )


def _names(groups: Sequence[_Group]) -> dict[_Group, str]:
    """Return distinct parts of file names; equal ones get a number."""
    names: dict[_Group, str] = {}
    for group in groups:
        words = (group.task, group.dataset, group.split, model_labels([group.model])[group.model])
        stem = re.sub(r"[^\w.=-]+", "-", "-".join(words))
        same = sum(name == stem or name.startswith(f"{stem}--") for name in names.values())
        names[group] = f"{stem}--{same + 1}" if same else stem
    return names


def _summary(name: str, runs: Sequence[FinishedRun], missing: Sequence[str]) -> Table:
    studies = [run.study for run in runs]
    models = model_labels(study.model for study in studies)
    order = {"bright": 0, "raw": 1}
    rows = [row for study in studies for row in study.rows]
    enhancers = sorted(dict.fromkeys(row.enhancer for row in rows), key=lambda enhancer: order.get(enhancer, 2))
    labels = enhancer_labels(enhancers)
    measured = next((study for study in studies if study.costs), None)
    costs = {row.enhancer: measured.costs.get(row.key) for row in measured.rows} if measured else {}

    def cell(study: Study, enhancer: str) -> TableCell:
        row = next((row for row in study.rows if row.enhancer == enhancer), None)
        lead = study.vocabulary.lead
        if row is None or row.status != "ok":
            return TableCell("–" if row is None else "error")
        if enhancer == "raw":
            return TableCell(percent(row.metrics.get(lead)), value=row.metrics.get(lead))
        return difference_cell(row.delta.get(lead))

    def parts(run: FinishedRun) -> tuple[str, ...]:
        row, group = run.study.rows[0], _group(run)
        stops = "undarkened" if run.exposure is None else f"EV {run.exposure:g}"
        images = f"{pluralize(row.images, 'image')}{' (partial)' * row.partial}"
        data = group.setting if settings > len({row.dataset for row in rows}) else row.dataset
        return (
            f"Δ{run.study.vocabulary.lead}", f"{data} {row.split}", group.protocol, models[group.model], stops, images,
            f"seed {row.seed}",
        )  # fmt: skip

    settings = len({_group(run).setting for run in runs})
    each = [parts(run) for run in runs]
    shared = [len(set(values)) == 1 for values in zip(*each, strict=True)]
    common = ", ".join(part for part, same in zip(each[0], shared, strict=True) if same)
    headings = [tuple(part for part, same in zip(own, shared, strict=True) if not same) for own in each]
    if len(set(headings)) < len(headings):
        headings = [(*own, run.folder.name) for own, run in zip(headings, runs, strict=True)]

    lines = [
        (TableCell(labels[enhancer]), *(cell(study, enhancer) for study in studies))
        + (cost_cells(costs.get(enhancer))[:-1] if costs else ())
        for enhancer in enhancers
    ]
    notes = ["raw: the metric itself in %; others: difference from raw in points."]
    notes += [f"Not finished: {', '.join(missing)}; repeat the suite's command."] if missing else []
    notes += study_notes(studies, labels, [run.replicates for run in runs], spread=True, tested=True)
    notes += cost_notes(measured.rows, measured.costs) if measured else []
    return Table(
        name=name,
        caption="Raw against enhanced images" + (f": {common}." if common else "."),
        columns=(
            Column(("Enhancer",), "label"),
            *(Column(heading or each[0][:1], "difference") for heading in headings),
            *(list(COST_COLUMNS.values())[:-1] if costs else []),
        ),
        blocks=(tuple(lines),),
        notes=tuple(notes),
    )
