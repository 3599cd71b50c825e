"""LIME and DUAL: the linear system, its weights, and the pictures that come of them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.classical import illumination
from sgz_bench.enhancer.classical.illumination import guided_upsampling, reduced_size, resize, smooth
from sgz_bench.enhancer.classical.lime import affinity_weights
from sgz_bench.enhancer.classical.lime import illumination as light_map

Plane = NDArray[np.float64]


def plane(height: int, width: int, seed: int = 0) -> Plane:
    return np.random.default_rng(seed).random((height, width))


def dense_solution(target: Plane, right: Plane, down: Plane) -> Plane:
    """The same minimum from the normal equations, put together one pair of neighbours at a time."""
    height, width = target.shape
    matrix = np.eye(target.size)
    for y in range(height):
        for x in range(width):
            for other, inside, weight in (((y, x + 1), x + 1 < width, right), ((y + 1, x), y + 1 < height, down)):
                if inside:
                    edge = np.zeros(target.size)
                    edge[y * width + x], edge[other[0] * width + other[1]] = 1, -1
                    matrix += weight[y, x] * np.outer(edge, edge)
    return np.asarray(np.linalg.solve(matrix, target.ravel()).reshape(target.shape))


@pytest.mark.parametrize("size", [(1, 1), (1, 23), (19, 1), (13, 17), (20, 11)])
def test_the_sparse_solution_is_that_of_a_dense_solver(size: tuple[int, int]) -> None:
    right, down = plane(*size, 1) ** 4 * 1e4, plane(*size, 2) ** 4 * 1e4
    target = plane(*size)
    np.testing.assert_allclose(smooth(target, right, down), dense_solution(target, right, down), rtol=0, atol=1e-8)


def test_smoothing_keeps_to_the_range_and_mean_of_its_input() -> None:
    target = plane(60, 75)
    smoothed = smooth(target, 50 * plane(60, 75, 1), 50 * plane(60, 75, 2))
    assert target.min() <= smoothed.min() <= smoothed.max() <= target.max()
    assert smoothed.mean() == pytest.approx(target.mean(), abs=1e-10)
    assert smoothed.std() < target.std() / 5


def test_weights_are_the_papers_sums_over_the_window_of_a_pixel() -> None:
    target, sigma = plane(18, 21), 2.0
    right, down = affinity_weights(target, sigma)
    for y, x in ((0, 0), (9, 10), (17, 20), (3, 20)):
        for weights, axis in ((right, 1), (down, 0)):
            total = weighted = 0.0
            for v in range(max(0, y - 7), min(18, y + 8)):
                for u in range(max(0, x - 7), min(21, x + 8)):
                    affinity = np.exp(-((v - y) ** 2 + (u - x) ** 2) / (2 * sigma**2))
                    total += affinity
                    weighted += affinity * difference(target, v, u, axis)
            expected = total / (abs(weighted) + 1e-3) / (abs(difference(target, y, x, axis)) + 1e-3)
            assert weights[y, x] == pytest.approx(expected, rel=1e-9)


def difference(target: Plane, y: int, x: int, axis: int) -> float:
    v, u = (min(y + 1, target.shape[0] - 1), x) if axis == 0 else (y, min(x + 1, target.shape[1] - 1))
    return float(target[v, u] - target[y, x])


def halves(height: int = 40, width: int = 60) -> torch.Tensor:
    """A dark half of (0.04, 0.02, 0.02) beside a lit one of (0.5, 0.8, 0.6)."""
    image = torch.tensor([0.04, 0.02, 0.02]).view(1, 3, 1, 1).repeat(1, 1, height, width)
    image[..., width // 2 :] = torch.tensor([0.5, 0.8, 0.6]).view(3, 1, 1)
    return image


def test_lime_divides_each_region_by_its_brightest_channel_to_the_power_gamma() -> None:
    # The step of 0.76 is kept but for 1 / (1 + weight); so each half is divided by its own level.
    output = create_enhancer("lime(strength=0.0001)")(halves())
    by_hand = [0.04**0.2, 0.02 / 0.04**0.8, 0.02 / 0.04**0.8]
    assert output[0, :, 20, 10].tolist() == pytest.approx(by_hand, rel=1e-2)
    assert output[0, :, 20, 50].tolist() == pytest.approx([0.5 / 0.8**0.8, 0.8**0.2, 0.6 / 0.8**0.8], rel=1e-2)


def test_a_gamma_of_zero_leaves_the_image() -> None:
    torch.testing.assert_close(create_enhancer("lime(gamma=0)")(halves()), halves(), rtol=0, atol=1e-6)


def test_lime_brightens_and_keeps_the_ratios_of_the_channels() -> None:
    image = torch.rand(1, 3, 30, 40, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.01
    output = create_enhancer("lime(gamma=0.5)")(image)
    unclipped = (output < 1).all(dim=1)
    assert unclipped.float().mean() > 0.9
    assert (output >= image).all()
    torch.testing.assert_close((output[:, 0] / output[:, 1])[unclipped], (image[:, 0] / image[:, 1])[unclipped])


def test_dual_brightens_the_dark_and_darkens_the_burnt() -> None:
    image = halves()
    image[..., 30:] = image[..., 30:] * 0.1 + 0.88
    output = create_enhancer("dual")(image)
    assert (output[..., :30].mean(dim=(2, 3)) > image[..., :30].mean(dim=(2, 3))).all()
    assert (output[..., 30:].mean(dim=(2, 3)) < image[..., 30:].mean(dim=(2, 3))).all()


def test_dual_on_grey_is_the_mean_of_its_three_exposures() -> None:
    # Grey has no saturation, hence no weight in any exposure, and equal shares.
    levels = torch.full((1, 3, 16, 16), 0.2)
    expected = (0.2 + 0.2**0.4 + (1 - 0.8**0.4)) / 3
    torch.testing.assert_close(create_enhancer("dual")(levels), torch.full_like(levels, expected), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("size", "reduced"),
    [((480, 640), (480, 640)), ((960, 1280), (480, 640)), ((1, 5), (1, 5)), ((1, 10**6), (1, 554256))],
)
def test_sizes_are_reduced_beyond_the_exact_ones(size: tuple[int, int], reduced: tuple[int, int]) -> None:
    assert reduced_size(*size) == reduced


def test_upsampling_takes_its_edges_from_the_guide() -> None:
    guide = np.where(np.arange(120) < 51, 0.1, 0.9)[None].repeat(90, axis=0)
    small_guide = guide.reshape(30, 3, 40, 3).mean(axis=(1, 3))
    small, whole = 0.5 * small_guide + 0.2, 0.5 * guide + 0.2
    blurred = resize(small, (90, 120), cv2.INTER_LINEAR)
    error, error_without_guide = (
        np.abs(plane - whole).max() for plane in (guided_upsampling(small, small_guide, guide), blurred)
    )
    assert error < 0.2 * error_without_guide


def test_a_large_image_has_the_map_of_its_reduction(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, columns = np.mgrid[:96, :128] / 128
    shape = 0.1 + 0.25 * rows + 0.4 * ((rows - 0.4) ** 2 + (columns - 0.5) ** 2 < 0.06)
    image = shape[..., None].repeat(3, axis=2).astype(np.float32)
    reduction = np.asarray(cv2.resize(image, (64, 48), interpolation=cv2.INTER_AREA))
    monkeypatch.setattr(illumination, "EXACT_PIXELS", 48 * 64)
    large, small = light_map(image, 0.15, 2.0), light_map(reduction, 0.15, 2.0)
    assert large.shape == (96, 128)
    assert np.abs(resize(large, (48, 64), cv2.INTER_AREA) - small).mean() < 0.005
