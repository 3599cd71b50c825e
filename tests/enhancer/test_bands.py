"""Bands against the whole picture in one go."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sgz_bench.enhancer.bands import in_bands


def picture(height: int, width: int, batch: int = 1) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(height * width))


def test_three_convolutions_in_bands_are_three_convolutions() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))).requires_grad_(False)
    image = picture(23, 10, batch=2)
    torch.testing.assert_close(in_bands(network, image, 3, pixels=40), network(image), rtol=0, atol=1e-6)


def test_extra_inputs_come_in_the_same_bands() -> None:
    image, other = picture(23, 10, batch=2), picture(10, 23, batch=2).mT
    found = in_bands(lambda one, two: one - two, image, 1, pixels=40, extra=(other,))
    assert torch.equal(found, image - other)


@pytest.mark.parametrize("height", [16, 21, 40])
def test_bands_begin_where_a_stride_does(height: int) -> None:
    torch.manual_seed(0)
    down, up = nn.Conv2d(3, 3, 3, stride=4, padding=1), nn.Upsample(scale_factor=4)

    def network(image: Tensor) -> Tensor:
        return up(down(image))[..., : image.shape[-2], : image.shape[-1]].detach()

    image = picture(height, 9)
    found = in_bands(network, image, margin=5, step=4, pixels=1)
    torch.testing.assert_close(found, network(image), rtol=0, atol=1e-6)


def test_no_band_is_larger_than_asked_but_for_its_margins() -> None:
    heights: list[int] = []

    def network(image: Tensor) -> Tensor:
        heights.append(image.shape[-2])
        return image

    image = picture(100, 10, batch=2)
    assert torch.equal(in_bands(network, image, margin=2, pixels=200), image)
    assert heights == [22, 24, 24, 24, 22] * 2
