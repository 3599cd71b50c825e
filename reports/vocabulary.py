"""What tasks call things: the only place of a report that knows their metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Vocabulary:
    """The words of one task.

    Attributes:
        title: what captions begin with.
        metrics: metric → its name in print, in the order of the comparison table.
        where_given: those of ``metrics`` that have a column only where a row has them.
        compared: the two metrics with a difference from raw in the comparison table and a panel in the forest plot.
        lead: the one of ``compared`` that rows are ordered by, p-values stand for and attributes are sliced by.
        class_metric: the metric of classes.
        unit: what classes are counted in, as in ``ResultRow.per_class``.
        shares: such counts are shown as percentages of their sum.
        metric_note, class_note, slice_note: under the tables, what the numbers are.
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
