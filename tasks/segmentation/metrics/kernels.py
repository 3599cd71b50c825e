"""Compiled pixel counting."""

from __future__ import annotations

import numpy as np

from sgz_bench.core.compiled import compiled

TABLES = 4  # used in turn, so that no pixel waits for the count that the previous pixel is changing


@compiled()
def count_pairs(truth, predicted, counts):  # type: ignore[no-untyped-def]
    """Add the pixels of ``(P,)`` uint8 true and predicted classes to ``(TABLES, K + 1, K + 1)`` uint32.

    The last row and column count ids of K and above.
    """
    above = np.uint8(counts.shape[1] - 1)
    whole = len(truth) // TABLES * TABLES
    for begin in range(0, whole, TABLES):
        for table in range(TABLES):
            index = begin + table
            counts[table, min(truth[index], above), min(predicted[index], above)] += np.uint32(1)
    for index in range(whole, len(truth)):
        counts[0, min(truth[index], above), min(predicted[index], above)] += np.uint32(1)
