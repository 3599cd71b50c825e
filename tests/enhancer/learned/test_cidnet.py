"""HVI-CIDNet: its colour space by hand, its attention in NumPy, its tensors, and what is done to any size."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sgz_bench.core.errors import UserError
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.diagnostics import enhancer_spec
from sgz_bench.enhancer.learned import cidnet
from sgz_bench.enhancer.learned.cidnet import ChannelNorm, CidNetwork, CrossAttention, Down, GatedLayer, Up
from sgz_bench.enhancer.learned.hvi import HviTransform


def picture(height: int, width: int, channels: int = 3) -> Tensor:
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(height * width))


def colour(*channels: float) -> Tensor:
    return torch.tensor(channels).view(1, -1, 1, 1)


@pytest.fixture
def space() -> HviTransform:
    return HviTransform().requires_grad_(False)


@pytest.fixture(scope="module")
def random(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("cidnet") / "random.pth"
    torch.save(CidNetwork().state_dict(), path)
    return path


def identity(folder: Path) -> Path:
    """Weights of 0, so that the network adds nothing to the image in its colour space."""
    state = {name: torch.zeros_like(tensor) for name, tensor in CidNetwork().state_dict().items()}
    torch.save(state | {"trans.density_k": torch.tensor([0.2])}, folder / "zero.pth")
    return folder / "zero.pth"


HALF_ROOT_3 = math.sqrt(3) / 2


@pytest.mark.parametrize(
    ("rgb", "hvi"),
    [
        ((0, 0, 0), (0, 0, 0)),
        ((1, 1, 1), (0, 0, 1)),
        ((0.5, 0.5, 0.5), (0, 0, 0.5)),
        ((1, 0, 0), (1, 0, 1)),
        ((1, 1, 0), (0.5, HALF_ROOT_3, 1)),
        ((0, 1, 0), (-0.5, HALF_ROOT_3, 1)),
        ((0, 1, 1), (-1, 0, 1)),
        ((0, 0, 1), (-0.5, -HALF_ROOT_3, 1)),
        ((1, 0, 1), (0.5, -HALF_ROOT_3, 1)),
        # sin(π/6) = 1/2; saturation 3/4
        ((1 / 3, 1 / 12, 1 / 12), (0.75 * 0.5**0.2, 0, 1 / 3)),
    ],
)
def test_colours_lie_where_they_do_by_hand(space: HviTransform, rgb: tuple[float, ...], hvi: tuple[float, ...]) -> None:
    assert space(colour(*rgb)).flatten().tolist() == pytest.approx(hvi, abs=1e-6)
    back = space.inverse(colour(*hvi)).flatten().tolist()
    assert back == pytest.approx(rgb, abs=1.1e-4)  # of grey, the inverse's saturation is the root of ε


@pytest.mark.parametrize("k", [0.1, 0.2, 1.0])
def test_every_colour_comes_back(space: HviTransform, k: float) -> None:
    space.density_k.fill_(k)
    image = picture(40, 50).mul(255).round().div(255)
    torch.testing.assert_close(space.inverse(space(image)), image, rtol=0, atol=1.1e-4)


def test_the_darker_the_closer_together_and_the_more_so_the_larger_k_is(space: HviTransform) -> None:
    levels = torch.tensor([0.01, 0.1, 0.5, 1.0])
    reds = torch.stack([levels, levels / 2, levels / 2])[None, :, None]
    radii = space(reds)[0, 0, 0]
    assert (radii.diff() > 0).all()
    space.density_k.fill_(1.0)
    torch.testing.assert_close(space(reds)[0, 0, 0], (levels * math.pi / 2).sin() / 2, rtol=0, atol=1e-6)


def test_a_red_whose_hue_is_nearly_a_full_turn_stays_red(space: HviTransform) -> None:
    red = space.inverse(colour(0.5, 0.0, 0.8))
    torch.testing.assert_close(space.inverse(colour(0.5, -2e-8, 0.8)), red, rtol=0, atol=1e-6)
    assert red[0, 0].item() == pytest.approx(0.8)


def test_values_out_of_range_are_clipped(space: HviTransform) -> None:
    assert space.inverse(colour(3.0, 0.0, 2.0)).flatten().tolist() == pytest.approx([1, 0, 0], abs=1e-6)
    assert space.inverse(colour(0.4, 0.4, -1.0)).flatten().tolist() == [0, 0, 0]


def test_saturation_is_multiplied_and_no_more_than_full(space: HviTransform) -> None:
    hvi = space(colour(0.8, 0.4, 0.6))  # saturation 1/2
    assert space.inverse(hvi, 1.3).flatten().tolist() == pytest.approx([0.8, 0.8 * 0.35, 0.8 * 0.675], abs=1e-5)
    assert space.inverse(hvi, 2.5).flatten().tolist() == pytest.approx([0.8, 0, 0.4], abs=1e-5)
    assert space.inverse(hvi, 0.0).flatten().tolist() == pytest.approx([0.8, 0.8, 0.8], abs=1e-6)


def test_channels_attend_to_the_other_branchs_channels() -> None:
    torch.manual_seed(1)
    attention, norm = CrossAttention(36).requires_grad_(False), ChannelNorm(36).requires_grad_(False)
    attention.temperature.copy_(torch.tensor([0.5, 9.0]).view(2, 1, 1))
    norm.weight.uniform_(0.5, 2)
    norm.bias.uniform_(-1, 1)
    for layer in (attention.q_dwconv, attention.kv_dwconv):  # their 3×3 convolutions take the pixel itself
        layer.weight.zero_()[:, :, 1, 1] = 1
    one, other = picture(3, 5, 36), picture(5, 3, 36).mT.contiguous()

    def normed(maps: Tensor) -> np.ndarray:
        pixels = maps[0].numpy().astype(np.float64)
        scaled = (pixels - pixels.mean(axis=0)) / np.sqrt(pixels.var(axis=0) + 1e-6)
        return np.asarray(scaled * norm.weight.numpy()[:, None, None] + norm.bias.numpy()[:, None, None])

    def mix(layer: torch.nn.Conv2d, pixels: np.ndarray) -> np.ndarray:
        return np.asarray(np.tensordot(layer.weight.numpy()[:, :, 0, 0], pixels, axes=1))

    query, (key, value) = mix(attention.q, normed(one)), np.split(mix(attention.kv, normed(other)), 2)
    expected = np.zeros((36, 3, 5))
    for head, temperature in enumerate((0.5, 9.0)):
        channels = range(18 * head, 18 * head + 18)
        for mine in channels:
            cosines = [
                (query[mine] * key[its]).sum() / math.sqrt((query[mine] ** 2).sum() * (key[its] ** 2).sum())
                for its in channels
            ]
            shares = np.exp(temperature * np.array(cosines))
            expected[mine] = np.tensordot(shares / shares.sum(), value[list(channels)], axes=1)
    found = attention(one, other, norm)[0].numpy()
    np.testing.assert_allclose(found, mix(attention.project_out, expected), rtol=0, atol=1e-5)


def test_a_gated_layer_multiplies_its_branches() -> None:
    layer = GatedLayer(36).requires_grad_(False)
    assert layer.dwconv1.out_channels == 95
    for weight in layer.parameters():
        weight.zero_()
    layer.project_in.weight[[0, 95], [0, 1], 0, 0] = 1.0  # the first channel of each branch
    for convolution, factor in ((layer.dwconv, 1.0), (layer.dwconv1, 2.0), (layer.dwconv2, -1.0)):
        convolution.weight[:, 0, 1, 1] = factor
    layer.project_out.weight[4, 0] = 10.0
    features = torch.zeros(1, 36, 1, 1)
    features[0, :2, 0, 0] = torch.tensor([0.3, 0.7])
    expected = torch.zeros(36)
    expected[4] = 10 * (math.tanh(0.6) + 0.3) * (math.tanh(-0.7) + 0.7)
    torch.testing.assert_close(layer(features).flatten(), expected)


def test_scales_are_halved_and_doubled_with_aligned_corners() -> None:
    down, up = Down(36, 72).requires_grad_(False), Up(72, 36).requires_grad_(False)
    for name, tensor in (*down.named_parameters(), *up.named_parameters()):
        if name != "prelu.weight":
            tensor.zero_()
            tensor[0, 0, tensor.shape[-1] // 2, tensor.shape[-1] // 2] = 1.0
    up.up.weight[0, 36] = 10.0  # the first of the skip's channels
    ramp = torch.arange(8.0).expand(1, 36, 4, 8)
    half = down(ramp)
    torch.testing.assert_close(half[0, 0, 1], torch.tensor([0, 7 / 3, 14 / 3, 7]))
    doubled = up(half, ramp)
    torch.testing.assert_close(doubled[0, 0, 3], 11 * torch.arange(8.0))
    torch.testing.assert_close(down(-ramp)[0, 0, 0], -0.25 * half[0, 0, 0])  # PReLU


def test_the_network_has_upstreams_parameters() -> None:
    assert sum(tensor.numel() for tensor in CidNetwork().parameters()) == 1_975_569


def test_all_parameters_count_but_those_of_the_intensitys_fifth_attention(random: Path) -> None:
    enhancer = create_enhancer(f"cidnet(weights={random})")
    enhanced = enhancer.requires_grad_(True).enhance(picture(24, 32))
    parameters = dict(enhancer.named_parameters())
    gradients = torch.autograd.grad(enhanced.sum(), list(parameters.values()), allow_unused=True)
    idle = {name for name, gradient in zip(parameters, gradients, strict=True) if gradient is None}
    assert idle == {name for name in parameters if name.startswith("network.I_LCA5.")}
    assert sum(parameters[name].numel() for name in idle) == 70_960


def test_without_anything_added_the_image_comes_back(tmp_path: Path) -> None:
    image = picture(11, 17)
    found = create_enhancer(f"cidnet(weights={identity(tmp_path)})")(image)
    torch.testing.assert_close(found, image, rtol=0, atol=1.1e-4)


def test_the_factors_of_upstreams_evaluation_are_applied(tmp_path: Path) -> None:
    enhancer = create_enhancer(f"cidnet(weights={identity(tmp_path)},saturation=1.3,intensity=0.5)")
    image = colour(0.8, 0.4, 0.6).expand(1, 3, 8, 9)
    assert enhancer(image)[0, :, 7, 8].tolist() == pytest.approx([0.4, 0.4 * 0.35, 0.4 * 0.675], abs=1e-5)


@pytest.mark.parametrize(
    ("height", "width", "mode"), [(20, 13, "reflect"), (16, 9, "reflect"), (16, 4, "edge"), (3, 16, "edge")]
)
def test_sides_are_filled_to_multiples_of_8_and_cut_back(random: Path, height: int, width: int, mode: str) -> None:
    image = picture(height, width)
    pads = [(0, 0), (0, 0), (0, -height % 8), (0, -width % 8)]
    padded = torch.from_numpy(np.pad(image.numpy(), pads, mode=mode))  # type: ignore[call-overload]
    enhancer = create_enhancer(f"cidnet(weights={random})")
    torch.testing.assert_close(enhancer(image), enhancer(padded)[..., :height, :width], rtol=0, atol=1e-6)


def test_bands_leave_no_trace(random: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enhancer, image = create_enhancer(f"cidnet(weights={random})"), picture(64, 40)
    whole = enhancer(image)
    monkeypatch.setattr(cidnet, "BAND", 100)
    torch.testing.assert_close(enhancer(image), whole, rtol=0, atol=1e-5)


def test_the_finest_maps_are_of_the_image_with_its_border_repeated(random: Path) -> None:
    network = create_enhancer(f"cidnet(weights={random})").get_submodule("network")
    assert isinstance(network, CidNetwork)
    hvi = picture(8, 8)
    bordered = torch.from_numpy(np.pad(hvi, [(0, 0), (0, 0), (1, 1), (1, 1)], mode="edge"))
    with torch.inference_mode():
        maps = functional.conv2d(bordered, network.state_dict()["HVE_block0.1.weight"])
        expected, found = network.HVE_block1(maps), network.HVE_block1(hvi, stem=network.HVE_block0)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_a_file_is_known_by_its_exponent(random: Path) -> None:
    assert enhancer_spec(str(random)) == f"cidnet(weights={random})"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("cidnet", r"no weights of cidnet go by a name; write cidnet\(weights=PATH\)"),
        ("cidnet(weights={random},saturation=3)", "saturation must be a number from 0 to 2, got 3"),
        ("cidnet(weights={random},intensity=-1)", "intensity must be a number from 0 to 2, got -1"),
    ],
)
def test_a_wrong_spec_says_what_to_write(spec: str, message: str, random: Path) -> None:
    with pytest.raises(UserError, match=message):
        create_enhancer(spec.format(random=random))
