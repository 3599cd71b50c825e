"""Page of a report, of a run or a suite: a single HTML file that needs no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.catalog import TASKS

from ..figures.catalog import Figures
from ..labels import darken_labels, model_labels
from ..run import FinishedRun
from ..tables.markup import html as html_table
from ..tables.table import Table
from ..task_report import LegendEntry, task_report
from . import facts
from .decision import Point, decision
from .gallery import Pair, pairs
from .pictures import Picture, pictures
from .verdict import verdict

_PAIRS = 30  # on a page: as many as fit into 8 MB


@dataclass(frozen=True)
class Section:
    """Content of the page about one run, as its template takes it."""

    title: str
    verdict: Sequence[str]
    decision: Sequence[Point]
    protocol: Sequence[tuple[str, str]]
    classes: Sequence[str]
    comparison: str
    figures: Sequence[Picture]
    further: Sequence[Picture]
    tables: Sequence[tuple[str, str]]
    pairs: Sequence[Pair]
    unshown: int
    legend: Sequence[LegendEntry]
    failures: Sequence[str]
    provenance: Sequence[tuple[str, str]]
    rows: Sequence[tuple[str, str, str]]
    command: str
    enhancers: Sequence[str]


def section(run: FinishedRun, tables: Sequence[Table], figures: Figures, sections: int = 1, title: str = "") -> Section:
    """Return the section of a run.

    Args:
        run: the run.
        tables: the comparison first.
        figures: the run's figures, in the order of the page.
        sections: number of sections on the page, which share the room for images.
        title: heading of the section; an empty one stands for ``section_titles([run])``.

    Raises:
        UserError: the manifest is missing or damaged.
    """
    study, task = run.study, task_report(run.study)
    shown = [figure for figure in figures.values() if figure.on_page]
    failures = facts.failures(run)
    try:
        chosen, legend = pairs(run, max(_PAIRS // sections, 1)), task.legend(run)
        unshown = len(run.gallery()) - len(chosen)
    except UserError as error:  # costs the gallery, not the page
        chosen, legend, unshown = [], [], 0
        failures.append(str(error))
    try:
        points = decision(run)
    except UserError as error:  # costs the first screen's points, not the page
        points = []
        failures.append(str(error))
    return Section(
        title=title or section_titles([run])[0],
        verdict=verdict(study),
        decision=points,
        protocol=facts.protocol(run),
        classes=study.rows[0].classes,
        comparison=html_table(tables[0]),
        figures=pictures(figure for figure in shown if figure.before_gallery),
        further=pictures(figure for figure in shown if not figure.before_gallery),
        tables=[(table.caption, html_table(table)) for table in tables[1:]],
        pairs=chosen,
        unshown=unshown,
        legend=legend,
        failures=failures,
        provenance=facts.provenance(run),
        rows=[(study.labels[row.enhancer], row.enhancer, row.key) for row in study.rows],
        command=facts.command(TASKS.load(study.task).command, run.manifest.get("config", {})),
        enhancers=list(dict.fromkeys(pair.enhancer for pair in chosen)),
    )


def section_titles(runs: Sequence[FinishedRun]) -> list[str]:
    """Return the headings of the runs on one page: model, data and darkening; of equal ones the runs' folders too."""
    studies = [run.study for run in runs]
    models = model_labels((row.model, row.model_fingerprint) for study in studies for row in study.rows)
    darkenings = darken_labels(study.darken for study in studies)
    titles = [
        f"{models[study.model]} on {study.rows[0].dataset} ({study.rows[0].split})"
        + (f", darkened ({darkenings[study.darken]})" if study.darken else "")
        for study in studies
    ]
    counts = Counter(titles)
    return [
        f"{title}, {run.folder.name}" if counts[title] > 1 else title for title, run in zip(titles, runs, strict=True)
    ]


def page(sections: Sequence[Section], tables: Sequence[Table], figures: Figures) -> str:
    """Return the HTML of a report.

    Args:
        sections: one for each run.
        tables: tables over all runs.
        figures: figures over all runs.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_template("report.html.j2")).render(
        title=sections[0].title if len(sections) == 1 else f"{len(sections)} studies",
        sections=sections,
        tables=[html_table(table) for table in tables],
        figures=pictures(figures.values()),
        style=_template("report.css"),
        script=_template("report.js"),
        version=version("sgz-bench"),
        paper=facts.PAPER,
    )


def _template(name: str) -> str:
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")
