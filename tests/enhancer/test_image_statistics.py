"""Statistics of images: against plain formulas, on extremes, and the same for arrays and tensors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sgz_bench.core.images import Image, to_tensor
from sgz_bench.enhancer.image_statistics import STATISTICS, dark, luma, noise


def random_image(seed: int, height: int, width: int) -> Image:
    rng = np.random.default_rng(seed)
    return np.asarray(rng.integers(0, 256, (height, width, 3)), dtype=np.uint8)


def test_luma_and_dark_share_are_those_of_the_plain_formulas() -> None:
    image = random_image(0, 37, 53) // np.uint8(4)
    values = image @ np.array([0.299, 0.587, 0.114])
    assert luma(image) == pytest.approx(values.mean(), rel=1e-12)
    assert dark(image) == pytest.approx((values < 30 - 1e-9).mean(), rel=1e-12)


@pytest.mark.parametrize("sigma", [2.0, 5.0])
def test_noise_is_the_standard_deviation_of_added_noise(sigma: float) -> None:
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:300, :400]
    smooth = 60 + 0.1 * x + 0.2 * y  # linear, to which the estimate is blind
    grey = np.clip((smooth + rng.normal(0, sigma, smooth.shape)).round(), 0, 255).astype(np.uint8)
    assert noise(np.repeat(grey[..., None], 3, axis=2)) == pytest.approx(sigma, rel=0.03)
    clean = np.clip(smooth.round(), 0, 255).astype(np.uint8)
    assert noise(np.repeat(clean[..., None], 3, axis=2)) < 0.5


def test_noise_is_the_formulas_sum_over_windows() -> None:
    image = random_image(2, 5, 6)
    grey = image @ np.array([0.299, 0.587, 0.114])
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])
    total = sum(abs((grey[i : i + 3, j : j + 3] * mask).sum()) for i in range(3) for j in range(4))
    assert noise(image) == pytest.approx(math.sqrt(math.pi / 2) * total / (6 * 3 * 4), rel=1e-12)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 2), (1, 9), (3, 3), (64, 48)])
@pytest.mark.parametrize("name", list(STATISTICS))
def test_arrays_and_tensors_give_the_same_bits(name: str, height: int, width: int) -> None:
    images = [random_image(seed, height, width) for seed in range(2)]
    batch = torch.cat([to_tensor(each) for each in images])
    if name == "noise" and min(height, width) < 3:
        assert [STATISTICS[name].of(each) for each in images] == [0.0, 0.0]
    assert STATISTICS[name].of_batch(batch).tolist() == [STATISTICS[name].of(each) for each in images]


def test_black_and_white_are_the_ends_of_the_ranges() -> None:
    black, white = np.zeros((4, 5, 3), dtype=np.uint8), np.full((4, 5, 3), 255, dtype=np.uint8)
    assert [(luma(each), dark(each), noise(each)) for each in (black, white)] == [(0, 1, 0), (255, 0, 0)]
