"""Multi-scale retinex against convolution by hand, and its stretch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.classical.retinex import stretch, surround


def levels(height: int = 60, width: int = 45, channels: int = 3, seed: int = 0) -> NDArray[np.float64]:
    return 1 + 255 * np.random.default_rng(seed).random((height, width, channels)) ** 3


def blurred(plane: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Direct convolution with a sampled Gaussian, mirrored at the edges."""
    return np.asarray(gaussian_filter(plane, sigma, mode="reflect", truncate=6))


def retinex(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.mean([np.log(plane) - np.log(blurred(plane, sigma)) for sigma in (15, 80, 250)], axis=0))


def by_hand(planes: list[NDArray[np.float64]], clip: float) -> NDArray[np.float64]:
    stretched = []
    for plane in planes:
        ordered = np.sort(plane.ravel())
        low, high = (
            np.interp(share * (ordered.size - 1), np.arange(ordered.size), ordered) for share in (clip, 1 - clip)
        )
        stretched.append(np.clip((plane - low) / (high - low), 0, 1))
    return np.stack(stretched)


def tensor(picture: NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy((picture - 1) / 255).permute(2, 0, 1)[None].float()


@pytest.mark.parametrize("sigma", [2.0, 15.0, 80.0])
@pytest.mark.parametrize("size", [(60, 45), (1, 37), (50, 1)])
def test_the_surround_is_a_convolution_with_a_gaussian(sigma: float, size: tuple[int, int]) -> None:
    plane = levels(*size)[..., 0]
    (found,) = surround(plane.astype(np.float32), (sigma,))
    np.testing.assert_allclose(found, blurred(plane, sigma), rtol=1e-4)


def test_msr_is_the_mean_over_three_scales_stretched() -> None:
    picture = levels(900, 8)  # long enough for the widest scale to tell the ends apart
    picture[:450] = 1 + (picture[:450] - 1) / 10
    output = create_enhancer("msr(clip=2)")(tensor(picture))[0].numpy()
    expected = by_hand([retinex(picture[..., channel]) for channel in range(3)], 0.02)
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-4)


def test_msrcr_with_all_constants_of_the_paper_is_the_same_after_the_stretch() -> None:
    picture = levels(seed=1)
    total = picture.sum(axis=2)
    planes = []
    for channel in range(3):
        x = picture[..., channel]
        restoration = 46 * (np.log10(125 * x) - np.log10(total))
        planes.append(192 * (restoration * retinex(x) / np.log(10) - 30))
    output = create_enhancer("msrcr")(tensor(picture))[0].numpy()
    np.testing.assert_allclose(output, by_hand(planes, 0.01), rtol=0, atol=1e-4)


def test_the_stretch_cuts_its_share_at_both_ends() -> None:
    plane = np.random.default_rng(0).normal(size=(100, 100)).astype(np.float32)
    stretched = stretch(plane, 5, plane)
    assert (stretched == 0).mean() == pytest.approx(0.05, abs=0.001)
    assert (stretched == 1).mean() == pytest.approx(0.05, abs=0.001)


@pytest.mark.parametrize("name", ["msr", "msrcr"])
def test_a_flat_image_has_nothing_to_stretch(name: str) -> None:
    flat = torch.tensor([0.1, 0.2, 0.05]).view(1, 3, 1, 1).expand(1, 3, 50, 70)
    assert torch.equal(create_enhancer(name)(flat), flat)


def test_a_shadow_across_the_image_is_mostly_taken_away() -> None:
    texture = np.random.default_rng(3).uniform(20, 30, (200, 300, 1)).repeat(3, axis=2)
    texture[:, 150:] *= 8
    before, after = tensor(texture)[0, 0], create_enhancer("msr")(tensor(texture))[0, 0]
    assert before[:, 200:].mean() / before[:, :100].mean() > 7
    assert after[:, 200:].mean() / after[:, :100].mean() < 2.5
