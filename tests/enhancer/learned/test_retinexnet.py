"""RetinexNet against the paper's structure, computed by other means."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import to_tensor
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.bands import in_bands
from sgz_bench.enhancer.learned.retinexnet import REACH, STRIDE, DecomNet, RelightNet


def picture(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height * width))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("retinexnet")
    torch.save(DecomNet().state_dict(), folder / "decom.tar")
    torch.save(RelightNet().state_dict(), folder / "relight.tar")
    return folder


@pytest.mark.assets
def test_the_checkpoints_decompose_a_photograph_and_light_it(assets: Path) -> None:
    image = to_tensor(np.load(assets / "reference" / "enhancer_outputs.npz")["input_uint8"])
    decom, relight = (assets / "weights" / f"retinexnet_{part}.tar" for part in ("decom", "relight"))
    enhancer = create_enhancer(f"retinexnet(weights={decom},relight={relight})")
    with torch.inference_mode():
        layers = enhancer.get_submodule("decom")(image)
    error = (layers[:, :3] * layers[:, 3:] - image).abs().mean()  # the paper's reconstruction, S = R · I
    assert error < 0.01
    assert enhancer(image).mean() > 2 * image.mean()


def test_the_networks_have_upstreams_parameters() -> None:
    counts = [sum(tensor.numel() for tensor in network().parameters()) for network in (DecomNet, RelightNet)]
    assert counts == [207_748, 347_457]


def convolved(network: RelightNet, name: str, features: Tensor, stride: int = 1) -> Tensor:
    layer = network.get_submodule(f"net2_{name}")
    weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
    border = weight.shape[-1] // 2
    padded = functional.pad(features, (border,) * 4, mode="replicate")
    return functional.conv2d(padded, weight, bias, stride=stride)


def test_the_lighting_fuses_three_scales() -> None:
    torch.manual_seed(0)
    network = RelightNet().requires_grad_(False)
    layers = torch.rand(1, 4, 16, 24)
    sizes = [(16 // scale, 24 // scale) for scale in (1, 2, 4)]
    maps = [convolved(network, "conv0_1", layers)]
    for place in (1, 2, 3):
        maps.append(convolved(network, f"conv1_{place}", maps[-1], stride=2).relu())
    up, scales = maps[3], []
    for place, (size, skip) in enumerate(zip(sizes[::-1], maps[2::-1], strict=True), start=1):
        up = functional.interpolate(up, size=size)  # to the nearest pixel
        up = convolved(network, f"deconv1_{place}", torch.cat([up, skip], dim=1)).relu()
        scales.append(functional.interpolate(up, size=sizes[0]))
    expected = convolved(network, "output", convolved(network, "fusion", torch.cat(scales, dim=1)))
    torch.testing.assert_close(network(layers), expected, rtol=0, atol=1e-6)


def test_the_first_channel_of_the_decomposition_is_the_brightest_of_the_three() -> None:
    network = DecomNet().requires_grad_(False)
    for tensor in network.parameters():
        tensor.zero_()
    network.net1_conv0.weight[0, 0, 4, 4] = 1
    for layer in (0, 2, 4, 6, 8):
        network.get_submodule(f"net1_convs.{layer}").get_parameter("weight")[0, 0, 1, 1] = 1
    network.net1_recon.weight[3, 0, 1, 1] = 1
    colour = torch.tensor([0.2, 0.7, 0.4]).view(1, 3, 1, 1)
    expected = [0.5, 0.5, 0.5, 1 / (1 + math.exp(-0.7))]
    assert network(colour).flatten().tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("height", [96, 101])
def test_bands_leave_no_trace(height: int) -> None:
    torch.manual_seed(0)
    decom, relight = DecomNet().requires_grad_(False), RelightNet().requires_grad_(False)

    def light(image: Tensor) -> Tensor:
        layers = decom(image)
        return layers[:, :3] * relight(layers)

    image = picture(height, 5)
    found = in_bands(light, image, REACH, step=STRIDE, pixels=1)
    torch.testing.assert_close(found, light(image), rtol=0, atol=1e-6)


def test_the_fingerprint_follows_both_files_and_not_their_places(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "decom.tar", tmp_path / "a.pth")
    shutil.copy(folder / "relight.tar", tmp_path / "b.pth")
    one = create_enhancer(f"retinexnet(weights={folder / 'decom.tar'},relight={folder / 'relight.tar'})")
    other = create_enhancer(f"retinexnet(weights={tmp_path / 'a.pth'},relight={tmp_path / 'b.pth'})")
    assert one.fingerprint == other.fingerprint
    state = RelightNet().state_dict()
    torch.save(state, tmp_path / "b.pth")
    other = create_enhancer(f"retinexnet(weights={tmp_path / 'a.pth'},relight={tmp_path / 'b.pth'})")
    assert one.fingerprint != other.fingerprint


def test_files_that_are_swapped_are_named(folder: Path) -> None:
    with pytest.raises(
        UserError, match=r"relight\.tar has no tensor 'net1_conv0.weight'; use a checkpoint of DecomNet"
    ):
        create_enhancer(f"retinexnet(weights={folder / 'relight.tar'},relight={folder / 'decom.tar'})")
