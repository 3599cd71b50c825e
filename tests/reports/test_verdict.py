"""The answer in sentences, from made-up differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sgz_bench.benchmarks.results import Delta, ResultRow
from sgz_bench.reports.page.verdict import verdict
from sgz_bench.reports.run import FinishedRun

MODEL = "yolov8n-coco-int8deq"
MakeRun = Callable[..., Path]


def said(
    make_run: MakeRun, differences: Mapping[str, tuple[float, float, float, float]], **options: object
) -> list[str]:
    """The verdict on rows with (value, low, high, Holm's p) of AP50."""

    def change(row: ResultRow) -> ResultRow:
        if row.enhancer not in differences:
            return row
        value, low, high, holm = differences[row.enhancer]
        return replace(row, delta={"AP50": Delta(value=value, low=low, high=high, p=holm, p_holm=holm)})

    enhancers = tuple(name for name in differences if name != "bright")
    options = {"bright": "bright" in differences} | options
    return verdict(FinishedRun.open(make_run(enhancers=enhancers, change=change, **options)).study)


def test_one_enhancer_that_gains_for_certain_improved_the_model(make_run: MakeRun) -> None:
    found = said(make_run, {"he": (0.03, 0.01, 0.05, 0.01)})
    assert found == [f"On this data he improved {MODEL}: ΔAP50 +3.0 [+1.0, +5.0]."]


def test_an_enhancer_goes_by_its_bare_name_where_no_other_has_it(make_run: MakeRun) -> None:
    iat, weaker = "iat(centred=false,weights=lol_v1)", "iat(centred=false,weights=exposure)"
    found = said(make_run, {iat: (0.03, 0.01, 0.05, 0.01)})
    assert found == [f"On this data iat improved {MODEL}: ΔAP50 +3.0 [+1.0, +5.0]."]
    found = said(make_run, {iat: (0.03, 0.01, 0.05, 0.01), weaker: (-0.1, -0.2, -0.05, 0.01)})
    assert found[0].startswith(f"On this data 1 of the 2 enhancers improved {MODEL}, {iat}: ΔAP50 +3.0")


def test_one_whose_interval_reaches_zero_did_not(make_run: MakeRun) -> None:
    found = said(make_run, {"he": (0.03, 0.0, 0.05, 0.06)})
    assert found == [f"On this data he is not shown to change {MODEL}: ΔAP50 +3.0 [0.0, +5.0]."]


def test_where_none_gains_the_least_bad_is_named(make_run: MakeRun) -> None:
    found = said(make_run, {"he": (-0.04, -0.06, -0.02, 0.01), "autogamma": (-0.003, -0.009, 0.002, 0.4)})
    assert found[0] == (
        f"On this data none of the 2 enhancers improved {MODEL} for certain; "
        "autogamma lost least: ΔAP50 −0.3 [−0.9, +0.2]."
    )
    assert found[1] == "1 made it worse; 1 is undecided on these images."


def test_one_that_loses_for_certain_made_it_worse(make_run: MakeRun) -> None:
    found = said(make_run, {"he": (-0.05, -0.08, -0.02, 0.01)})
    assert found == [f"On this data he made {MODEL} worse: ΔAP50 −5.0 [−8.0, −2.0]."]


def test_the_winner_is_the_best_of_those_that_improved_it(make_run: MakeRun) -> None:
    found = said(
        make_run,
        {"gamma": (0.03, -0.01, 0.08, 0.3), "clahe": (0.01, 0.005, 0.02, 0.01), "he": (-0.1, -0.2, -0.05, 0.01)},
    )
    assert found[0] == f"On this data 1 of the 3 enhancers improved {MODEL}, clahe: ΔAP50 +1.0 [+0.5, +2.0]."


def test_a_gain_that_may_be_chance_is_called_near(make_run: MakeRun) -> None:
    found = said(make_run, {"he": (0.01, -0.01, 0.03, 0.5), "autogamma": (-0.1, -0.2, -0.05, 0.01)})
    assert "he came nearest to it: ΔAP50 +1.0 [−1.0, +3.0]" in found[0]


def test_several_gains_are_counted_and_the_largest_is_named(make_run: MakeRun) -> None:
    found = said(
        make_run,
        {"he": (0.03, 0.01, 0.05, 0.04), "autogamma": (0.05, 0.01, 0.09, 0.03), "msr": (-0.1, -0.2, -0.05, 0.01)},
    )
    assert found[0].startswith(f"On this data 2 of the 3 enhancers improved {MODEL}, autogamma most: ΔAP50 +5.0")
    assert found[1:] == ["1 made it worse."]


def test_what_only_an_uncorrected_interval_shows_is_not_called_a_gain(make_run: MakeRun) -> None:
    found = said(
        make_run,
        {"he": (0.03, 0.01, 0.05, 0.04), "autogamma": (0.05, 0.01, 0.09, 0.2), "msr": (-0.1, -0.2, -0.05, 0.01)},
    )
    assert found == [
        f"On this data 1 of the 3 enhancers improved {MODEL}, he: ΔAP50 +3.0 [+1.0, +5.0].",
        "1 made it worse; 1 is undecided on these images.",
        "1 of them has an interval that excludes 0, as one in twenty does by chance; not so after correction for 3"
        " (Holm).",
    ]
    night = dict.fromkeys(("he", "gamma"), (-0.1, -0.172, -0.042, 0.26))
    assert said(make_run, night)[0].startswith(f"On this data none of the 2 enhancers improved {MODEL} for certain")
    assert "2 of them have intervals that exclude 0" in said(make_run, night)[2]


def test_all_gains(make_run: MakeRun) -> None:
    found = said(make_run, {"he": (0.03, 0.01, 0.05, 0.01), "autogamma": (0.05, 0.01, 0.09, 0.01)})
    assert found == [f"On this data both enhancers improved {MODEL}, autogamma most: ΔAP50 +5.0 [+1.0, +9.0]."]


def test_enhancers_that_the_images_do_not_tell_apart_are_named_together(make_run: MakeRun) -> None:
    close = {"he": (0.03, 0.01, 0.05, 0.01), "autogamma": (0.031, 0.01, 0.05, 0.01), "msr": (0.001, -0.01, 0.02, 0.9)}
    assert said(make_run, close)[0] == (
        f"On this data 2 of the 3 enhancers improved {MODEL}, autogamma and he most, which these images do not tell"
        " apart: ΔAP50 +3.1 [+1.0, +5.0] and +3.0 [+1.0, +5.0]."
    )
    near = {name: (-0.01 - 0.001 * k, -0.04, 0.02, 0.5) for k, name in enumerate(("he", "gamma", "clahe", "dual"))}
    assert "he, gamma, clahe and 1 other lost least, which these images do not tell apart" in said(make_run, near)[0]


def test_the_upper_bound_is_told_and_is_no_enhancer(make_run: MakeRun) -> None:
    found = said(make_run, {"bright": (0.2, 0.1, 0.3, 0.01), "he": (-0.03, -0.05, -0.01, 0.01)})
    assert found[0].startswith("On this data he made")
    assert found[-1] == "The same images before darkening, the upper bound: +20.0 [+10.0, +30.0]."


def test_a_run_of_raw_alone_says_so(make_run: MakeRun) -> None:
    assert said(make_run, {})[0].startswith("No enhancer was compared with the raw images. Raw images: AP50 ")


@pytest.mark.parametrize(("change", "told"), [({"partial": True}, "a part of the split")])
def test_what_limits_the_answer_is_said(make_run: MakeRun, change: dict[str, object], told: str) -> None:
    run = make_run(change=lambda row: replace(row, **change))
    assert any(told in line for line in verdict(FinishedRun.open(run).study))


def test_rows_that_failed_are_counted(make_run: MakeRun) -> None:
    found = verdict(FinishedRun.open(make_run(broken="he")).study)
    assert found[-1] == "1 of 8 rows failed."
