"""Zero-DCE and Zero-DCE++ against what upstream's code returned with upstream's checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from sgz_bench.core.images import to_tensor
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.checkpoint import metadata_of
from sgz_bench.enhancer.learned.zero_dce import ZeroDceNetwork
from sgz_bench.enhancer.sgz.curve import apply_curve
from sgz_bench.enhancer.sgz.network import FactorNetwork


def image(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height * width))


@pytest.mark.assets
@pytest.mark.parametrize(
    ("name", "file", "expected"),
    [
        ("zero-dce", "zero_dce_official.pth", "zero_dce"),
        ("zero-dce-pp", "zero_dce_pp_official.pth", "zero_dce_pp_scale12"),
    ],
)
def test_upstreams_checkpoint_gives_upstreams_output(assets: Path, name: str, file: str, expected: str) -> None:
    reference = np.load(assets / "reference" / "enhancer_outputs.npz")
    enhancer = create_enhancer(f"{name}(weights={assets / 'weights' / file})")
    found = enhancer(to_tensor(reference["input_uint8"]))[0].numpy()
    np.testing.assert_allclose(found, reference[expected].clip(0, 1), rtol=0, atol=1e-4)


def test_the_network_has_the_papers_parameters_and_one_map_a_step() -> None:
    network = ZeroDceNetwork()
    assert sum(tensor.numel() for tensor in network.parameters()) == 79_416
    assert network(image(7, 9)).shape == (1, 24, 7, 9)


def test_each_step_takes_its_own_three_channels() -> None:
    generator = torch.Generator().manual_seed(0)
    factors = torch.rand(1, 24, 1, 1, generator=generator, dtype=torch.float64) * 2 - 1
    expected = [0.2, 0.5, 0.7]
    for step in range(8):
        for channel in range(3):
            x = expected[channel]
            expected[channel] = x + float(factors[0, 3 * step + channel]) * (x * x - x)
    start = torch.tensor([0.2, 0.5, 0.7], dtype=torch.float64).view(1, 3, 1, 1)
    assert apply_curve(start, factors).flatten().tolist() == pytest.approx(expected, abs=1e-12)


def test_a_scale_estimates_the_maps_on_a_smaller_image(tmp_path: Path) -> None:
    network = ZeroDceNetwork()
    torch.save(network.state_dict(), tmp_path / "random.pth")
    enhancer = create_enhancer(f"zero-dce(weights={tmp_path / 'random.pth'},scale=2)")
    picture = image(8, 12)
    small = torch.nn.functional.avg_pool2d(picture, 2)  # what bilinear halving is
    maps = torch.nn.UpsamplingBilinear2d(scale_factor=2)(network(small)).detach()
    torch.testing.assert_close(enhancer(picture), apply_curve(picture, maps).clamp(0, 1), rtol=0, atol=1e-6)
    whole = create_enhancer(f"zero-dce(weights={tmp_path / 'random.pth'})")
    assert whole.params["scale"] == 1


def test_zero_dce_pp_takes_the_scale_that_a_file_notes_else_12(tmp_path: Path) -> None:
    state = FactorNetwork().state_dict()
    save_file(state, tmp_path / "plain.safetensors")
    save_file(state, tmp_path / "noted.safetensors", metadata_of({"scale": 4}))
    for name, scale in (("plain", 12), ("noted", 4)):
        assert create_enhancer(f"zero-dce-pp(weights={tmp_path / name}.safetensors)").params["scale"] == scale
    assert create_enhancer(f"zero-dce-pp(weights={tmp_path / 'noted'}.safetensors,scale=1)").params["scale"] == 1
