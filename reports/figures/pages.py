"""Pages of figures with one panel per enhancer, each of which fits a page of a paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from sgz_bench.benchmarks.results import ResultRow

TALLEST = 8.5  # inches: leaves room for a caption on letter and on A4 paper


class Page(NamedTuple):
    """Rows of one page; ``note`` gives their range if there are several pages."""

    rows: tuple[ResultRow, ...]
    note: str


def pages(rows: Sequence[ResultRow], most: int, lead: str) -> list[Page]:
    """Put all rows on one page in their order, or if they do not fit, ``most`` per page, best by ``lead`` first."""
    if len(rows) <= most:
        return [Page(tuple(rows), "")]

    def loss(row: ResultRow) -> float:
        value = row.delta[lead]["value"] if lead in row.delta else None
        return math.inf if value is None else -value

    ranked = sorted(rows, key=loss)
    starts = range(0, len(rows), most)
    parts = [tuple(ranked[start : start + most]) for start in starts]
    return [
        Page(part, f"; enhancers {start + 1} to {start + len(part)} of {len(rows)}, best {lead} first")
        for start, part in zip(starts, parts, strict=True)
    ]
