"""Numbers agree with their nouns."""

from __future__ import annotations

from sgz_bench.core.text import pluralize


def test_one_is_singular_and_all_others_are_plural() -> None:
    assert [pluralize(number, "image") for number in (0, 1, 2)] == ["0 images", "1 image", "2 images"]
    assert [pluralize(number, "box", "boxes") for number in (1, 3)] == ["1 box", "3 boxes"]
