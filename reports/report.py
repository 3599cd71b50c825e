"""Everything a finished run has to show, written next to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from sgz_bench.enhancer.errors import UserError

from . import figures
from .box_sheets import box_sheet
from .comparison import comparison_table
from .confusion import confusion_change
from .forms import slices, write_forms
from .label_sheets import label_sheet
from .labels import enhancer_labels, file_names
from .pareto import pareto
from .spreadsheets import comparison_records
from .study import FinishedRun
from .style import FORMATS, NothingToShow, check_formats, looks, save
from .tables import attributes


def write_report(
    run: str | Path,
    formats: tuple[str, ...] = FORMATS,
    say: Callable[[str], None] = lambda _line: None,
    columns: Sequence[str] = (),
) -> list[Path]:
    """Write ``RUN/report/tables/*.{md,tex,csv,json}`` and ``RUN/report/figures/*.{png,pdf}``; computes no metric.

    Args:
        run: a finished run's folder.
        formats: of the figures.
        say: told, a line each, which figures were not drawn and why.
        columns: of the comparison in Markdown and LaTeX, as in ``comparison_table``; CSV and JSON have them all.

    Returns:
        The files written, tables first.

    Raises:
        UserError: not a finished run, an unknown format or column, or a place that cannot be written.
    """
    check_formats(formats)
    opened = FinishedRun.open(run)
    return [*_write_tables(opened, columns), *_write_figures(opened, formats, say)]


def _write_tables(run: FinishedRun, columns: Sequence[str]) -> list[Path]:
    comparison = comparison_table([run.study], [run.replicates], columns=columns)
    tables = [(comparison, comparison_records([run.study])), *slices(run).values()]
    folder = run.folder / "report" / "tables"
    return [path for each in tables for path in write_forms(folder / _file_name(each[0].name), *each)]


def _write_figures(run: FinishedRun, formats: tuple[str, ...], say: Callable[[str], None]) -> list[Path]:
    written = []
    for name, draw in _figures(run):
        try:
            figure = draw()
        except (NothingToShow, UserError) as reason:  # one figure's lack must not cost the others
            say(f"{name}: not drawn, {reason}")
            continue
        written += save(figure, run.folder / "report" / "figures" / _file_name(name), formats)
    return written


def _figures(run: FinishedRun) -> Iterator[tuple[str, Callable[[], Figure]]]:
    study = run.study
    look = looks([row.enhancer for row in study.rows])
    labels = enhancer_labels(row.enhancer for row in study.rows)
    names = file_names(row.enhancer for row in study.rows)

    def curves() -> Figure:
        return figures.precision_recall(study, {row.key: run.curves(row) for row in study.scored}, look)

    yield "forest", lambda: figures.forest(study, look)
    if study.costs:
        yield "pareto", lambda: pareto(study, look)
    yield "per_class", lambda: figures.class_bars(study, look)
    for name in attributes(study):
        yield f"by_{name}", lambda name=name: figures.attribute_map(study, name)  # type: ignore[misc]
    if study.rows[0].task == "detection":
        yield "precision_recall", curves
        sheet = box_sheet
    else:
        yield "confusion", lambda: confusion_change(study, {row.key: run.confusion(row) for row in study.scored})
        sheet = label_sheet
    for row in study.enhanced:
        title = labels[row.enhancer]
        if len(row.members) > 1:  # the gallery is of the first training
            title += f", seed {row.members[0]['seed']}"
        for gained, word in ((True, "gained"), (False, "lost")):
            yield (
                f"gallery_{names[row.enhancer]}_{word}",
                partial(sheet, run, row.enhancer, title, gained=gained),
            )


def _file_name(text: str) -> str:
    """An attribute may be called anything; a file may not."""
    return re.sub(r"[^\w-]+", "-", text)
