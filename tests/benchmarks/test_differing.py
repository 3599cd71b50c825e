"""Two values that are not the same are shown where they part."""

from __future__ import annotations

import pytest

from sgz_bench.benchmarks.manifest import differing


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        ("3", "None", ("3", "None")),
        ("a" * 60, "a" * 61, ("…" + "a" * 30, "…" + "a" * 31)),
        (
            "x" * 80 + "nms=0.65" + "y" * 80,
            "x" * 80 + "nms=0.6" + "y" * 80,
            ("…" + "x" * 23 + "nms=0.65" + "y" * 29 + "…", "…" + "x" * 23 + "nms=0.6" + "y" * 30 + "…"),
        ),
    ],
)
def test_long_values_are_cut_around_the_place_where_they_part(one: str, other: str, shown: tuple[str, str]) -> None:
    assert differing(one, other) == shown
