"""``sgz-bench report``: tables, figures and a page of a finished run or suite."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sgz_bench.core.text import pluralize

from ..console import Columns, TableForm, show_runs, show_slices, show_suite


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN|SUITE", help="Folder of a finished run, or of a suite.")],
    formats: Annotated[
        str, typer.Option("--format", metavar="NAMES", help="File formats of figures, with commas: png, pdf, svg.")
    ] = "png,pdf",
    figures: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Write only these figures and no tables: names or patterns with commas, such as forest,gallery_*.",
        ),
    ] = "",
    style_name: Annotated[
        str,
        typer.Option(
            "--style", metavar="NAME", help="Style of figures: paper, slides, or a custom .mplstyle on top of paper."
        ),
    ] = "paper",
    columns: Columns = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Print another table of a run: class, an attribute of the images such as lighting, or of detection "
            "operating_point, thresholds, errors, error_counts or objects.",
        ),
    ] = None,
    table: TableForm = None,
) -> None:
    """Print a run's comparison table; write report.html, tables and figures to RUN/report.

    For the folder of a suite, write a report of every run, and to SUITE/report
    one page and one table over all studies, plus a figure of the loss by darkness
    if the studies differ in darkness.
    """
    from fnmatch import fnmatchcase
    from functools import partial

    from sgz_bench.core.errors import UserError
    from sgz_bench.core.specs import split_list
    from sgz_bench.reports.figures.style import check_formats, style
    from sgz_bench.reports.report import write_report
    from sgz_bench.reports.suite import write_suite_report

    echo, names = partial(typer.echo, err=table is not None), split_list(columns or "")
    kinds, wanted = tuple(split_list(formats)), tuple(split_list(figures))
    check_formats(kinds)
    single = (run / "results.jsonl").is_file() or not any(run.glob("*/results.jsonl"))
    if not single and (columns or by):
        raise UserError(f"{run} is a suite, but --columns and --by apply to a single run; name a run's folder in it")
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        echo(line)

    with style(style_name):
        if not wanted:
            if not single:
                show_suite(run, table)
            elif by:
                show_slices(run, by, table)
            else:
                show_runs([run], columns=columns, form=table)
        write = partial(write_report, columns=names) if single else write_suite_report
        written = write(run, kinds, say, wanted)
    pages = [path for path in written if path.suffix == ".html"]
    for folder in dict.fromkeys(path.parent for path in written if path not in pages):
        echo(f"{pluralize(sum(path.parent == folder for path in written), 'file')} in {folder}")
    for page in pages:
        echo(f"page: {page}")
    drawn = [path.stem for path in written]
    missing = [name for name in wanted if not any(fnmatchcase(stem, name) for stem in drawn)]
    if missing:
        typer.echo(f"not drawn: {', '.join(missing)}", err=True)
    if missing or any(line.startswith("left out: ") for line in said):
        raise typer.Exit(1)
