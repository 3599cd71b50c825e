"""Quartiles of the images of a run by a statistic, and their labels."""

from __future__ import annotations

import numpy as np
import pytest

from sgz_bench.benchmarks.quartiles import add_quartiles, quartile_labels


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([], []),
        ([3.0], ["Q1: 3.0"]),
        ([12.0, 3.0], ["Q3: 12.0", "Q1: 3.0"]),
        ([12.0, 3.0, 7.0], ["Q3: 12.0", "Q1: 3.0", "Q2: 7.0"]),
        ([5.0] * 4, ["Q1: 5.0"] * 4),
        ([0, 0, 9, 0, 0, 5, 0, 0], [*["Q1: 0.0"] * 2, "Q4: 5.0 to 9.0", *["Q1: 0.0"] * 2, "Q4: 5.0 to 9.0"]),
        ([0.001, 0.0012, 0.0013, 0.002], ["Q1: 0.0010", "Q2: 0.0012", "Q3: 0.0013", "Q4: 0.0020"]),
        ([1e-9, 2e-9], ["Q1: 0.0000", "Q3: 0.0000"]),
    ],
)
def test_labels_of_few_images_and_ties(values: list[float], labels: list[str]) -> None:
    found = quartile_labels(dict(enumerate(values)))
    assert [found[index] for index in range(len(labels))] == labels


def test_quartiles_of_distinct_values_are_equal_parts_in_order_and_their_labels_sort() -> None:
    values = np.random.default_rng(3).gamma(1.0, 30.0, 40)
    labels = quartile_labels(dict(enumerate(values.tolist())))
    ranked = [labels[int(index)] for index in np.argsort(values)]
    assert ranked == sorted(ranked)
    assert [ranked.count(label) for label in dict.fromkeys(ranked)] == [10] * 4
    for label in dict.fromkeys(ranked):
        own = [value for index, value in enumerate(values) if labels[index] == label]
        assert label[4:] == f"{min(own):.1f} to {max(own):.1f}"


def test_images_without_the_statistic_get_no_attribute_and_others_keep_theirs() -> None:
    truth = {"images": [{"id": 1, "attributes": {"place": "in"}}, {"id": 2}, {"id": 3, "attributes": {}}]}
    add_quartiles(truth, "luma", {1: 3.0, 3: 40.0, 9: 1.0})
    assert truth["images"] == [
        {"id": 1, "attributes": {"place": "in", "luma": "Q1: 3.0"}},
        {"id": 2},
        {"id": 3, "attributes": {"luma": "Q3: 40.0"}},
    ]
