"""Intervals and p-values in simulated worlds, against the true difference and against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from sgz_bench.benchmarks.calibration import __main__ as script
from sgz_bench.benchmarks.calibration.trial import calibrate, true_difference
from sgz_bench.benchmarks.calibration.worlds import World, known_worlds
from sgz_bench.benchmarks.intervals import interval, left_out_weights, p_value
from sgz_bench.benchmarks.statistics import resample_weights


def means(values: np.ndarray, replicates: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Mean on the whole set and each resample; mean without each image."""
    n = len(values)
    weights = np.concatenate([np.ones((1, n)), resample_weights(n, replicates, seed=0)])
    shortened = left_out_weights(n, seed=0)
    return weights @ values / n, shortened @ values / (n - 1)


def test_of_means_without_effect_5_percent_of_the_p_values_are_below_5_percent() -> None:
    rng, below = np.random.default_rng(0), []
    for _ in range(600):
        differences, left_out = means(rng.normal(size=30))
        p = p_value(differences, left_out)
        delta = interval(differences, left_out=left_out)
        assert p is not None
        assert delta["low"] is not None
        assert delta["high"] is not None
        assert (p < 0.05) == (delta["low"] > 0 or delta["high"] < 0)
        below.append(p < 0.05)
    assert abs(np.mean(below) - 0.05) < 3 * (0.05 * 0.95 / 600) ** 0.5


def test_of_normal_means_it_is_students_t_test() -> None:
    values = np.random.default_rng(1).normal(0.3, 1, 200)
    differences, left_out = means(values, 20_000)
    test = scipy.stats.ttest_1samp(values, 0)
    delta = interval(differences, left_out=left_out)
    expected = test.confidence_interval()
    assert [delta["low"], delta["high"]] == pytest.approx([expected.low, expected.high], abs=0.004)
    assert p_value(differences, left_out) == pytest.approx(test.pvalue, rel=0.1)


def test_where_one_image_decides_there_are_few_degrees_of_freedom() -> None:
    values = np.zeros(40)
    values[0] = 1.0
    differences, left_out = means(values, 5000)
    delta = interval(differences, left_out=left_out)
    assert delta["value"] == pytest.approx(1 / 40)
    assert delta["low"] is not None
    # One image of forty: the error is the mean itself, and t of two degrees of freedom is 4.3.
    assert delta["value"] - delta["low"] == pytest.approx(scipy.stats.t.ppf(0.975, 2.16) / 40, rel=0.05)


def test_p_is_never_below_what_exchanging_few_images_can_give_and_is_1_where_nothing_varies() -> None:
    always = np.full(5, 0.2)
    differences, left_out = means(always)
    assert p_value(differences, left_out) == pytest.approx(2 / 2**5)
    nothing, none_left_out = means(np.zeros(5))
    assert p_value(nothing, none_left_out) == 1.0
    assert interval(nothing, left_out=none_left_out)["high"] == 0.0
    assert p_value(differences[:, None][:, 0], left_out[:1]) == 1.0  # a single image
    assert p_value(np.full(9, np.nan), np.full(5, np.nan)) is None


@pytest.mark.parametrize("name", ["12 classes, 64 images, {}", "segmentation, 12 classes, 64 images, {}"])
def test_nulls_have_no_effect_on_the_population_though_the_weak_one_has_on_classes(name: str) -> None:
    metric = "IoU" if name.startswith("segmentation") else "AP50"
    spread = {}
    for effect in ("sharp", "weak"):
        world = known_worlds()[name.format(effect)]
        raw, other = (
            each.scores(np.ones((1, 10_000), dtype=np.int32)) for each in world.draw(np.random.default_rng(0), 10_000)
        )
        changes = other.per_class[metric][0] - raw.per_class[metric][0]
        assert abs(changes.mean()) < 0.015
        assert true_difference(world, seed=0) == 0
        spread[effect] = np.abs(changes).mean()
    assert spread["sharp"] < 0.02
    assert spread["weak"] > 0.08


def test_a_data_set_depends_on_its_seed_alone() -> None:
    world = World("few", "detection", 20, 4, 2.0, 1.0)

    def detections(seed: int) -> list[float]:
        return [float(each.scores(np.ones((1, 20), int)).overall["AP50"][0]) for each in
                world.draw(np.random.default_rng(seed), others=2)]  # fmt: skip

    assert detections(1) == detections(1)
    assert detections(1) != detections(2)
    assert len(set(detections(1))) == 3


@pytest.mark.slow
def test_intervals_cover_where_classes_are_rare_and_percentiles_do_not() -> None:
    world = replace(known_worlds()["80 classes, 64 images, sharp"], classes=40, images=32)
    student, percentile, _ = calibrate(world, seed=1, repeats=60, replicates=150, permutations=0)
    assert student.coverage[0] - 0.94 > -2 * student.coverage[1]
    assert student.coverage[0] - percentile.coverage[0] > 0.02
    assert 1.1 < student.width < 1.6
    assert student.family[0] - 0.05 < 2 * student.family[1] + 0.02
    assert percentile.family[0] > 0.15


def test_the_script_prints_a_row_for_each_world_and_method(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = "segmentation, 12 classes, 64 images, weak"
    given = ["calibration", "--worlds", world, "--repeats", "2", "--replicates", "100", "--permutations", "20"]
    monkeypatch.setattr("sys.argv", given)
    script.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[:2] for line in lines[2:]] == [
        [f"| {world}", method] for method in ("Student", "percentile", "permutation")
    ]
    monkeypatch.setattr("sys.argv", ["calibration", "--worlds", "none such"])
    with pytest.raises(SystemExit, match="2"):
        script.main()
    assert "no world ['none such']" in capsys.readouterr().err
