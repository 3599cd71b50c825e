"""The choice: its verdicts, and what it refuses."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from sgz_bench.benchmarks.decisions.choice import choose, summary
from sgz_bench.core.errors import UserError

from .in_memory import accuracies, detection

FEW = {"splits": 20, "resamples": 40}


def noisy(rng: np.random.Generator, effects: dict[str, float], images: int = 60, noise: float = 0.02):
    raw = rng.uniform(0.5, 0.7, images)
    return accuracies(
        {"raw": raw, **{label: raw + effect + rng.normal(0, noise, images) for label, effect in effects.items()}}
    )


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_clear_winner_is_deployed(rng):
    choice = choose(noisy(rng, {"sgz": 0.05, "clahe": -0.05, "gamma": 0.0}), **FEW)
    assert choice.verdict.kind == "deploy"
    assert choice.verdict.text == "deploy sgz"
    assert choice.best == "sgz"
    assert choice.find("sgz").chosen == 1
    assert choice.gain.low > 0
    assert choice.find("sgz").difference.low > 0


def test_where_all_are_worse_none_is_deployed(rng):
    choice = choose(noisy(rng, {"sgz": -0.05, "clahe": -0.08}), **FEW)
    assert (choice.verdict.kind, choice.best) == ("none", "raw")
    assert (choice.gain.value, choice.gain.low, choice.gain.high) == (0, 0, 0)


def test_where_the_winner_is_lucky_nothing_is_decided(rng):
    choice = choose(noisy(rng, {f"gamma(gamma=0.{k})": 0.0 for k in range(10, 30)}, noise=0.05), **FEW)
    naive = choice.find(choice.best).difference
    assert naive.value > choice.gain.value
    assert choice.verdict.kind == "undecided"


def test_an_enhancer_equal_to_raw_is_never_deployed_nor_chosen(rng):
    choice = choose(noisy(rng, {"identity": 0.0}, noise=0), **FEW)
    assert (choice.best, choice.verdict.kind) == ("raw", "none")
    assert choice.find("raw").chosen == 1


def test_bounds_are_no_candidates(rng):
    choice = choose(noisy(rng, {"sgz": -0.01, "oracle(sgz)": 0.1, "oracle": 0.2, "bright": 0.2}), **FEW)
    assert [each.label for each in choice.candidates] == ["raw", "sgz"]


def test_a_margin_accepts_what_is_hardly_worse(rng):
    evidence = noisy(rng, {"sgz": -0.002, "clahe": -0.2}, noise=0.002)
    assert choose(evidence, **FEW).verdict.kind == "none"
    choice = choose(evidence, margin=2, **FEW)
    assert (choice.verdict.text, choice.no_worse, choice.best) == ("deploy sgz", ("sgz",), "sgz")
    assert choice.gain.low > -0.02
    assert choose(evidence, margin=0.01, **FEW).verdict.kind == "none"


@pytest.mark.parametrize("margin", [0, -0.5, 100, float("nan"), float("inf")])
def test_a_margin_must_be_a_positive_number_of_points(rng, margin):
    with pytest.raises(UserError, match=r"--margin .*: give the points that may be lost, above 0 and below 100"):
        choose(noisy(rng, {"sgz": 0}), margin=margin)


def test_one_image_and_raw_alone_are_refused(rng):
    with pytest.raises(UserError, match="runs/made has one image, and nothing can be chosen on one image"):
        choose(noisy(rng, {"sgz": 0}, images=1))
    with pytest.raises(UserError, match="runs/made has no scored enhancer beside raw"):
        choose(noisy(rng, {"bright": 0.1}))


def test_statistics_of_other_images_are_refused(rng):
    evidence, other = noisy(rng, {"sgz": 0}), noisy(rng, {"sgz": 0}, images=50)
    mixed = dataclasses.replace(evidence, statistics={**evidence.statistics, "sgz": other.statistics["sgz"]})
    with pytest.raises(UserError, match="the statistics of sgz in runs/made are of other images than raw's"):
        choose(mixed)


def test_two_images_are_few_and_no_error(rng):
    choice = choose(noisy(rng, {"sgz": 0.1}, images=2), **FEW)
    assert choice.gain.value is not None
    assert choice.verdict.kind in {"deploy", "undecided"}


def test_verdicts_never_contradict_the_stars_of_the_table():
    for trial in range(20):
        rng = np.random.default_rng([5, trial])
        effects = {f"gamma(gamma=0.{k})": rng.normal(0, 0.02) for k in range(1, 6)}
        choice = choose(noisy(rng, effects, images=25, noise=0.05), **FEW)
        enhancers = [each.difference for each in choice.candidates[1:]]
        if choice.verdict.kind == "deploy":
            assert choice.find(choice.verdict.label).difference.low > 0
        if choice.verdict.kind == "none":
            assert all(each.high <= 0 for each in enhancers)


def test_no_enhancer_without_a_star_is_deployed(rng):
    evidence = noisy(rng, {"sgz": 0.05, "clahe": -0.05})
    assert choose(evidence, **FEW).verdict.kind == "deploy"
    row = evidence.rows["sgz"]
    row.delta["mIoU"]["p_holm"] = 0.06
    choice = choose(evidence, **FEW)
    assert choice.verdict.kind == "undecided"
    assert "its p corrected for their number is not below 0.05" in choice.verdict.reason
    assert choose(evidence, margin=1, **FEW).verdict.kind == "deploy"  # no worse needs no star


def test_the_same_command_gives_the_same_numbers_and_plain_json():
    evidence, *_ = detection(0, 12, ["raw", "a", "b"])
    one, other = summary(evidence), summary(evidence)
    assert json.dumps(one) == json.dumps(other)
    assert one["candidates"][0]["label"] == "raw"
    assert one["verdict"]["text"]
    assert choose(evidence, seed=1, **FEW).gain != choose(evidence, seed=2, **FEW).gain
