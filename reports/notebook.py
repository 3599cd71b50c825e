"""Finished runs in a notebook: a run displays itself as the comparison table of its report."""

from __future__ import annotations

from .run import FinishedRun
from .tables.comparison import comparison_table
from .tables.markup import html

# Notebooks bring colours and fonts; these rules add what a wide table needs.
_STYLE = (
    "figure.table .scroll {overflow-x: auto} figure.table caption {text-align: left} "
    "figure.table td, figure.table th {white-space: nowrap; text-align: right} "
    "figure.table th.label {text-align: left; font-weight: normal} figure.table .notes {font-size: small}"
)


class NotebookRun(FinishedRun):
    """Finished run that a notebook displays as its comparison table."""

    def _repr_html_(self) -> str:
        """Return the HTML of the comparison table."""
        return f"<style>{_STYLE}</style>{html(comparison_table([self.study], [self.replicates]))}"
