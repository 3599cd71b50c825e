"""Planning: the law of means, its formulas by hand, its ranges, and one line for what cannot be planned."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from typer.testing import CliRunner

from sgz_bench.__main__ import app
from sgz_bench.benchmarks.decisions.evidence import Evidence
from sgz_bench.benchmarks.decisions.planning import images_for, plan_images, rounded, summary
from sgz_bench.core.errors import UserError
from sgz_bench.tasks.types import Scores


class Means:
    """Statistics of a metric that is the mean of one number per image, whose variance is known."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.image_ids = values, np.arange(len(values))

    def scores(self, weights: Any) -> Scores:
        times = np.asarray(weights)
        return Scores({}, {"AP50": times @ self.values / times.sum(axis=1)})


def evidence_of(**differences: np.ndarray) -> Evidence:
    """Evidence of a raw row of zeros and enhancers with these differences per image."""
    raw = np.zeros(len(next(iter(differences.values()))))
    statistics = {label: Means(values) for label, values in ({"raw": raw} | differences).items()}
    rows = dict.fromkeys(statistics, SimpleNamespace(bound=False))
    task = SimpleNamespace(lead_metric="AP50", lead_scores=lambda cell, weights: cell.scores(weights).overall["AP50"])
    return Evidence(Path("run"), cast(Any, task), cast(Any, rows), cast(Any, statistics))


def test_images_of_a_normal_difference_are_those_of_the_textbook() -> None:
    # Cohen 1988, table 2.4.1: 80 % power, two-sided .05, d = 0.5 between paired means of deviation 1 takes 31.4 images
    assert images_for(1.0, 0.5, power=0.8) == pytest.approx(31.40, abs=0.005)
    assert images_for(1.0, 0.5) == pytest.approx((1.959964 / 0.5) ** 2)
    assert images_for(1.0, 0.5, level=0.05 / 28) > 2 * images_for(1.0, 0.5)


def test_a_mean_needs_what_its_standard_deviation_says() -> None:
    values = np.random.default_rng(0).normal(0.02, 0.25, 400)
    planning = plan_images(evidence_of(sgz=values), effect=2.0)
    need = planning.needs["sgz"]
    assert need.deviation == pytest.approx(values.std(), rel=0.1)  # 500 resamples: 3.2 % Monte-Carlo error
    assert need.power is not None
    assert need.interval is not None
    assert need.power.number == pytest.approx(7.849 * (values.std() / 0.02) ** 2, rel=0.2)
    assert need.interval.number == pytest.approx(3.841 * (values.std() / 0.02) ** 2, rel=0.2)
    assert need.fits
    assert need.parts == pytest.approx((1, 1, 1), abs=0.25)
    # The relative standard error of the variance of 400 normal numbers is √(2 / 400), of 500 resamples √(2 / 500).
    width = np.log(need.power.high / need.power.number)
    assert 1.96 * np.sqrt(2 / 400 + 2 / 500) * 0.85 < width < 1.96 * np.sqrt(2 / 400 + 2 / 500) * 1.2 + np.log(1.15)


def test_the_correction_for_several_enhancers_takes_the_level_of_holms_first_step() -> None:
    rng = np.random.default_rng(1)
    planning = plan_images(evidence_of(**{f"e{index}": rng.normal(0, 0.2, 100) for index in range(5)}))
    for need in planning.needs.values():
        assert need.power is not None
        assert need.power_corrected is not None
        ratio = ((2.5758 + 0.8416) / (1.9600 + 0.8416)) ** 2  # levels .05 / 5 and .05
        assert need.power_corrected.number / need.power.number == pytest.approx(ratio, rel=0.002)


def test_a_metric_that_does_not_follow_the_law_is_named() -> None:
    class Rare(Means):
        """Mean without the images of a rare class, whose difference is large where it occurs."""

        def scores(self, weights: Any) -> Scores:
            times = np.asarray(weights)
            common = times[:, 1:] @ self.values[1:] / times[:, 1:].sum(axis=1)
            seen = times[:, 0] > 0
            return Scores({}, {"AP50": np.where(seen, (common + self.values[0]) / 2, common)})

    evidence = evidence_of(sgz=np.zeros(64))
    values = np.random.default_rng(0).normal(0, 0.2, 64)
    values[0] = 0.6
    evidence.statistics["sgz"] = cast(Any, Rare(values))  # type: ignore[index]
    planning = plan_images(evidence)
    need = planning.needs["sgz"]
    assert not need.fits
    assert "does not fall as 1 / images" in planning.verdict
    assert need.power is not None
    assert (
        need.power.low
        < need.power.number * min(*need.parts, 1)
        < need.power.number * max(*need.parts, 1)
        < need.power.high
    )


def test_identical_systems_need_nothing() -> None:
    planning = plan_images(evidence_of(gamma=np.zeros(20)))
    assert planning.needs["gamma"].power is None
    assert planning.verdict == "No enhancer differs from raw on these images, so there is nothing to plan."


def test_numbers_are_rounded_to_two_digits() -> None:
    assert [rounded(number) for number in (7, 57, 444, 1_949, 12_600)] == ["7", "57", "440", "1,900", "13,000"]


def test_summary_is_json_and_the_same_twice(detection_run: Path) -> None:
    evidence = Evidence.read(detection_run)
    content = summary(evidence)
    assert json.dumps(content, allow_nan=False) == json.dumps(summary(evidence), allow_nan=False)
    assert list(content["enhancers"]) == evidence.enhancers
    assert "this run has 12" in content["verdict"]


def test_too_few_images_leave_a_verdict_alone() -> None:
    few = evidence_of(gamma=np.arange(9.0))
    assert summary(few)["enhancers"] == {}
    assert summary(few)["verdict"] == "9 images are too few to plan with; it takes 10 or more."
    with pytest.raises(UserError, match="run has 1 image; a variance is estimated from 10 or more"):
        plan_images(evidence_of(gamma=np.zeros(1)))


def test_the_command_prints_a_table_and_the_verdict(detection_run: Path) -> None:
    result = CliRunner().invoke(app, ["plan", str(detection_run), "--effect", "2"])
    assert result.exit_code == 0, result.output
    assert "gamma" in result.output
    assert result.output.splitlines()[-1].startswith("To decide a difference of 2 points takes about ")
    one = CliRunner().invoke(app, ["plan", str(detection_run), "--enhancer", "clahe", "--json"])
    content = json.loads(one.output)
    assert list(content["enhancers"]) == ["clahe(clip=2,tiles=8)"]
    assert content["compared"] == 2  # of the run, whatever is shown


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--effect", "0"], "--effect 0: give points above 0, up to 100"),
        (["--effect", "-1"], "--effect -1: give points above 0, up to 100"),
        (["--effect", "nan"], "--effect nan: give points above 0, up to 100"),
        (["--effect", "101"], "--effect 101: give points above 0, up to 100"),
        (["--power", "1"], "--power 1: give a probability between 0 and 1"),
        (["--enhancer", "clah"], "has no scored row of it; known: gamma(gamma=0.45), clahe(clip=2,tiles=8)"),
    ],
)
def test_a_mistake_is_one_line(detection_run: Path, words: list[str], line: str) -> None:
    with pytest.raises(UserError, match=line.replace("(", r"\(").replace(")", r"\)")):
        CliRunner().invoke(app, ["plan", str(detection_run), *words], catch_exceptions=False)
