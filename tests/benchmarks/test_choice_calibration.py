"""Calibration of the choice: its worlds have the effects that they claim, and its table the numbers of the outcomes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sgz_bench.benchmarks.calibration.choice import contest, summarised, trial, true_differences
from sgz_bench.benchmarks.calibration.worlds import World

SMALL = World("", "segmentation", 24, 4, 2.0, 0.5, effect="sharp")


def test_gains_order_the_true_differences_and_no_gain_is_exactly_zero() -> None:
    true = true_differences(replace(contest(SMALL, [0.3, 0.0, -0.3])), 0)
    assert true[0] == true[2] == 0
    assert true[1] > 0.02
    assert true[3] < -0.02


def test_the_best_of_many_without_effect_is_lucky_and_the_honest_gain_is_not() -> None:
    world = contest(SMALL, [0.0] * 10)
    true = true_differences(world, 0)
    outcomes = [trial(world, true, 0, number, splits=10, resamples=20) for number in range(25)]
    honest, naive = [each.fit.gain for each in outcomes], [each.naive for each in outcomes]
    assert abs(np.mean(honest)) < 4 * np.std(honest) / 5
    assert np.mean(naive) > np.mean(honest) + 4 * np.std(naive) / 5
    cells = summarised(outcomes, true)
    assert cells[0] == "+0.00"
    assert cells[1].split(" ± ")[0] == f"{100 * np.mean(honest):+.2f}"
    covered = np.mean([each.fit.low <= 0 <= each.fit.high for each in outcomes])
    assert float(cells[4].split(" ± ")[0]) == pytest.approx(100 * covered, abs=0.05)
