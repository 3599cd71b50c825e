"""BIMEF: the camera response, the ratio, the map and the fusion."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.measure import shannon_entropy

from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.classical.bimef import entropy, expose, exposure_ratio, illumination, texture_weights
from sgz_bench.enhancer.classical.illumination import smooth


def levels(seed: int = 0, peak: float = 0.3) -> NDArray[np.float64]:
    return np.random.default_rng(seed).beta(1.5, 4, 2500) * peak


def test_a_ratio_of_one_changes_nothing_and_ratios_multiply() -> None:
    x = levels()
    np.testing.assert_allclose(expose(x, 1), x, rtol=1e-12)
    # A camera response is a comparametric one: k then m is k·m.
    np.testing.assert_allclose(expose(expose(x, 2), 3), expose(x, 6), rtol=1e-12)


def test_a_ratio_of_five_by_hand() -> None:
    gamma = 5**-0.3293
    assert expose(np.array([0.1]), 5).item() == pytest.approx(2.718281828 ** (1.1258 * (1 - gamma)) * 0.1**gamma)


def test_the_entropy_is_scikit_images_on_eight_bits() -> None:
    x = levels(peak=1.4)
    assert entropy(x) == pytest.approx(shannon_entropy(np.round(np.minimum(x, 1) * 255)), abs=1e-12)


@pytest.mark.parametrize("peak", [0.05, 0.2, 0.5, 1.0])
def test_the_ratio_has_the_largest_entropy_of_all(peak: float) -> None:
    x = levels(peak=peak)
    rivals = [shannon_entropy(np.round(np.minimum(expose(x, k), 1) * 255)) for k in np.arange(1, 7.001, 0.01)]
    found = exposure_ratio(x)
    assert 1 <= found <= 7
    assert entropy(expose(x, found)) == pytest.approx(max(rivals), abs=1e-12)


def test_weights_by_hand() -> None:
    plane = np.random.default_rng(1).random((9, 12))
    right, down = texture_weights(plane)
    step = np.diff(plane, axis=1)
    assert right[4, 6] == pytest.approx(1 / (abs(step[4, 4:9].sum()) * abs(step[4, 6]) + 0.001))
    assert right[4, 0] == pytest.approx(1 / (abs(step[4, :3].sum()) * abs(step[4, 0]) + 0.001))
    fall = np.diff(plane, axis=0)
    assert down[3, 7] == pytest.approx(1 / (abs(fall[1:6, 7].sum()) * abs(fall[3, 7]) + 0.001))


def test_the_map_is_the_smoothed_half_sized_brightest_channel() -> None:
    picture = np.random.default_rng(2).random((20, 28, 3)) ** 2
    half = picture.max(axis=2).reshape(10, 2, 14, 2).mean(axis=(1, 3))
    right, down = texture_weights(half)
    expected = cv2.resize(smooth(half, right / 2, down / 2), (28, 20), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_allclose(illumination(picture), expected.clip(0, 1), rtol=0, atol=1e-9)


def test_a_flat_dark_image_is_fused_by_the_formula() -> None:
    # One level: every exposure has entropy 0, so the first ratio, 1, stays; the longer exposure is x − 0.01.
    image = torch.full((1, 3, 24, 24), 0.16)
    expected = 0.4 * 0.16 + 0.6 * 0.15  # W = √0.16
    torch.testing.assert_close(create_enhancer("bimef")(image), torch.full_like(image, expected), rtol=0, atol=1e-6)


def test_a_dark_image_gets_brighter_and_a_bright_one_stays() -> None:
    dark = torch.rand(1, 3, 40, 60, generator=torch.Generator().manual_seed(0)) * 0.3
    bright = dark / 2 + 0.8
    assert create_enhancer("bimef")(dark).mean() > 1.3 * dark.mean()
    torch.testing.assert_close(create_enhancer("bimef")(bright), bright, rtol=0, atol=1e-6)
    torch.testing.assert_close(create_enhancer("bimef(mu=0)")(dark), dark, rtol=0, atol=1e-6)
