"""Candidates for deployment: raw, which stands for no enhancer, and every enhancer of a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError

from .evidence import Evidence

Floats = NDArray[np.float64]


def candidates(evidence: Evidence) -> list[str]:
    """Return the labels that can be deployed: ``raw`` first, then the enhancers in the order of the run.

    Bounds that nobody can deploy, such as ``bright`` and the oracles, are no candidates.

    Raises:
        UserError: the run has no enhancer, fewer than two images, or a row that was scored on other images than raw.
    """
    labels = evidence.enhancers
    if not labels:
        raise UserError(f"{evidence.run} has no scored enhancer beside raw, so there is nothing to choose; add one")
    ids = evidence.raw.image_ids
    if len(ids) < 2:
        raise UserError(f"{evidence.run} has one image, and nothing can be chosen on one image; use at least two")
    for label in labels:
        if not np.array_equal(evidence.statistics[label].image_ids, ids):
            raise UserError(
                f"the statistics of {label} in {evidence.run} are of other images than raw's; repeat the run's command"
            )
    return ["raw", *labels]


def lead_scores(evidence: Evidence, labels: Sequence[str], weights: NDArray[np.integer]) -> Floats:
    """Return ``(C, B)`` the lead metric of each label if image ``n`` occurs ``weights[b, n]`` times; NaN if undefined.

    Raises:
        UserError: the statistics of a row are damaged.
    """
    scores = np.empty((len(labels), len(weights)))
    for index, label in enumerate(labels):
        try:
            scores[index] = evidence.scores(label, weights)
        except (ValueError, IndexError, KeyError) as error:  # arrays that do not fit each other
            raise UserError(
                f"the statistics of {label} in {evidence.run} are damaged ({error}); repeat the run's command"
            ) from error
    return scores
