"""Cross-fitting, against a re-run on lists of images; the winner's luck is out of the gain, and not out of the best."""

from __future__ import annotations

import numpy as np
import pytest

from sgz_bench.benchmarks.decisions.candidates import lead_scores
from sgz_bench.benchmarks.decisions.cross_fit import best, cross_fit, halves

from .in_memory import detection, resampled


def means(values: np.ndarray):
    """Return the score function of candidates whose metric is the mean over images, ``(C, N)``."""
    return lambda weights: (weights @ values.T / weights.sum(axis=1, keepdims=True)).T


@pytest.mark.parametrize("seed", [0, 1])
def test_halves_keep_all_copies_of_an_image_on_one_side(seed):
    rng = np.random.default_rng(seed)
    times = np.stack([np.bincount(rng.integers(9, size=9), minlength=9) for _ in range(200)]).astype(np.int32)
    both = halves(times, rng)
    np.testing.assert_array_equal(both.sum(axis=1), times)
    assert not (both[:, 0] * both[:, 1]).any()
    sizes = (both > 0).sum(axis=2)
    np.testing.assert_array_equal(sizes[:, 0], (times > 0).sum(axis=1) // 2)


def test_every_image_is_as_often_on_one_side_as_on_the_other():
    both = halves(np.ones((4000, 6), np.int32), np.random.default_rng(0))
    share = both[:, 0].mean(axis=0)
    assert np.abs(share - 0.5).max() < 4 * np.sqrt(0.25 / 4000)


def test_of_equal_candidates_the_first_is_the_best_and_undefined_ones_have_none():
    scores = np.array([[0.5, 0.3, 0.3, 0.2], [0.5 + 1e-15, 0.3, 0.3 - 1e-15, np.nan], [0.5, 0.4, 0.3, 0.1]])
    assert best(scores).tolist() == [0, 2, 0, -1]


def test_the_gain_is_that_of_lists_of_images_evaluated_again():
    """Choose and measure by evaluating literal lists of images, duplicates under fresh ids."""
    evidence, truth, found = detection(3, 7, ["raw", "a", "b"])
    labels, seed, splits, resamples = ["raw", "a", "b"], 5, 3, 4
    fit = cross_fit(
        lambda weights: lead_scores(evidence, labels, weights), 7, seed=seed, splits=splits, resamples=resamples
    )
    recorded = []
    cross_fit(
        lambda weights: recorded.append(weights) or np.zeros((3, len(weights))),
        7,
        seed=seed,
        splits=splits,
        resamples=resamples,
    )

    def evaluated(times):
        images = np.repeat(np.arange(1, 8), times).tolist()
        return [resampled(truth, found[label], images)["AP50"] for label in labels]

    def gain(pair):
        there = [evaluated(times) for times in pair]
        if any(value is None for scores in there for value in scores):
            return np.nan
        picks = [int(np.argmax(scores)) for scores in there]
        chosen.extend(picks)
        return np.mean([there[1 - side][pick] - there[1 - side][0] for side, pick in enumerate(picks)])

    chosen: list[int] = []
    whole, drawn = (each.reshape(-1, 2, 7) for each in recorded)
    assert len(whole) == splits
    assert len(drawn) == 2 * resamples
    expected = np.nanmean([gain(pair) for pair in whole])
    assert fit.gain == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(fit.shares, np.bincount(chosen, minlength=3) / len(chosen))
    each = np.nanmean(np.reshape([gain(pair) for pair in drawn], (resamples, 2)), axis=1)
    low, high = expected - np.nanmean(each) + np.nanpercentile(each, [2.5, 97.5])
    assert [fit.low, fit.high] == pytest.approx([low, high], abs=1e-12)


def test_without_any_effect_the_best_looks_good_and_the_procedure_gains_nothing():
    """28 enhancers that change nothing on average: the best one's difference is luck, and cross-fitting removes it."""
    naive, honest, covered, above = [], [], 0, 0
    for trial in range(80):
        rng = np.random.default_rng([7, trial])
        raw = rng.normal(0.5, 0.1, (1, 40))
        values = np.concatenate([raw, raw + rng.normal(0, 0.1, (28, 40))])
        fit = cross_fit(means(values), 40, seed=trial, splits=20, resamples=60)
        naive.append((values.mean(axis=1) - raw.mean()).max())
        honest.append(fit.gain)
        covered += fit.low <= 0 <= fit.high
        above += fit.low > 0
    error = np.std(honest) / np.sqrt(len(honest))
    assert abs(np.mean(honest)) < 3 * error
    assert np.mean(naive) > 0.025
    assert covered >= 0.92 * len(honest)
    assert above <= 0.05 * len(honest)


def test_a_clear_winner_is_chosen_and_its_gain_is_its_effect():
    rng = np.random.default_rng(0)
    raw = rng.normal(0.5, 0.1, (1, 100))
    values = np.concatenate(
        [raw, raw - 0.05 + rng.normal(0, 0.02, (5, 100)), raw + 0.05 + rng.normal(0, 0.02, (1, 100))]
    )
    fit = cross_fit(means(values), 100, seed=0, splits=50, resamples=100)
    assert fit.shares.tolist() == [0, 0, 0, 0, 0, 0, 1]
    assert fit.gain == pytest.approx((values[6] - values[0]).mean(), abs=1e-9)
    assert 0.04 < fit.low < fit.gain < fit.high < 0.06


def test_without_raw_among_the_candidates_the_least_bad_is_chosen():
    raw = np.linspace(0.4, 0.6, 20)
    values = np.stack([raw, raw - 0.2, raw - 0.1])
    with_raw, without = (
        cross_fit(means(values), 20, seed=0, or_raw=choice, splits=5, resamples=20) for choice in (True, False)
    )
    assert (with_raw.gain, with_raw.low, with_raw.high) == (0, 0, 0)
    assert with_raw.shares.tolist() == [1, 0, 0]
    assert without.shares.tolist() == [0, 0, 1]
    assert [without.gain, without.low, without.high] == pytest.approx([-0.1] * 3)


def test_copies_on_both_sides_would_let_the_luck_back_in():
    """The same procedure with copies scattered over both sides is biased upwards, which keeps the rule honest."""
    leaked, kept = [], []
    for trial in range(60):
        rng = np.random.default_rng([11, trial])
        values = np.concatenate([np.zeros((1, 30)), rng.normal(0, 0.1, (28, 30))])
        score = means(values)
        for _ in range(10):
            drawn = rng.integers(30, size=30)
            sides = [np.bincount(part, minlength=30) for part in (drawn[:15], drawn[15:])]
            for gains, pair in ((leaked, np.array(sides)), (kept, halves(np.sum(sides, axis=0)[None], rng)[0])):
                scores = score(pair)
                gains.append(np.mean([scores[best(scores)[side], 1 - side] for side in (0, 1)]))
    assert np.mean(leaked) > 0.01
    assert abs(np.mean(kept)) < 0.005


def test_blocks_do_not_change_the_numbers(monkeypatch):
    values = np.random.default_rng(0).random((4, 10))
    whole = cross_fit(means(values), 10, seed=1, splits=9, resamples=9)
    monkeypatch.setattr("sgz_bench.benchmarks.decisions.cross_fit._CELLS", 50)
    parts = cross_fit(means(values), 10, seed=1, splits=9, resamples=9)
    assert (whole.gain, whole.low, whole.high) == (parts.gain, parts.low, parts.high)
    np.testing.assert_array_equal(whole.shares, parts.shares)
