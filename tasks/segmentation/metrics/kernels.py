"""Counting pixels in machine code."""

from __future__ import annotations

import numpy as np

from sgz_bench.core.compiled import compiled

TABLES = 4  # taken in turn: a count that the pixel before has just changed would have to be waited for


@compiled()
def count_pairs(truth, predicted, counts):  # type: ignore[no-untyped-def]
    """Add the pixels of ``(P,)`` uint8 true and predicted classes to ``(TABLES, K + 1, K + 1)`` uint32.

    The last row and column are for K and whatever is above it.
    """
    above = np.uint8(counts.shape[1] - 1)
    whole = len(truth) // TABLES * TABLES
    for begin in range(0, whole, TABLES):
        for table in range(TABLES):
            place = begin + table
            counts[table, min(truth[place], above), min(predicted[place], above)] += np.uint32(1)
    for place in range(whole, len(truth)):
        counts[0, min(truth[place], above), min(predicted[place], above)] += np.uint32(1)
