"""Terms of a task: its metrics, their names in print, and the notes about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Vocabulary:
    """Terms of one task.

    Attributes:
        title: first word of captions.
        metrics: metric → its name in print, in the order of the comparison table.
        where_given: metrics that have a column only if a row has them.
        compared: the two metrics with a difference from raw in the comparison table and a panel in the forest plot.
        lead: the one of ``compared`` that orders rows, that p-values are about, and that is sliced by attributes.
        class_metric: metric of the classes.
        unit: unit in which classes are counted, as in ``ResultRow.per_class``.
        shares: show these counts as percentages of their sum.
        metric_note, class_note, slice_note: notes under the tables that say what the numbers are.
    """

    title: str
    metrics: Mapping[str, str]
    where_given: frozenset[str]
    compared: tuple[str, str]
    lead: str
    class_metric: str
    unit: str
    shares: bool
    metric_note: str
    class_note: str
    slice_note: str

    @property
    def count_heading(self) -> str:
        """``Boxes`` or ``Pixels (%)``."""
        return self.unit.capitalize() + (" (%)" if self.shares else "")

    @property
    def count_phrase(self) -> str:
        """``number of boxes`` or ``% of pixels``."""
        return f"% of {self.unit}" if self.shares else f"number of {self.unit}"
