"""SGZ at any scale and size: where it is upstream's computation, and what padding does elsewhere."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.bands import in_bands
from sgz_bench.enhancer.learned import zero_dce
from sgz_bench.enhancer.learned.zero_dce import ZeroDceNetwork
from sgz_bench.enhancer.sgz import enhancer as sgz
from sgz_bench.enhancer.sgz.curve import apply_curve
from sgz_bench.enhancer.sgz.network import FactorNetwork, factor_map


@pytest.fixture(scope="module")
def network() -> FactorNetwork:
    """Random weights, large enough that the factor map varies over the image."""
    generator = torch.Generator().manual_seed(7)
    network = FactorNetwork().requires_grad_(False)
    for tensor in network.parameters():
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.3)
    return network


def noise(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height * width))


@pytest.mark.parametrize("scale", [2, 5, 12])
def test_a_size_that_divides_is_upstreams_computation_without_padding(network: FactorNetwork, scale: int) -> None:
    image = noise(2 * scale, 3 * scale)
    small = nn.functional.interpolate(image, scale_factor=1 / scale, mode="bilinear")
    expected = nn.UpsamplingBilinear2d(scale_factor=scale)(network(small))
    torch.testing.assert_close(factor_map(network, image, scale), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [49, 98, 103])
def test_scales_whose_reciprocal_rounds_down_lose_no_row(network: FactorNetwork, scale: int) -> None:
    assert int(scale * (1 / scale)) == 0  # what a scale factor would make of the height
    image = noise(scale, 2 * scale)
    assert factor_map(network, image, scale).shape == image.shape


def test_any_other_size_is_its_edge_repeated_and_the_map_cut_back(network: FactorNetwork) -> None:
    image = noise(25, 31)
    rows, columns = np.minimum(np.arange(36), 24), np.minimum(np.arange(36), 30)
    by_hand = image[:, :, rows][:, :, :, columns]
    assert torch.equal(factor_map(network, image, 12), factor_map(network, by_hand, 12)[..., :25, :31])


def test_an_image_smaller_than_the_scale_is_one_pixel_of_it(network: FactorNetwork) -> None:
    image = torch.full((1, 3, 1, 1), 0.2)
    torch.testing.assert_close(factor_map(network, image, 12), network(image))


@pytest.mark.parametrize(
    ("module", "name", "kind"), [(sgz, "sgz", FactorNetwork), (zero_dce, "zero-dce", ZeroDceNetwork)]
)
def test_the_map_of_a_large_image_is_made_in_bands_that_leave_no_trace(
    module: ModuleType, name: str, kind: type[nn.Module], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    torch.save({key: 2 * tensor for key, tensor in kind().state_dict().items()}, tmp_path / "random.pth")
    enhancer = create_enhancer(f"{name}(weights={tmp_path / 'random.pth'},scale=1)")
    image = noise(80, 20)
    whole = enhancer(image)
    heights: list[int] = []
    enhancer.get_submodule("network").register_forward_pre_hook(lambda _net, given: heights.append(given[0].shape[-2]))
    monkeypatch.setattr(module, "in_bands", partial(in_bands, pixels=200))
    torch.testing.assert_close(enhancer(image), whole, rtol=0, atol=1e-5)
    assert heights == [17, *[24] * 6, 17]


def test_a_factor_of_minus_one_is_a_power_in_closed_form() -> None:
    # With r = −1 a step is x ← 2x − x², that is 1 − x ← (1 − x)²; eight steps raise 1 − x to the power 256.
    x = noise(9, 9) * 0.02
    torch.testing.assert_close(apply_curve(x, torch.tensor(-1.0)), 1 - (1 - x) ** 256, rtol=0, atol=1e-5)
