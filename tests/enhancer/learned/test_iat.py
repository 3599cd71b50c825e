"""IAT against what upstream's code returned, and against arithmetic by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import to_tensor
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.learned.iat import IatNetwork, LocalNet, QueryAttention

GAIN, OFFSET, EXPONENT = 1.5, 0.1, 0.5
MATRIX = ((1.0, 0.2, 0.0), (0.0, 0.5, 0.1), (0.3, 0.0, 2.0))


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of 0 whose biases alone decide: one gain, offset, matrix and exponent for every pixel."""
    state = {name: torch.zeros_like(tensor) for name, tensor in IatNetwork().state_dict().items()}
    state["local_net.mul_end.0.bias"] += GAIN
    state["local_net.add_end.0.bias"] += math.atanh(OFFSET)
    state["global_net.gamma_base"] += EXPONENT
    state["global_net.color_base"] = torch.tensor(MATRIX)
    path = tmp_path_factory.mktemp("iat") / "iat.pth"
    torch.save(state, path)
    return path


def by_hand(colour: list[float]) -> list[float]:
    lit = [GAIN * value + OFFSET for value in colour]
    mixed = [sum(row[channel] * lit[channel] for channel in range(3)) for row in MATRIX]
    return [min(max(value, 1e-8), 1.0) ** EXPONENT for value in mixed]


@pytest.mark.assets
@pytest.mark.parametrize("kind", ["lol_v1", "exposure"])
def test_upstreams_checkpoints_give_upstreams_output(assets: Path, kind: str) -> None:
    reference = np.load(assets / "reference" / "enhancer_outputs.npz")
    enhancer = create_enhancer(f"iat(weights={assets / 'weights' / f'iat_{kind}.pth'})")
    with torch.inference_mode():
        found = enhancer.enhance(to_tensor(reference["input_uint8"]))[0].numpy()
    np.testing.assert_allclose(found, reference[f"iat_{kind}"], rtol=0, atol=1e-5)


@pytest.mark.assets
def test_the_checkpoint_of_lol_v2_loads_and_brightens_what_it_sees_centred(assets: Path) -> None:
    image = to_tensor(np.load(assets / "reference" / "enhancer_outputs.npz")["input_uint8"])
    enhancer = create_enhancer(f"iat(weights={assets / 'weights' / 'iat_lol.pth'},centred=true)")
    assert enhancer(image).mean() > 1.5 * image.mean()


def test_a_state_holds_as_many_numbers_as_the_paper_counts() -> None:
    network = IatNetwork()
    assert sum(tensor.numel() for tensor in network.state_dict().values()) == 91_348
    assert sum(tensor.numel() for tensor in network.parameters()) == 91_154


def test_gain_offset_matrix_and_exponent_are_applied_in_this_order(flat: Path) -> None:
    colour = [0.1, 0.4, 0.05]
    image = torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, 5, 6)
    found = create_enhancer(f"iat(weights={flat})")(image)
    assert found[0, :, 4, 5].tolist() == pytest.approx(by_hand(colour), abs=1e-6)


def test_a_centred_network_sees_the_image_from_minus_one_to_one(flat: Path) -> None:
    colour = [0.6, 0.7, 0.55]
    image = torch.tensor(colour).view(1, 3, 1, 1)
    found = create_enhancer(f"iat(weights={flat},centred=true)")(image)
    assert found.flatten().tolist() == pytest.approx(by_hand([2 * value - 1 for value in colour]), abs=1e-6)


def test_a_query_is_answered_by_the_softmax_of_each_head() -> None:
    torch.manual_seed(0)
    attention = QueryAttention().double().requires_grad_(False)
    attention.q.copy_(torch.randn(attention.q.shape))
    tokens = torch.randn(2, 5, 64, dtype=torch.float64)
    expected = torch.zeros(2, 10, 64, dtype=torch.float64)
    for image, query, head in np.ndindex(2, 10, 4):
        part = slice(16 * head, 16 * head + 16)
        keys = tokens[image] @ attention.k.weight.T
        values = tokens[image] @ attention.v.weight.T
        scores = [math.exp(float(attention.q[0, query, part] @ key[part]) / 4) for key in keys]
        for score, value in zip(scores, values, strict=True):
            expected[image, query, part] += score / sum(scores) * value[part]
    torch.testing.assert_close(attention(tokens), expected @ attention.proj.weight.T + attention.proj.bias)


def test_a_pixel_of_the_local_branch_depends_on_those_within_reach_alone() -> None:
    torch.manual_seed(0)
    network = LocalNet().requires_grad_(False)
    for tensor in network.parameters():
        tensor.copy_(torch.rand(tensor.shape) * 0.3)  # positive, so that no unit hides a dependence
    image = torch.rand(1, 3, 40, 3)
    other = image.clone()
    other[..., 0, :] += 0.5
    rows = (network(image) != network(other)).any(dim=1).any(dim=-1)[0].nonzero()
    assert rows.max() == LocalNet.REACH


@pytest.mark.parametrize(
    ("spec", "message"),
    [("iat(weights={flat},centred=1)", "centred must be true or false, got 1")],
)
def test_a_wrong_spec_says_what_to_write(spec: str, message: str, flat: Path) -> None:
    with pytest.raises(UserError, match=message):
        create_enhancer(spec.format(flat=flat))
