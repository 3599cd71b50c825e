"""Ranks with their uncertainty: probability of being the best, and rank intervals over resamples of the images.

Ranks of one table look certain and are not. Each resample of the images, the same as behind the intervals of the
comparison, ranks raw and the enhancers anew; see Goldstein & Spiegelhalter 1996 (J. R. Statist. Soc. A 159). Resamples
spread more than new images would, so among equal candidates the intervals are rather too wide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError

from ..statistics import resample_weights
from .candidates import candidates, lead_scores
from .evidence import Evidence
from .kept import FILE, FIX, read_decision

RESAMPLES = 1000
_QUICK = 300  # of the summary
_TIE = 1e-12  # scores that differ by less are equal
_BLOCK = 1 << 23  # weights per call


class Rank(NamedTuple):
    """One row's share of resamples in which it is the best, its rank, and the interval of the rank."""

    best: float
    rank: int
    low: int
    high: int


@dataclass(frozen=True)
class Ranks:
    """Ranks of raw and the enhancers by the lead metric; 1 is the best.

    Attributes:
        metric: lead metric of the task.
        labels: raw first, then the enhancers in the order of the run.
        best: share of the resamples in which each is the best; a tie of k counts 1/k for each.
        rank: rank on all images; equal scores share the better rank, as in 1, 2, 2, 4.
        low, high: 95 % interval of the rank; of equal scores ``low`` takes the better rank, ``high`` the worse.
        resamples: number of resamples in which the metric is defined.
    """

    metric: str
    labels: tuple[str, ...]
    best: tuple[float, ...]
    rank: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    resamples: int

    def of(self, label: str) -> Rank | None:
        """Return the rank of a row; None for a row that is not ranked."""
        if label not in self.labels:
            return None
        index = self.labels.index(label)
        return Rank(self.best[index], self.rank[index], self.low[index], self.high[index])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values: metric, number of resamples, and one entry per row."""
        columns = zip(self.labels, self.best, self.rank, self.low, self.high, strict=True)
        rows = [dict(zip(("label", "best", "rank", "low", "high"), each, strict=True)) for each in columns]
        return {"metric": self.metric, "resamples": self.resamples, "rows": rows}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_dict` returned.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        rows = content["rows"]
        return cls(
            str(content["metric"]),
            tuple(str(row["label"]) for row in rows),
            tuple(float(row["best"]) for row in rows),
            tuple(int(row["rank"]) for row in rows),
            tuple(int(row["low"]) for row in rows),
            tuple(int(row["high"]) for row in rows),
            int(content["resamples"]),
        )


def rank(evidence: Evidence, *, seed: int | None = None, resamples: int = RESAMPLES) -> Ranks:
    """Rank raw and the enhancers by the lead metric, on all images and on each resample of them.

    Args:
        evidence: a finished run.
        seed: seed of the resamples; the run's own if None.
        resamples: number of resamples.

    Raises:
        UserError: the run has no enhancer or one image, or the metric is undefined on most resamples.
    """
    labels, n_images = candidates(evidence), len(evidence.raw.image_ids)
    seed = evidence.rows["raw"].seed if seed is None else seed
    weights = np.concatenate([np.ones((1, n_images), np.int32), resample_weights(n_images, resamples, seed=seed)])
    rows = max(1, _BLOCK // n_images)
    blocks = [lead_scores(evidence, labels, weights[start : start + rows]) for start in range(0, len(weights), rows)]
    scores = np.concatenate(blocks, axis=1)
    whole, drawn = scores[:, :1], scores[:, 1:]
    drawn = drawn[:, ~np.isnan(drawn).any(axis=0)]
    if np.isnan(whole).any() or 2 * drawn.shape[1] < resamples:
        raise UserError(f"{evidence.lead} is undefined on most resamples of {evidence.run}; too few images have labels")
    better, worse = places(drawn)
    first = better == 1
    low = np.quantile(better, 0.025, axis=1, method="inverted_cdf")
    high = np.quantile(worse, 0.975, axis=1, method="inverted_cdf")
    return Ranks(
        evidence.lead,
        tuple(labels),
        tuple((first / first.sum(axis=0)).mean(axis=1).tolist()),
        tuple(places(whole)[0][:, 0].tolist()),
        tuple(low.astype(int).tolist()),
        tuple(high.astype(int).tolist()),
        drawn.shape[1],
    )


def places(scores: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the better and the worse rank of each score in the columns of ``(C, B)``; they differ in ties."""
    above = np.zeros(scores.shape, dtype=np.int64)
    beside = np.zeros(scores.shape, dtype=np.int64)
    for other in scores:
        above += other > scores + _TIE
        beside += np.abs(other - scores) <= _TIE
    return above + 1, above + beside


def summary(evidence: Evidence) -> dict[str, Any]:
    """Return :func:`rank` over fewer resamples as plain JSON values, for a run's ``decision.json``."""
    return rank(evidence, resamples=_QUICK).to_dict()


def read_ranks(run: str | Path) -> Ranks | None:
    """Read the ranks in a run's ``decision.json``; None for a run without them.

    Raises:
        UserError: the file is damaged.
    """
    content = read_decision(run).get("ranks")
    if not content:
        return None
    try:
        return Ranks.from_dict(content)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{Path(run) / FILE} is damaged (ranks: {error!r}); {FIX}") from error
