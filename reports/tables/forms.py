"""File formats of a table: the table as shown for readers, its records for programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import write_atomic

from ..run import FinishedRun
from .errors import error_tables
from .latex import latex
from .markup import markdown
from .operating import operating_tables
from .spreadsheets import Record, attribute_records, class_records, csv_text, json_text
from .table import Table, attribute_table, class_table

# Each writes several tables as one text: md and tex the tables as shown, csv and json all their records.
FORMS: Mapping[str, Callable[[Sequence[Table], Sequence[Record]], str]] = {
    "md": lambda tables, _: "\n".join(map(markdown, tables)),
    "tex": lambda tables, _: "\n".join(map(latex, tables)),
    "csv": lambda _, records: csv_text(records),
    "json": lambda _, records: json_text(records),
}


def write_forms(stem: Path, table: Table, records: Sequence[Record]) -> list[Path]:
    """Write ``STEM.md``, ``.tex``, ``.csv`` and ``.json``; return their paths.

    Raises:
        UserError: a path that cannot be written.
    """
    written = []
    for ending, text in FORMS.items():
        written.append(stem.with_name(f"{stem.name}.{ending}"))
        write_atomic(written[-1], text([table], records))
    return written


def slices(run: FinishedRun) -> dict[str, tuple[Table, list[Record]]]:
    """Return name → table and records: ``class``, attributes, operating point, errors; empty if no row was scored.

    A damaged ``errors.json`` costs its own tables and is added to the run's faults.
    """
    study, replicates = run.study, run.replicates
    if not study.scored:
        return {}
    by_attribute = {
        name: (attribute_table(study, replicates, name), attribute_records(study, name)) for name in study.attributes
    }
    errors: dict[str, tuple[Table, list[Record]]] = {}
    try:
        errors = error_tables(run)
    except UserError as error:
        run.faults.extend({str(error)} - set(run.faults))
    return (
        {"class": (class_table(study, replicates), class_records(study))}
        | by_attribute
        | operating_tables(study)
        | errors
    )
