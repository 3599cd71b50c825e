"""Windows cover a picture once, and what is kept of one does not depend on what it does not show."""

from __future__ import annotations

import pytest

from sgz_bench.enhancer.runtime.tiling import windows


@pytest.mark.parametrize("reach", [0, 1, 7])
def test_windows_of_one_size_cover_every_length_once(reach: int) -> None:
    for size in (2 * reach + 1, 2 * reach + 2, 40):
        for length in range(1, 200):
            found = windows(length, size, reach)
            assert [row for each in found for row in range(each.first, each.last)] == list(range(length))
            assert {each.stop - each.start for each in found} == {min(size, length)}


@pytest.mark.parametrize("reach", [0, 3, 7])
def test_what_is_kept_lies_within_reach_of_no_end_that_is_not_the_pictures_own(reach: int) -> None:
    for size in (2 * reach + 1, 40):
        for length in range(1, 200):
            for each in windows(length, size, reach):
                assert each.start == 0 or each.first - each.start >= reach
                assert each.stop == length or each.stop - each.last >= reach


def test_no_window_is_empty() -> None:
    assert all(each.first < each.last for length in range(1, 300) for each in windows(length, 15, 7))


def test_a_window_that_keeps_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="keeps nothing"):
        windows(100, 14, 7)
