"""Permutation p-values against full enumeration, Holm's correction against arithmetic by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sgz_bench.benchmarks.statistics import holm, permutation_p_values, permutation_swaps
from sgz_bench.tasks.detection.metrics import evaluate


@pytest.mark.parametrize("seed", [0, 1])
def test_p_is_that_of_evaluating_every_exchange_of_images(pair, seed):
    truth, raw, enhanced = pair(seed, 6)
    swaps = np.array(list(itertools.product([False, True], repeat=6)))
    found = permutation_p_values(evaluate(truth, raw).matches, evaluate(truth, enhanced).matches, swaps)

    def differences(swap):
        sides = [[], []]
        for side, system in enumerate((raw, enhanced)):
            for each in system:
                sides[side ^ bool(swap[each["image_id"] - 1])].append(each)
        before, after = (evaluate(truth, predictions).metrics for predictions in sides)
        return {metric: abs(after[metric] - before[metric]) for metric in found}

    oracle = [differences(swap) for swap in swaps]
    assert set(found) == {"AP", "AP50", "VOC_AP50"}
    for metric in found:
        extreme = sum(row[metric] >= oracle[0][metric] - 1e-12 for row in oracle)
        assert 2 <= extreme < 64  # the identity and the full exchange at least
        assert found[metric] == pytest.approx((1 + extreme) / 65)


def test_a_difference_on_every_image_is_significant_and_p_is_never_zero(pair):
    truth, raw, _ = pair(2, 40)
    nothing = evaluate(truth, []).matches
    p = permutation_p_values(evaluate(truth, raw).matches, nothing, permutation_swaps(40, 99, seed=0))
    assert p == {"AP": 0.01, "AP50": 0.01, "VOC_AP50": 0.01}
    assert {type(value) for value in p.values()} == {float}


def test_equal_scores_across_images_and_systems_leave_identical_systems_at_p_one(pair):
    truth, raw, _ = pair(3, 10)
    tied = [each | {"score": round(each["score"], 1)} for each in raw]
    matches = evaluate(truth, tied).matches
    assert set(permutation_p_values(matches, matches, permutation_swaps(10, 50, seed=0)).values()) == {1.0}


def test_p_is_undefined_without_truth(pair):
    truth, raw, enhanced = pair(4, 5)
    empty = truth | {"annotations": []}
    cells = (evaluate(empty, found).matches for found in (raw, enhanced))
    assert set(permutation_p_values(*cells, permutation_swaps(5, 10, seed=0)).values()) == {None}


def test_swaps_are_fair_and_seeded():
    swaps = permutation_swaps(200, 500, seed=1)
    assert abs(swaps.mean() - 0.5) < 0.01
    assert np.array_equal(swaps, permutation_swaps(200, 500, seed=1))
    assert not np.array_equal(swaps, permutation_swaps(200, 500, seed=2))


def test_holm_by_hand():
    # Sorted .01 .03 .04 are multiplied by 3, 2, 1 and made monotone: .03, .06, max(.06, .04).
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([0.02, None, 0.5]) == [0.04, None, 0.5]
    assert holm([]) == []
