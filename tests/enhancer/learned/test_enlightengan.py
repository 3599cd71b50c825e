"""EnlightenGAN's generator: its tensors, its formula, and what is done to sizes that do not suit it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sgz_bench.core.errors import UserError
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.learned.enlightengan import EnlightenGanNetwork


def picture(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height * width))


def saved(state: dict[str, Tensor], folder: Path) -> str:
    torch.save(state, folder / "generator.pth")
    return f"enlightengan(weights={folder / 'generator.pth'})"


@pytest.fixture(scope="module")
def random(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    return saved(EnlightenGanNetwork().state_dict(), tmp_path_factory.mktemp("enlightengan"))


@pytest.fixture
def constant(tmp_path: Path) -> str:
    """Weights of 0, so that the residual is the last bias before it is weighted."""
    state = {name: torch.zeros_like(tensor) for name, tensor in EnlightenGanNetwork().state_dict().items()}
    return saved(state | {"conv10.bias": torch.tensor([0.2, 0.4, -0.4])}, tmp_path)


def network_of(spec: str) -> torch.nn.Module:
    return create_enhancer(spec).get_submodule("network")


def test_the_network_has_upstreams_parameters() -> None:
    assert sum(tensor.numel() for tensor in EnlightenGanNetwork().parameters()) == 8_636_675


def test_a_residual_is_weighted_by_how_dark_a_pixel_is(constant: str) -> None:
    colour = [0.1, 0.3, 0.6]
    darkness = 1 - (0.299 * 0.1 + 0.587 * 0.3 + 0.114 * 0.6)
    # Upstream works on [-1, 1], where the same residual is half as much of the range.
    expected = [0.1 + 0.1 * darkness, 0.3 + 0.2 * darkness, 0.6 - 0.2 * darkness]
    image = torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, 20, 17)
    assert create_enhancer(constant)(image)[0, :, 19, 0].tolist() == pytest.approx(expected, abs=1e-6)


def test_coarse_scales_attend_to_the_darkest_pixel_they_cover(random: str) -> None:
    network = network_of(random)
    seen: list[Tensor] = []
    network.get_submodule("conv5_2").register_forward_hook(lambda _layer, given, _out: seen.append(given[0]))
    before: list[Tensor] = []
    network.get_submodule("bn5_1").register_forward_hook(lambda _layer, _given, out: before.append(out))
    image = picture(32, 16)
    with torch.inference_mode():
        network(image)
    luma = (image * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(dim=1)
    darkest = torch.stack([1 - luma[:, rows].amin(dim=(1, 2)) for rows in (slice(0, 16), slice(16, 32))], dim=1)
    torch.testing.assert_close(seen[0], before[0] * darkest.view(1, 1, 2, 1), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(37, 48), (32, 9), (6, 21)])
def test_sides_are_reflected_to_multiples_of_16_and_cut_back(random: str, height: int, width: int) -> None:
    image = picture(height, width)
    pads = [((-side % 16) // 2, -side % 16 - (-side % 16) // 2) for side in (height, width)]
    padded = torch.from_numpy(np.pad(image.numpy(), [(0, 0), (0, 0), *pads], mode="reflect"))
    with torch.inference_mode():
        whole = padded + network_of(random)(padded)
    expected = whole[..., pads[0][0] :, pads[1][0] :][..., :height, :width].clamp(0, 1)
    torch.testing.assert_close(create_enhancer(random)(image), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("width", [2202, 2203])
def test_a_wide_image_is_halved_and_enlarged(constant: str, width: int) -> None:
    ramp = torch.linspace(0, 1, width).expand(1, 3, 5, width)
    found = create_enhancer(constant)(ramp)
    assert found.shape == ramp.shape
    expected = ramp[0, 1, 2] + 0.2 * (1 - ramp[0, 1, 2])
    torch.testing.assert_close(found[0, 1, 2], expected, rtol=0, atol=1e-3)  # half a pixel of the ramp, about
    assert found[0, 1, 2, 1] != pytest.approx(expected[1].item(), abs=1e-7)


def test_files_from_before_batches_were_counted_load(random: str, tmp_path: Path) -> None:
    state = network_of(random).state_dict()
    old = {f"module.{name}": tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    assert len(old) < len(state)
    assert create_enhancer(saved(old, tmp_path)).fingerprint == create_enhancer(random).fingerprint


def test_without_weights_the_error_says_what_to_write() -> None:
    with pytest.raises(UserError, match=r"no weights of enlightengan go by a name; write enlightengan\(weights=PATH\)"):
        create_enhancer("enlightengan")
