"""Report of a finished run: tables, figures and page, written into the run's folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import write_atomic

from .figures.catalog import Figures, run_figures
from .figures.style import FORMATS, Drawn, check_formats, looks, save_figures
from .labels import as_file_name
from .page.html import Section, page, section
from .run import FinishedRun
from .tables.comparison import comparison_table
from .tables.forms import slices, write_forms
from .tables.spreadsheets import comparison_records
from .tables.table import Table, cost_tables


def write_report(
    run: str | Path,
    formats: tuple[str, ...] = FORMATS,
    say: Callable[[str], None] = lambda _line: None,
    figures: Sequence[str] = (),
    columns: Sequence[str] = (),
) -> list[Path]:
    """Write ``RUN/report/{report.html,tables/*.{md,tex,csv,json},figures/*.{png,pdf}}``; compute no metric.

    Args:
        run: folder of a finished run.
        formats: file formats of the figures.
        say: receives one line for each figure that is not drawn and each table that is left out, with the reason.
        figures: names, or patterns such as ``gallery_*``, of the only figures to write, without tables and page;
            all if empty.
        columns: columns of the comparison in Markdown and LaTeX, as in ``comparison_table``; CSV and JSON have all.

    Returns:
        Paths of the written files, tables first, the page last.

    Raises:
        UserError: not a finished run, a figure or column that the run does not have, an unknown format, or a path that
            cannot be written.
    """
    check_formats(formats)
    opened = FinishedRun.open(run)
    available = run_figures(opened, looks([row.enhancer for row in opened.study.rows]))
    check_figures(figures, available)
    return write_run(opened, available, formats, say, figures, columns)


def write_run(
    run: FinishedRun,
    available: Figures,
    formats: tuple[str, ...],
    say: Callable[[str], None],
    figures: Sequence[str],
    columns: Sequence[str] = (),
) -> list[Path]:
    """Write the report of an open run, with arguments as in ``write_report``; of ``figures`` those it has."""
    folder = run.folder / "report" / "figures"
    if figures:
        return save_figures(drawing(matching(available, figures)), folder, formats, say)
    written = _write_tables(run, columns)
    for fault in run.faults:
        say(f"left out: {fault}")
    written += save_figures(drawing(available), folder, formats, say)
    return [*written, write_page(run.folder, [run_section(run, available)])]


def run_section(run: FinishedRun, figures: Figures, sections: int = 1, title: str = "") -> Section:
    """Return a run's section of a page with ``sections`` sections; an empty ``title`` stands for the run's own."""
    study, replicates = run.study, run.replicates
    tables = [comparison_table([study], [replicates], with_costs=False)]
    tables += [table for table, _ in slices(run).values()] + cost_tables([study])
    return section(run, tables, figures, sections, title)


def write_page(
    folder: Path, sections: Sequence[Section], tables: Sequence[Table] = (), figures: Figures | None = None
) -> Path:
    """Write ``FOLDER/report/report.html`` and return its path."""
    path = folder / "report" / "report.html"
    write_atomic(path, page(sections, tables, figures or {}))
    return path


def matching(available: Figures, figures: Sequence[str]) -> Figures:
    """Return the figures that match one of the names or patterns; all if there is none."""
    return {
        name: figure
        for name, figure in available.items()
        if not figures or any(fnmatchcase(name, pattern) for pattern in figures)
    }


def drawing(figures: Figures) -> dict[str, Callable[[], Drawn]]:
    """Return the drawing functions of figures by name."""
    return {name: figure.draw for name, figure in figures.items()}


def check_figures(figures: Sequence[str], names: Iterable[str]) -> None:
    """Refuse names and patterns that match no figure.

    Raises:
        UserError: lists the available figures.
    """
    names = list(names)
    for pattern in figures:
        if not any(fnmatchcase(name, pattern) for name in names):
            known = dict.fromkeys(re.sub("^gallery_.*", "gallery_*", name) for name in names)
            raise UserError(f"there is no figure {pattern!r} here; use one or more of {', '.join(known)}")


def _write_tables(run: FinishedRun, columns: Sequence[str]) -> list[Path]:
    comparison = comparison_table([run.study], [run.replicates], columns=columns)
    tables = [(comparison, comparison_records([run.study])), *slices(run).values()]
    folder = run.folder / "report" / "tables"
    return [path for each in tables for path in write_forms(folder / as_file_name(each[0].name), *each)]
