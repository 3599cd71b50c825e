"""Dynamic histogram equalisation: where it divides, how it shares the range, and when it is plain equalisation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.exposure import equalize_hist

from sgz_bench.core.images import to_tensor, to_uint8
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.classical.dhe import dynamic_curve, hills, split


def histogram(**counts: int) -> NDArray[np.int64]:
    """Pixels at the named levels, as in ``histogram(l10=5)``."""
    found = np.zeros(256, dtype=np.int64)
    for level, count in counts.items():
        found[int(level[1:])] = count
    return found


def bell(centre: float, width: float, pixels: int = 10000) -> NDArray[np.int64]:
    levels = np.arange(256)
    density = np.exp(-((levels - centre) ** 2) / (2 * width**2))
    return np.asarray(np.rint(pixels * density / density.sum()), dtype=np.int64)


def test_one_bell_is_one_hill_and_needs_no_split() -> None:
    counts = bell(80, 12)
    used = np.flatnonzero(counts)
    (hill,) = hills(counts)
    assert hill == (used[0], used[-1] + 1)
    assert split(counts, *hill) == [hill]


def test_two_bells_part_at_the_valley_between_them() -> None:
    counts = bell(60, 10) + bell(140, 10)
    (low, valley), (valley_too, high) = hills(counts)
    assert valley == valley_too
    assert valley == pytest.approx(100, abs=12)  # the valley is flat: zeros from about 98 to 102
    assert counts[low:high].sum() == counts.sum()


def test_a_dent_of_one_level_is_smoothed_away() -> None:
    counts = bell(80, 15)
    counts[65] -= 15
    assert counts[65] < counts[64] < counts[66]
    assert len(hills(counts)) == 1


def test_a_part_that_is_no_bell_is_split_at_one_deviation() -> None:
    # Two equal towers about 21 levels apart: their mean lies between them and one deviation reaches into each.
    counts = histogram(l9=50, l10=50, l20=1, l30=50, l31=50)
    mean = (9 * 50 + 10 * 50 + 20 + 30 * 50 + 31 * 50) / 201
    deviation = (sum(n * (level - mean) ** 2 for level, n in enumerate(counts)) / 201) ** 0.5
    low, high = round(mean - deviation), round(mean + deviation) + 1
    assert counts[low:high].sum() < 0.683 * 201
    assert split(counts, 9, 32) == [(9, low), (low, high), (high, 32)]


@pytest.mark.parametrize("seed", range(20))
def test_parts_tile_the_levels_in_use_and_the_curve_never_falls(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 100, 256) * (rng.random(256) < 0.6)
    parts = [part for hill in hills(counts) for part in split(counts, *hill)]
    assert all(start < stop for start, stop in parts)
    assert [stop for _, stop in parts[:-1]] == [start for start, _ in parts[1:]]
    used = np.flatnonzero(counts)
    assert (parts[0][0], parts[-1][1]) == (used[0], used[-1] + 1)
    curve = dynamic_curve(counts, 1.0)
    assert (np.diff(curve[used]) > 0).all()
    assert 0 < curve[used[0]] <= curve[used[-1]] == pytest.approx(255)


def test_with_a_single_part_it_is_histogram_equalisation() -> None:
    luma = np.repeat(np.arange(256), bell(70, 14)).astype(np.uint8)
    grey = np.resize(np.random.default_rng(0).permutation(luma), (90, 110))
    grey.flat[: luma.size] = luma[: grey.size]
    counts = np.bincount(grey.ravel(), minlength=256)
    assert [part for hill in hills(counts) for part in split(counts, *hill)] == hills(counts)[:1]
    expected = np.rint(255 * equalize_hist(grey))
    output = to_uint8(create_enhancer("dhe")(to_tensor(np.stack([grey] * 3, axis=2))))
    np.testing.assert_array_equal(output, np.stack([expected] * 3, axis=2))


def test_ranges_go_by_span_and_by_the_logarithm_of_the_size() -> None:
    counts = bell(60, 5, 90000) + bell(160, 20, 500)
    parts = [part for hill in hills(counts) for part in split(counts, *hill)]
    for emphasis in (0, 1, 2):
        shares = [(b - a) * np.log(1 + counts[a:b].sum()) ** emphasis if counts[a:b].any() else 0 for a, b in parts]
        ends = 255 * np.cumsum(shares) / np.sum(shares)
        curve = dynamic_curve(counts, emphasis)
        for (start, stop), end in zip(parts, ends, strict=True):
            if counts[start:stop].any():
                assert curve[stop - 1] == pytest.approx(end)
    assert dynamic_curve(counts, 2)[75] > dynamic_curve(counts, 0)[75]
