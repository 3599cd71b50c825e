"""Columns of ranks: probability of being the best, and rank with its interval."""

from __future__ import annotations

from collections.abc import Sequence

from sgz_bench.benchmarks.decisions.ranks import Rank

from ..numbers import UNDEFINED, percent
from ..run import Study
from .table import Column, TableCell

RANK_COLUMNS = {"best": Column(("Best", "%")), "rank": Column(("Rank [95 % CI]",))}


def rank_cells(rank: Rank | None) -> list[TableCell]:
    """Return the cells under ``RANK_COLUMNS``; undefined for rows that are not ranked, such as upper bounds."""
    if rank is None:
        return [TableCell(UNDEFINED), TableCell(UNDEFINED)]
    text = f"{rank.rank} [{rank.low}, {rank.high}]"
    return [TableCell(percent(rank.best), value=rank.best), TableCell(text, value=float(rank.rank))]


def rank_column(name: str, study: Study) -> list[TableCell]:
    """Return the cells of one of ``RANK_COLUMNS``, one for each row of a study."""
    index = list(RANK_COLUMNS).index(name)
    return [rank_cells(study.ranks.get(row.key))[index] for row in study.rows]


def rank_notes(studies: Sequence[Study], shown: Sequence[str]) -> list[str]:
    """Return the note under a table with one of ``RANK_COLUMNS``."""
    return [rank_note()] if set(shown) & set(RANK_COLUMNS) and any(study.ranks for study in studies) else []


def rank_note(resamples: int | None = None) -> str:
    """Explain the columns."""
    count = f"{resamples} resamples" if resamples else "resamples"
    return (
        f"Best: share of {count} of the images in which the row is the best of raw and the enhancers; ranks likewise."
    )
