"""PairLIE against what upstream's code returned, and against arithmetic by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import to_tensor
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.bands import in_bands
from sgz_bench.enhancer.learned.pairlie import PairLieNetwork


@pytest.fixture(scope="module")
def random(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("pairlie") / "random.pth"
    torch.save(PairLieNetwork().state_dict(), path)
    return path


@pytest.mark.assets
def test_upstreams_checkpoint_gives_upstreams_output(assets: Path) -> None:
    reference = np.load(assets / "reference" / "enhancer_outputs.npz")
    enhancer = create_enhancer(f"pairlie(weights={assets / 'weights' / 'pairlie.pth'})")
    with torch.inference_mode():
        found = enhancer.enhance(to_tensor(reference["input_uint8"]))[0].numpy()
    np.testing.assert_allclose(found, reference["pairlie_alpha0.2"], rtol=0, atol=1e-5)


def test_the_network_has_upstreams_parameters() -> None:
    assert sum(tensor.numel() for tensor in PairLieNetwork().parameters()) == 341_767


@pytest.mark.parametrize("exponent", [0.0, 0.14, 1.0])
def test_reflectance_is_lit_by_a_power_of_the_illumination(tmp_path: Path, exponent: float) -> None:
    def logit(level: float) -> float:
        return math.log(level / (1 - level))

    state = {name: torch.zeros_like(tensor) for name, tensor in PairLieNetwork().state_dict().items()}
    state["L_net.L_net.13.bias"] += logit(0.04)
    state["R_net.R_net.13.bias"] = torch.tensor([logit(level) for level in (0.2, 0.5, 0.9)])
    torch.save(state, tmp_path / "flat.pth")
    enhancer = create_enhancer(f"pairlie(weights={tmp_path / 'flat.pth'},exponent={exponent})")
    expected = [0.04**exponent * level for level in (0.2, 0.5, 0.9)]
    assert enhancer(torch.zeros(1, 3, 4, 4))[0, :, 1, 2].tolist() == pytest.approx(expected, abs=1e-6)


def test_bands_leave_no_trace() -> None:
    torch.manual_seed(0)
    network = PairLieNetwork().requires_grad_(False)
    image = torch.rand(1, 3, 50, 8)
    found = in_bands(network, image, PairLieNetwork.REACH, pixels=100)
    torch.testing.assert_close(found, network(image), rtol=0, atol=1e-6)


def test_a_single_row_is_what_two_equal_rows_are(random: Path) -> None:
    enhancer = create_enhancer(f"pairlie(weights={random})")
    row = torch.rand(1, 3, 1, 9, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(enhancer(row), enhancer(row.repeat(1, 1, 2, 1))[..., :1, :], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("pairlie(weights={random},exponent=2)", "exponent must be a number from 0 to 1, got 2"),
    ],
)
def test_a_wrong_spec_says_what_to_write(spec: str, message: str, random: Path) -> None:
    with pytest.raises(UserError, match=message):
        create_enhancer(spec.format(random=random))
