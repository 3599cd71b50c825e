"""Faults of settings: setting, rule, value and the nearest name, in one line."""

from __future__ import annotations

import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.core.registry import Registry, suggest
from sgz_bench.enhancer.training.recipe import read_recipe, recipe_of


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("lr=fast", "lr: must be a number, got 'fast'"),
        ("steps=3.5", "steps: must be a whole number, got 3.5"),
        ("batch=0", "batch: must be at least 1, got 0"),
        ("init=foo", "init: must be a number or 'he', got 'foo'"),
        ("network=sgzz", "network: must be 'sgz', 'zero-dce' or 'sci', got 'sgzz'"),
        ("views=3", "views: must be a mapping of settings, got 3"),
        ("loses.tv=3", "loses: there is no such setting; did you mean 'losses' or 'steps'?"),
        ("losses.tvv=3", "losses.tvv: there is no such setting; did you mean 'tv'?"),
        ("views.scale=[2,1]", "views.scale: write two bounds that are at least 0, the lower one first"),
    ],
)
def test_a_wrong_setting_is_named_with_rule_and_value(setting: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        recipe_of(read_recipe("sgz"), [setting], "sgz")
    assert str(caught.value) == f"recipe sgz: {words}"


def test_an_unknown_setting_is_named_whatever_it_looks_like() -> None:
    with pytest.raises(UserError, match=r"recipe x: \[a\]-: there is no such setting"):
        recipe_of({**read_recipe("sgz"), "[a]-": 3}, [], "x")


@pytest.mark.parametrize(
    ("name", "known", "words"),
    [
        ("papr", ["paper"], "; did you mean 'paper'? Or give a file."),
        ("x", ["paper", "demo"], "; known: paper, demo; or give a file"),
        ("x", [], "; there is none yet, give a file"),
    ],
)
def test_the_nearest_names_and_the_other_way_are_sentences(name: str, known: list[str], words: str) -> None:
    assert suggest(name, known, "give a file") == words


def test_a_registry_without_names_says_what_to_write() -> None:
    with pytest.raises(UserError, match=r"unknown metric 'psnr'; there is none yet, write FILE\.py:Class or"):
        Registry("metric", {}).find("psnr")
