"""Counting pixels in machine code."""

from __future__ import annotations

from sgz_bench.enhancer.compiled import compiled


@compiled()
def count_pairs(truth, predicted, counts):  # type: ignore[no-untyped-def]
    """Add the pixels of ``(P,)`` true and predicted classes to ``(K, K + 1)`` int64, the last column for no class."""
    n_classes = len(counts)
    for place in range(len(truth)):
        if truth[place] < n_classes:
            counts[truth[place], min(predicted[place], n_classes)] += 1
