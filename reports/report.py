"""Everything a finished run has to show, written next to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache, partial
from pathlib import Path

from matplotlib.figure import Figure

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import write_atomic

from .figures import study as figures
from .figures.box_sheets import box_sheet
from .figures.confusion import confusion_change
from .figures.error_analysis import error_map, object_map
from .figures.label_sheets import label_sheet
from .figures.pareto import pareto
from .figures.style import FORMATS, Drawn, Look, check_formats, looks, saved
from .figures.tone_curves import factor_maps, tone_curves
from .page.html import NONE, Figures, Section, page, section
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
    """Write ``RUN/report/{report.html,tables/*.{md,tex,csv,json},figures/*.{png,pdf}}``; computes no metric.

    Args:
        run: a finished run's folder.
        formats: of the figures.
        say: told, a line each, which figures were not drawn and why.
        figures: names, or patterns such as ``gallery_*``, of the only figures to write, without
            tables and page; all if empty.
        columns: of the comparison in Markdown and LaTeX, as in ``comparison_table``; the other forms have them all.

    Returns:
        The files written, tables first, the page last.

    Raises:
        UserError: not a finished run, a figure or column that it does not have, an unknown format, or a place that
            cannot be written.
    """
    check_formats(formats)
    opened = FinishedRun.open(run)
    drawn = run_figures(opened, looks([row.enhancer for row in opened.study.rows]))
    check_figures(figures, drawn)
    return write_run(opened, drawn, formats, say, figures, columns)


def write_run(
    run: FinishedRun,
    drawn: Figures,
    formats: tuple[str, ...],
    say: Callable[[str], None],
    figures: Sequence[str],
    columns: Sequence[str] = (),
) -> list[Path]:
    """The files of one run, of its figures those that were asked for and that it has."""
    folder = run.folder / "report" / "figures"
    if figures:
        return saved(chosen(drawn, figures), folder, formats, say)
    written = [*_write_tables(run, columns), *saved(drawn, folder, formats, say)]
    return [*written, write_page(run.folder, [run_section(run, drawn)])]


def run_section(run: FinishedRun, drawn: Figures, sections: int = 1) -> Section:
    """What a page with so many sections says of a run."""
    study, replicates = run.study, run.replicates
    tables = [comparison_table([study], [replicates], with_costs=False)]
    tables += [table for table, _ in slices(run).values()] + cost_tables([study])
    return section(run, tables, drawn, sections)


def write_page(folder: Path, sections: Sequence[Section], tables: Sequence[Table] = (), drawn: Figures = NONE) -> Path:
    """Write ``FOLDER/report/report.html``."""
    path = folder / "report" / "report.html"
    write_atomic(path, page(sections, tables, drawn))
    return path


def chosen(drawn: Figures, figures: Sequence[str]) -> Figures:
    """The figures that a name or pattern fits; all if there is none."""
    return {name: draw for name, draw in drawn.items() if not figures or any(fnmatchcase(name, f) for f in figures)}


def check_figures(figures: Sequence[str], names: Iterable[str]) -> None:
    """Refuse names and patterns that no figure has.

    Raises:
        UserError: names the figures that there are.
    """
    names = list(names)
    for each in figures:
        if not any(fnmatchcase(name, each) for name in names):
            known = dict.fromkeys(re.sub("^gallery_.*", "gallery_*", name) for name in names)
            raise UserError(f"there is no figure {each!r} here; use one or more of {', '.join(known)}")


def _write_tables(run: FinishedRun, columns: Sequence[str]) -> list[Path]:
    comparison = comparison_table([run.study], [run.replicates], columns=columns)
    tables = [(comparison, comparison_records([run.study])), *slices(run).values()]
    folder = run.folder / "report" / "tables"
    return [path for each in tables for path in write_forms(folder / _file_name(each[0].name), *each)]


def run_figures(run: FinishedRun, look: Mapping[str, Look]) -> Figures:
    """Every figure of a run by its name, yet to be drawn; those that the page has too are drawn once for both."""
    return {
        _file_name(name): draw if name.startswith("gallery_") else cache(draw) for name, draw in _figures(run, look)
    }


def _figures(run: FinishedRun, look: Mapping[str, Look]) -> Iterator[tuple[str, Callable[[], Drawn]]]:
    study = run.study

    def curves() -> Figure:
        return figures.precision_recall(study, {row.key: run.curves(row) for row in study.scored}, look)

    yield "forest", lambda: figures.forest(study, look)
    if study.costs:
        yield "pareto", lambda: pareto(study, look)
    yield "tone_curves", lambda: tone_curves(study, run.tones(), look)
    yield "factor_maps", lambda: factor_maps(run)
    yield "per_class", lambda: figures.class_bars(study, look)
    for name in study.attributes:
        yield f"by_{name}", lambda name=name: figures.attribute_map(study, name)  # type: ignore[misc]
    if study.rows[0].task == "detection":
        yield "precision_recall", curves
        yield "errors", lambda: error_map(study, run.errors())
        yield "objects", lambda: object_map(study, run.errors())
        sheet = box_sheet
    else:
        yield "confusion", lambda: confusion_change(study, {row.key: run.confusion(row) for row in study.scored})
        sheet = label_sheet
    for row in study.enhanced:
        title = study.labels[row.enhancer]
        if len(row.members) > 1:  # the gallery is of the first training
            title += f", seed {row.members[0]['seed']}"
        for gained, word in ((True, "gained"), (False, "lost")):
            yield (
                f"gallery_{study.file_names[row.enhancer]}_{word}",
                partial(sheet, run, row.enhancer, title, gained=gained),
            )


def _file_name(text: str) -> str:
    """An attribute may be called anything; a file may not."""
    return re.sub(r"[^\w-]+", "-", text)
