"""RUAS against the paper's formulas, computed pixel by pixel."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from sgz_bench.core.images import to_tensor
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.bands import in_bands
from sgz_bench.enhancer.learned.ruas import ILLUMINATION, NOISE, Cell, EnhanceNet, RuasNetwork


def leaky(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, 0.05 * values)


def picture(height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height * width)) * 0.4


@pytest.mark.assets
@pytest.mark.parametrize("kind", ["lol", "upe", "dark"])
def test_upstreams_checkpoints_load_and_darken_no_pixel(assets: Path, kind: str) -> None:
    image = to_tensor(np.load(assets / "reference" / "enhancer_outputs.npz")["input_uint8"])
    lit = create_enhancer(f"ruas(weights={assets / 'weights' / f'ruas_{kind}.pt'})")(image)
    assert (lit >= image).all()  # divided by an illumination of at most 1
    assert lit.mean() > 1.5 * image.mean()


@pytest.mark.assets
def test_the_noise_of_lols_checkpoint_is_subtracted_where_asked(assets: Path) -> None:
    image = to_tensor(np.load(assets / "reference" / "enhancer_outputs.npz")["input_uint8"])
    weights = assets / "weights" / "ruas_lol.pt"
    lit, clean = (create_enhancer(f"ruas(weights={weights},denoise={flag})")(image) for flag in ("false", "true"))

    def roughness(pixels: torch.Tensor) -> float:
        return float(pixels.diff(dim=-1).abs().mean() + pixels.diff(dim=-2).abs().mean())

    assert roughness(clean) < roughness(lit)


def test_the_network_has_the_papers_parameters() -> None:
    assert sum(tensor.numel() for tensor in RuasNetwork().parameters()) == 3_438


def test_three_stages_divide_by_what_their_warm_start_gives() -> None:
    network = EnhanceNet().requires_grad_(False)
    for tensor in network.parameters():
        tensor.zero_()
    for stage in network.iems:  # the cell hands its input on, so that an illumination is the sigmoid of its start
        stage.get_submodule("cell.c5").get_parameter("weight")[:, :3, 0, 0] = torch.eye(3)
    image = picture(4, 5)
    y = image[0].double().numpy()
    x = y
    for stage in range(3):
        lit = np.empty_like(y)
        for channel, row, column in np.ndindex(y.shape):
            start = x[channel, row : row + 2, column : column + 2].max()
            if stage:
                start -= 0.5 * (x[channel, row, column] - y[channel, row, column])
            start = float(leaky(np.array(start)))
            lit[channel, row, column] = min(y[channel, row, column] * (1 + math.exp(-start)), 1)
        x = lit
    np.testing.assert_allclose(network(image)[0].numpy(), x, atol=1e-6)


@pytest.mark.parametrize(("operations", "width"), [(ILLUMINATION, 3), (NOISE, 6)])
def test_a_cell_distils_three_times(operations: dict[str, object], width: int) -> None:
    torch.manual_seed(0)
    cell = Cell(width, operations).double().requires_grad_(False)  # type: ignore[arg-type]
    pixel = np.random.default_rng(0).normal(size=width)
    state = {name: tensor.numpy() for name, tensor in cell.state_dict().items()}
    # What upstream's genotypes chose; a lone pixel sees a convolution's centre alone.
    residual = {"c1_r", "c2_d"} if width == 3 else {"c1_d", "c1_r", "c2_d", "c3_d", "c3_r"}

    def apply(place: str, x: np.ndarray) -> np.ndarray:
        if f"{place}.op.weight" not in state:
            return x
        kernel = state[f"{place}.op.weight"]
        out = kernel[:, :, kernel.shape[2] // 2, kernel.shape[3] // 2] @ x + state[f"{place}.op.bias"]
        return np.asarray(out + x if place in residual else out)

    d1, r1 = leaky(apply("c1_d", pixel)), leaky(apply("c1_r", pixel) + pixel)
    d2, r2 = leaky(apply("c2_d", r1)), leaky(apply("c2_r", r1) + r1)
    d3, r3 = leaky(apply("c3_d", r2)), leaky(apply("c3_r", r2) + r2)
    joined = np.concatenate([d1, d2, d3, leaky(apply("c4", r3))])
    expected = state["c5.weight"][:, :, 0, 0] @ joined + state["c5.bias"]
    found = cell(torch.from_numpy(pixel).view(1, width, 1, 1)).flatten().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_dilated_convolution_looks_two_pixels_away() -> None:
    cell = Cell(3, ILLUMINATION).requires_grad_(False)
    image = torch.zeros(1, 3, 9, 9)
    image[0, 0, 4, 4] = 1
    seen = (cell.get_submodule("c2_d.op")(image) != cell.get_submodule("c2_d.op")(0 * image)).any(dim=1)[0]
    assert seen.nonzero().tolist() == [[row, column] for row in (2, 4, 6) for column in (2, 4, 6)]


@pytest.mark.parametrize("denoise", [False, True])
def test_bands_leave_no_trace(denoise: bool) -> None:
    torch.manual_seed(0)
    network = RuasNetwork().requires_grad_(False)
    image = picture(70, 6)
    found = in_bands(lambda band: network(band, denoise), image, RuasNetwork.REACH, pixels=60)
    torch.testing.assert_close(found, network(image, denoise), rtol=0, atol=1e-6)
