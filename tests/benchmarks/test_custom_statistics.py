"""Metrics of the user's own against means, resamples and swaps written out by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.stats

from sgz_bench.benchmarks.custom_metrics import CustomStatistics
from sgz_bench.benchmarks.statistics import SeedMean, compare, slice_metrics
from sgz_bench.tasks.detection.metrics import evaluate

SEED, TIMES = 5, 100
Pair = tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]


def mean(values: list[float | None]) -> float:
    there = [value for value in values if value is not None]
    return sum(there) / len(there)


@pytest.fixture
def columns() -> tuple[list[float | None], list[float | None]]:
    rng = np.random.default_rng(1)
    raw: list[float | None] = [*rng.uniform(0, 300, 11).tolist(), None]
    better = [None if value is None else value + 40 + rng.normal(0, 30) for value in raw]
    return raw, better


@pytest.fixture
def systems(
    pair: Callable[[int, int], Pair], columns: tuple[list[float | None], list[float | None]]
) -> tuple[CustomStatistics, CustomStatistics]:
    truth, *predictions = pair(3, 12)
    raw, better = (
        CustomStatistics(evaluate(truth, found).matches, {"brightness": np.array(column, dtype=np.float64)})
        for found, column in zip(predictions, columns, strict=True)
    )
    return raw, better


def test_the_metric_is_the_mean_over_images_that_have_a_number(
    systems: tuple[CustomStatistics, CustomStatistics], columns: tuple[list[float | None], list[float | None]]
) -> None:
    whole = np.ones((1, 12), dtype=np.int32)
    scores, own = systems[0].scores(whole), systems[0].task.scores(whole)
    assert scores.overall["brightness"][0] == pytest.approx(mean(columns[0]))
    assert {name: value.tolist() for name, value in own.overall.items()}.items() <= {
        name: value.tolist() for name, value in scores.overall.items()
    }.items()
    assert np.isnan(systems[0].scores(np.eye(12, dtype=np.int32)).overall["brightness"]).tolist() == [False] * 11 + [
        True
    ]


def test_its_interval_and_p_are_those_of_the_other_metrics(
    systems: tuple[CustomStatistics, CustomStatistics],
    columns: tuple[list[float | None], list[float | None]],
    student: Callable[..., tuple[float, float, float]],
) -> None:
    raw, better = columns
    result = compare(systems[0], {"b": systems[1]}, {}, ("Cat", "Dog", "Cup"), seed=SEED, replicates=TIMES)["b"]
    delta = result.delta["brightness"]
    lists = np.random.default_rng([SEED, 0]).integers(12, size=(TIMES, 12))
    whole = mean(better) - mean(raw)
    resampled = [mean([better[n] for n in row]) - mean([raw[n] for n in row]) for row in lists]
    without = [mean(better[:n] + better[n + 1 :]) - mean(raw[:n] + raw[n + 1 :]) for n in range(11)]  # 12 has none
    assert delta["value"] == pytest.approx(whole)
    assert [delta["low"], delta["high"], delta["p"]] == pytest.approx(student(whole, resampled, without))
    assert delta["p_holm"] == delta["p"]


def test_of_many_images_it_is_the_paired_t_test(pair: Callable[[int, int], Pair]) -> None:
    truth, found, _ = pair(3, 12)
    task, rng = evaluate(truth, found).matches, np.random.default_rng(0)
    raw = rng.uniform(0, 300, 12)
    better = raw + rng.choice([-30.0, -10.0, 10.0, 50.0], 12)
    systems = [CustomStatistics(task, {"x": values}) for values in (raw, better)]
    delta = compare(systems[0], {"b": systems[1]}, {}, ("Cat", "Dog", "Cup"), seed=SEED, replicates=20_000)["b"].delta
    test = scipy.stats.ttest_rel(better, raw)
    bounds = test.confidence_interval()
    # The bootstrap's half of the variance is (n - 1) / n of the unbiased one.
    assert [delta["x"]["low"], delta["x"]["high"]] == pytest.approx([bounds.low, bounds.high], abs=0.03 * bounds.high)
    assert delta["x"]["p"] == pytest.approx(test.pvalue, rel=0.15)


def test_equal_systems_have_p_1_whatever_the_size_of_the_numbers(
    systems: tuple[CustomStatistics, CustomStatistics],
) -> None:
    large = CustomStatistics(systems[0].task, {"pixels": systems[0].values["brightness"] * 1e9})
    found = compare(large, {"same": large}, {}, ("Cat", "Dog", "Cup"), seed=SEED, replicates=TIMES)
    assert found["same"].delta["pixels"] == {"value": 0, "low": 0, "high": 0, "p": 1, "p_holm": 1}


def test_it_is_sliced_by_attributes(
    systems: tuple[CustomStatistics, CustomStatistics], columns: tuple[list[float | None], list[float | None]]
) -> None:
    sliced = slice_metrics(systems[0], {"light": ["low", "high"] * 6})["light"]
    assert sliced["low"]["brightness"] == pytest.approx(mean(columns[0][::2]))
    assert sliced["high"]["brightness"] == pytest.approx(mean(columns[0][1::2]))
    assert "AP" in sliced["low"]


def test_over_training_seeds_it_is_the_mean_of_their_means(
    systems: tuple[CustomStatistics, CustomStatistics], columns: tuple[list[float | None], list[float | None]]
) -> None:
    whole = np.ones((1, 12), dtype=np.int32)
    both = SeedMean(systems).subset(np.arange(6)).scores(whole[:, :6])
    assert both.overall["brightness"][0] == pytest.approx((mean(columns[0][:6]) + mean(columns[1][:6])) / 2)
