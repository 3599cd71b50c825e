"""Sweep of gate thresholds as further candidates, without new predictions.

A gate takes the enhancer's predictions where the raw image is darker than a threshold, and raw's elsewhere. Both are in
the run already, so a gate's statistics are those of the pooled pair, restricted to one of the two for each image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError
from sgz_bench.core.specs import format_value, parse_spec

from ..image_statistics import read_image_statistics
from ..intervals import Paired
from ..results import ResultRow
from ..statistics import all_weights, gated
from .candidates import candidates, lead_scores
from .evidence import Evidence

Gates = Mapping[str, Sequence[float]]  # label of the enhancer → thresholds
STATISTIC = "luma"
_DIGITS = 3  # significant digits of a threshold
_REPLICATES = 300


def deciles(evidence: Evidence) -> tuple[float, ...]:
    """Return the deciles of the raw images' luma as thresholds; those that let all or no images through are left out.

    Raises:
        UserError: the run has no statistics of its images, or all images are equally bright.
    """
    values = luma(evidence)
    known = [float(f"{each:.{_DIGITS}g}") for each in np.quantile(values, np.arange(1, 10) / 10)]
    thresholds: dict[int, float] = {}
    for each in known:
        darker = int(np.count_nonzero(values < each))
        if 0 < darker < len(values):
            thresholds.setdefault(darker, each)
    if not thresholds:
        raise UserError(f"--gates: the images of {evidence.run} are equally bright, so no threshold tells them apart")
    return tuple(thresholds.values())


def with_gates(evidence: Evidence, thresholds: Sequence[float]) -> Evidence:
    """Add rows ``gate(X,luma<t)`` for every enhancer and threshold, unless the run has them.

    Their differences from raw have intervals as in the comparison, but no p: they are no rows of its family.

    Raises:
        UserError: the run has no statistics of its images, or every enhancer has a model of its own.
    """
    labels = candidates(evidence)
    if evidence.rows["raw"].protocol != "frozen":
        raise UserError(
            f"--gates: each enhancer of {evidence.run} has a model trained for it (protocol"
            f" {evidence.rows['raw'].protocol}), and a gate needs one model for all images; use a run of a frozen model"
        )
    values = luma(evidence)
    rows, statistics = dict(evidence.rows), dict(evidence.statistics)
    for label in labels[1:]:
        if parse_spec(label).inner:  # drawn from others already
            continue
        pooled = evidence.raw.pooled(evidence.statistics[label])
        for threshold in thresholds:
            condition = f"{STATISTIC}<{format_value(threshold)}"
            name = f"gate({label},{condition})"
            if name not in rows:
                statistics[name] = gated(pooled, values < threshold)
                rows[name] = _row(evidence.rows[label], name, condition)
    wider = replace(evidence, rows=rows, statistics=statistics)
    _measure(wider, [name for name in rows if name not in evidence.rows])
    return wider


def luma(evidence: Evidence) -> NDArray[np.float64]:
    """Return ``(N,)`` the mean luma of every raw image, in the order of the statistics.

    Raises:
        UserError: the run has no statistics of its images, or lacks some.
    """
    known = read_image_statistics(evidence.run)
    try:
        return np.array([known[int(image_id)][STATISTIC] for image_id in evidence.raw.image_ids])
    except KeyError as error:
        raise UserError(
            f"--gates: {evidence.run} has no statistics of its images (images.json); repeat the run's command, which"
            " writes them"
        ) from error


def _row(inner: ResultRow, name: str, condition: str) -> ResultRow:
    return replace(
        inner,
        enhancer=name,
        enhancer_fingerprint=f"{inner.enhancer_fingerprint} {condition}",
        metrics={},
        delta={},
        delta_per_class={},
        delta_by_attribute={},
    )


def _measure(evidence: Evidence, names: Sequence[str]) -> None:
    """Fill the differences of new rows in the lead metric."""
    n_images, seed = len(evidence.raw.image_ids), evidence.rows["raw"].seed
    weights = all_weights(n_images, _REPLICATES, seed=seed)
    raw, *others = lead_scores(evidence, ["raw", *names], weights)
    for name, values in zip(names, others, strict=True):
        evidence.rows[name].delta[evidence.lead] = Paired.of(raw, values, _REPLICATES).delta()
