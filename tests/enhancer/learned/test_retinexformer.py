"""Retinexformer: its tensors, its attention computed by hand, and what is done to sizes that do not suit it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate
from scipy.special import erf
from torch import Tensor, nn

from sgz_bench.core.errors import UserError
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.diagnostics import enhancer_spec
from sgz_bench.enhancer.learned import retinexformer
from sgz_bench.enhancer.learned.retinexformer import FeedForward, GuidedAttention, GuidedBlocks, RetinexformerNetwork


def picture(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height * width))


def shaken(module: nn.Module) -> nn.Module:
    """The module with weights of 0.1 about, so that attention is not even and no bias is 0."""
    generator = torch.Generator().manual_seed(0)
    for tensor in module.requires_grad_(False).parameters():
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.1)
    return module


@pytest.fixture(scope="module")
def random(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("retinexformer") / "random.pth"
    torch.save({"params": shaken(RetinexformerNetwork()).state_dict()}, path)
    return f"retinexformer(weights={path})"


def network_of(spec: str) -> nn.Module:
    return create_enhancer(spec).get_submodule("network")


def test_the_network_has_upstreams_parameters_under_upstreams_names() -> None:
    estimator = {f"{layer}.{kind}" for layer in ("conv1", "depth_conv", "conv2") for kind in ("weight", "bias")}
    attention = {"to_q.weight", "to_k.weight", "to_v.weight", "rescale", "proj.weight", "proj.bias"}
    attention |= {"pos_emb.0.weight", "pos_emb.2.weight"}
    feed_forward = {"fn.net.0.weight", "fn.net.2.weight", "fn.net.4.weight", "norm.weight", "norm.bias"}
    stacks = {"encoder_layers.0.0": 1, "encoder_layers.1.0": 2, "bottleneck": 2}
    stacks |= {"decoder_layers.0.2": 2, "decoder_layers.1.2": 1}
    denoiser = {"embedding.weight", "mapping.weight"}
    for level in (0, 1):
        denoiser |= {f"encoder_layers.{level}.{place}.weight" for place in (1, 2)}
        denoiser |= {f"decoder_layers.{level}.{name}" for name in ("0.weight", "0.bias", "1.weight")}
    for stack, blocks in stacks.items():
        for block in range(blocks):
            denoiser |= {f"{stack}.blocks.{block}.0.{name}" for name in attention}
            denoiser |= {f"{stack}.blocks.{block}.1.{name}" for name in feed_forward}
    names = {f"body.0.estimator.{name}" for name in estimator} | {f"body.0.denoiser.{name}" for name in denoiser}
    state = RetinexformerNetwork().state_dict()
    assert set(state) == names
    assert sum(tensor.numel() for tensor in state.values()) == 1_605_701  # the paper's 1.61 M


def gelu(values: np.ndarray) -> np.ndarray:
    return values * (1 + erf(values / 2**0.5)) / 2


def filtered(planes: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    pairs = zip(planes, kernels, strict=True)
    return np.stack([correlate(plane, kernel[0], mode="constant") for plane, kernel in pairs])


@pytest.mark.parametrize("band", [1 << 18, 10])
def test_channels_of_a_head_attend_to_each_other_by_their_cosine_over_all_pixels(
    band: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retinexformer, "BAND", band)
    layer = shaken(GuidedAttention(80))
    layer.get_parameter("rescale").copy_(torch.tensor([5.0, -3.0]).view(2, 1, 1))
    features, light = torch.randn(2, 1, 80, 7, 5, generator=torch.Generator().manual_seed(1))
    w = {name: tensor.double().numpy() for name, tensor in layer.state_dict().items()}
    x, lit = (maps[0].double().numpy().reshape(80, -1) for maps in (features, light))
    query, key, value = (w[f"to_{name}.weight"] @ x for name in "qkv")
    mixed = np.zeros_like(x)
    for head, rescale in ((range(40), 5.0), (range(40, 80), -3.0)):
        for out in head:
            cosines = [key[out] @ query[to] / np.linalg.norm(key[out]) / np.linalg.norm(query[to]) for to in head]
            shares = np.exp(rescale * np.array(cosines))
            mixed[out] = sum(s * value[to] * lit[to] for s, to in zip(shares / shares.sum(), head, strict=True))
    position = filtered(gelu(filtered(value.reshape(80, 7, 5), w["pos_emb.0.weight"])), w["pos_emb.2.weight"])
    expected = (w["proj.weight"] @ mixed + w["proj.bias"][:, None] + x).reshape(80, 7, 5) + position
    np.testing.assert_allclose(layer(features, light)[0].numpy(), expected, rtol=0, atol=1e-5)


def test_the_feed_forward_layer_widens_normalised_features_and_adds_what_came() -> None:
    layer = shaken(FeedForward(40))
    features = torch.randn(1, 40, 6, 5, generator=torch.Generator().manual_seed(1))
    w = {name: tensor.double().numpy() for name, tensor in layer.state_dict().items()}
    x = features[0].double().numpy()
    normed = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)
    normed = normed * w["norm.weight"][:, None, None] + w["norm.bias"][:, None, None]
    wide = gelu(np.einsum("oc,chw->ohw", w["fn.net.0.weight"][..., 0, 0], normed))
    wide = gelu(filtered(wide, w["fn.net.2.weight"]))
    expected = np.einsum("oc,chw->ohw", w["fn.net.4.weight"][..., 0, 0], wide) + x
    np.testing.assert_allclose(layer(features)[0].numpy(), expected, rtol=0, atol=1e-5)


def test_each_scale_is_guided_by_its_own_illumination(random: str) -> None:
    network = network_of(random)
    lights: list[Tensor] = []
    for module in network.modules():
        if isinstance(module, GuidedBlocks):
            module.register_forward_hook(lambda _module, given, _out: lights.append(given[1]))
    with torch.inference_mode():
        network(picture(16, 24))
    assert [tuple(light.shape[1:]) for light in lights[:3]] == [(40, 16, 24), (80, 8, 12), (160, 4, 6)]
    assert torch.equal(lights[3], lights[1])
    assert torch.equal(lights[4], lights[0])


def test_without_a_denoiser_the_image_is_lit_by_the_map(tmp_path: Path) -> None:
    state = {name: torch.zeros_like(tensor) for name, tensor in RetinexformerNetwork().state_dict().items()}
    state["body.0.estimator.conv2.bias"] = torch.tensor([0.5, 1.0, 3.0])
    torch.save(state, tmp_path / "map.pth")
    found = create_enhancer(f"retinexformer(weights={tmp_path / 'map.pth'})")(torch.full((1, 3, 5, 6), 0.2))
    assert found[0, :, 4, 5].tolist() == pytest.approx([0.3, 0.4, 0.8], abs=1e-6)


def test_features_of_the_same_scale_are_the_second_half_of_what_the_decoder_fuses(tmp_path: Path) -> None:
    state = {name: torch.zeros_like(tensor) for name, tensor in RetinexformerNetwork().state_dict().items()}
    for channel in range(3):
        state["body.0.denoiser.embedding.weight"][channel, channel, 1, 1] = 1
        state["body.0.denoiser.mapping.weight"][channel, channel, 1, 1] = 1
    state["body.0.denoiser.decoder_layers.1.1.weight"][:, 40:, 0, 0] = torch.eye(40)
    torch.save(state, tmp_path / "skip.pth")
    image = picture(8, 8) / 2
    found = create_enhancer(f"retinexformer(weights={tmp_path / 'skip.pth'})")(image)
    torch.testing.assert_close(found, 2 * image, rtol=0, atol=1e-6)  # the image, and what went past all layers


def test_bands_leave_no_trace(random: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(36, 20)
    whole = create_enhancer(random)(image)
    monkeypatch.setattr(retinexformer, "BAND", 50)
    torch.testing.assert_close(create_enhancer(random)(image), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(13, 22), (16, 4), (3, 7)])
def test_sides_are_reflected_to_multiples_of_4_and_cut_back(random: str, height: int, width: int) -> None:
    image = picture(height, width)
    padded = np.pad(image.numpy(), [(0, 0), (0, 0), (0, -height % 4), (0, -width % 4)], mode="reflect")
    with torch.inference_mode():
        expected = network_of(random)(torch.from_numpy(padded))[..., :height, :width].clamp(0, 1)
    torch.testing.assert_close(create_enhancer(random)(image), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(16, 32), (40, 16)])
def test_the_columns_of_a_large_picture_are_enhanced_in_two_halves(
    random: str, height: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retinexformer, "LARGE", 32)
    image = picture(height, width)
    found = create_enhancer(random)(image)
    with torch.inference_mode():
        for first in (0, 1):
            half = network_of(random)(image[..., first::2]).clamp(0, 1)
            torch.testing.assert_close(found[..., first::2], half, rtol=0, atol=1e-6)


def test_a_large_picture_of_any_width_keeps_it(random: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retinexformer, "LARGE", 9)
    for width in range(9, 18):
        assert create_enhancer(random)(picture(5, width)).shape == (1, 3, 5, width)


def test_a_checkpoint_is_the_same_with_and_without_what_upstream_wraps_it_in(random: str, tmp_path: Path) -> None:
    state = network_of(random).state_dict()
    for name, content in (
        ("plain", state),
        ("parallel", {"params": {f"module.{key}": tensor for key, tensor in state.items()}}),
    ):
        torch.save(content, tmp_path / f"{name}.pth")
        spec = enhancer_spec(str(tmp_path / f"{name}.pth"))
        assert spec == f"retinexformer(weights={tmp_path / f'{name}.pth'})"
        assert create_enhancer(spec).fingerprint == create_enhancer(random).fingerprint
    torch.save({"params": {"lr": 0.1}}, tmp_path / "options.pth")
    with pytest.raises(UserError, match="holds no state dict"):
        create_enhancer(f"retinexformer(weights={tmp_path / 'options.pth'})")


def test_without_weights_the_error_says_what_to_write() -> None:
    with pytest.raises(UserError, match=r"write retinexformer\(weights=PATH\)"):
        create_enhancer("retinexformer")
