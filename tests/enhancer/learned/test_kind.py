"""KinD against its graph in TensorFlow's layout, computed with NumPy and scikit-image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from safetensors.torch import save_file
from skimage.color import rgb2gray
from skimage.filters import gaussian
from torch import Tensor

from sgz_bench.core.errors import UserError
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.bands import in_bands
from sgz_bench.enhancer.diagnostics import enhancer_spec
from sgz_bench.enhancer.learned import kind
from sgz_bench.enhancer.learned.kind import KindNetwork

Array = np.ndarray

# Variable → (inputs, outputs, kernel); transposed ones have no bias and come as (kernel, kernel, outputs, inputs).
DECOMPOSITION = {
    "g_conv1_1": (3, 32, 3),
    "g_conv2_1": (32, 64, 3),
    "g_conv3_1": (64, 128, 3),
    "g_up_1": (128, 64, 2),
    "g_conv8_1": (128, 64, 3),
    "g_up_2": (64, 32, 2),
    "g_conv9_1": (64, 32, 3),
    "g_conv10": (32, 3, 1),
    "l_conv1_2": (32, 32, 3),
    "l_conv1_4": (64, 1, 1),
}
RESTORATION = {
    f"de_conv{stage}_{place}": (inputs if place == 1 else outputs, outputs, 3)
    for stage, (inputs, outputs) in enumerate(
        [(4, 32), (32, 64), (64, 128), (128, 256), (256, 512), (512, 256), (256, 128), (128, 64), (64, 32)], start=1
    )
    for place in (1, 2)
} | {
    "up_6": (512, 256, 2),
    "up_7": (256, 128, 2),
    "up_8": (128, 64, 2),
    "up_9": (64, 32, 2),
    "de_conv10": (32, 3, 3),
}
ADJUSTMENT = {"en_conv_1": (2, 32, 3), "en_conv_2": (32, 32, 3), "en_conv_3": (32, 32, 3), "en_conv_4": (32, 1, 3)}
SCOPES = {"DecomNet": DECOMPOSITION, "Restoration_net": RESTORATION, "Illumination_adjust_net": ADJUSTMENT}
OURS = {"DecomNet": "decomposition", "Restoration_net": "restoration", "Illumination_adjust_net": "adjustment"}


@pytest.fixture(scope="module")
def graph() -> dict[str, Array]:
    """Random values of the variables of upstream's graph."""
    rng = np.random.default_rng(0)
    values: dict[str, Array] = {}
    for scope, layers in SCOPES.items():
        for name, (inputs, outputs, kernel) in layers.items():
            up = kernel == 2
            deviation = (1 / inputs) ** 0.5 if up else (2 / (inputs * kernel**2)) ** 0.5
            shape = (kernel, kernel, *((outputs, inputs) if up else (inputs, outputs)))
            values[f"{scope}/{name}/weights"] = rng.normal(0, deviation, shape).astype(np.float32)
            if not up:
                values[f"{scope}/{name}/biases"] = rng.normal(0, 0.1, outputs).astype(np.float32)
    return values


@pytest.fixture(scope="module")
def file(graph: dict[str, Array], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same values, converted as the docstring says."""
    state = {}
    for variable, value in graph.items():
        scope, layer, part = variable.split("/")
        tensor = torch.from_numpy(value.transpose(3, 2, 0, 1).copy() if value.ndim == 4 else value)
        state[f"{OURS[scope]}.{layer}.{'weight' if part == 'weights' else 'bias'}"] = tensor
    path = tmp_path_factory.mktemp("kind") / "converted.safetensors"
    save_file(state, path)
    return path


def picture(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height * width)) * 0.4 + 0.1


def sigmoid(values: Array) -> Array:
    return 1 / (1 + np.exp(-values))


def convolved(maps: Array, graph: dict[str, Array], name: str) -> Array:
    weights = graph[f"{name}/weights"]
    border = len(weights) // 2
    windows = sliding_window_view(np.pad(maps, [(border, border)] * 2 + [(0, 0)]), weights.shape[:2], axis=(0, 1))
    return np.einsum("hwcij,ijco->hwo", windows, weights, optimize=True) + graph[f"{name}/biases"]


def leaky(maps: Array, graph: dict[str, Array], name: str) -> Array:
    found = convolved(maps, graph, name)
    return np.maximum(0.2 * found, found)


def pooled(maps: Array) -> Array:
    height, width, channels = maps.shape
    padded = np.pad(maps, [(0, height % 2), (0, width % 2), (0, 0)], constant_values=-np.inf)
    return padded.reshape((height + 1) // 2, 2, (width + 1) // 2, 2, channels).max(axis=(1, 3))


def joined(maps: Array, skip: Array, weights: Array) -> Array:
    larger = np.zeros((2 * maps.shape[0], 2 * maps.shape[1], weights.shape[2]))
    for row in (0, 1):
        for column in (0, 1):
            larger[row::2, column::2] = maps @ weights[row, column].T
    return np.concatenate([larger[: skip.shape[0], : skip.shape[1]], skip], axis=2)


def decomposed(image: Array, graph: dict[str, Array]) -> tuple[Array, Array]:
    scope = "DecomNet"
    whole = leaky(image, graph, f"{scope}/g_conv1_1")
    half = leaky(pooled(whole), graph, f"{scope}/g_conv2_1")
    maps = leaky(pooled(half), graph, f"{scope}/g_conv3_1")
    maps = leaky(joined(maps, half, graph[f"{scope}/g_up_1/weights"]), graph, f"{scope}/g_conv8_1")
    maps = leaky(joined(maps, whole, graph[f"{scope}/g_up_2/weights"]), graph, f"{scope}/g_conv9_1")
    light = np.concatenate([leaky(whole, graph, f"{scope}/l_conv1_2"), maps], axis=2)
    return sigmoid(convolved(maps, graph, f"{scope}/g_conv10")), sigmoid(convolved(light, graph, f"{scope}/l_conv1_4"))


def restored(layers: Array, graph: dict[str, Array]) -> Array:
    scope, maps, skips = "Restoration_net", layers, []
    for stage in range(1, 10):
        if 2 <= stage <= 5:
            skips.append(maps)
            maps = pooled(maps)
        elif stage > 5:
            maps = joined(maps, skips.pop(), graph[f"{scope}/up_{stage}/weights"])
        maps = leaky(leaky(maps, graph, f"{scope}/de_conv{stage}_1"), graph, f"{scope}/de_conv{stage}_2")
    return sigmoid(convolved(maps, graph, f"{scope}/de_conv10"))


def adjusted(light: Array, ratio: float, graph: dict[str, Array]) -> Array:
    maps = np.concatenate([light, np.full_like(light, ratio)], axis=2)
    for place in range(1, 5):
        maps = leaky(maps, graph, f"Illumination_adjust_net/en_conv_{place}")
    return sigmoid(maps)


@pytest.mark.parametrize(("height", "width", "ratio"), [(19, 37, 5), (32, 16, 0.7), (1, 6, 5)])
def test_a_converted_file_gives_what_the_graph_gives(
    graph: dict[str, Array], file: Path, height: int, width: int, ratio: float
) -> None:
    image = picture(height, width)
    x = image[0].permute(1, 2, 0).double().numpy()
    x = (x - x.min()) / (x.max() - x.min())
    reflectance, light = decomposed(x, graph)
    trust = np.minimum(np.sqrt(2 * gaussian(rgb2gray(reflectance), 3)), 1)[..., None]
    lit = restored(np.concatenate([reflectance, light], axis=2), graph) * trust * adjusted(light, ratio, graph)
    expected = light * x + (1 - light) * lit
    found = create_enhancer(f"kind(weights={file},ratio={ratio})")(image)[0].permute(1, 2, 0)
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-5)


def test_the_networks_have_upstreams_parameters() -> None:
    counts = [sum(tensor.numel() for tensor in network.parameters()) for network in KindNetwork().children()]
    # Upstream's checkpoints of the first and the last are 943,504 and 77,572 bytes of float32.
    assert counts == [943_504 // 4, 7_760_739, 77_572 // 4]


def test_an_image_is_stretched_and_one_of_a_batch_is_by_its_own_extremes(file: Path) -> None:
    enhancer = create_enhancer(f"kind(weights={file})")
    image = picture(20, 24)
    image = (image - image.min()) / (image.max() - image.min())
    expected = enhancer(image)
    for found in enhancer(torch.cat([image * 0.25, image * 0.5 + 0.25])).split(1):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("height", [288, 301])
def test_bands_leave_no_trace(file: Path, height: int) -> None:
    network = create_enhancer(f"kind(weights={file})").get_submodule("network")
    image = picture(height, 9)
    with torch.inference_mode():
        found = in_bands(lambda band: network(band, 5), image, kind.REACH, step=kind.STRIDE, pixels=9 * 144)
        torch.testing.assert_close(found, network(image, 5), rtol=0, atol=1e-6)


def test_a_file_is_known_by_its_tensors(file: Path) -> None:
    assert enhancer_spec(str(file)) == f"kind(weights={file})"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("kind", r"no weights of kind go by a name; write kind\(weights=PATH\)"),
        ("kind(weights={file},ratio=-1)", "ratio must be a number from 0 to 100, got -1"),
    ],
)
def test_a_wrong_spec_says_what_to_write(spec: str, message: str, file: Path) -> None:
    with pytest.raises(UserError, match=message):
        create_enhancer(spec.format(file=file))
