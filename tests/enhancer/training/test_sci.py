"""SCI's cascade: its stages, and what is left of it at test time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.training import losses
from sgz_bench.enhancer.training.sci import Cascade, stage_losses


def image(seed: int = 0) -> torch.Tensor:
    return torch.rand(2, 3, 12, 16, generator=torch.Generator().manual_seed(seed))


def test_each_stage_sees_the_image_and_a_correction_by_the_one_before() -> None:
    cascade = Cascade(0).eval()
    first, second, third = cascade(image())[1]
    assert torch.equal(first.image, image())
    for before, after in ((first, second), (second, third)):
        result = (image() / before.illumination).clamp(0, 1)
        torch.testing.assert_close(after.image, image() + cascade.calibration(result), rtol=0, atol=1e-6)


@torch.no_grad()
def test_the_loss_is_the_sum_over_stages() -> None:
    stages = Cascade(0).eval()(image())[1]
    parts = stage_losses(stages)
    assert float(parts["fidelity"]) == pytest.approx(sum(float(F.mse_loss(i, x)) for x, i in stages), rel=1e-6)
    assert float(parts["smoothness"]) == pytest.approx(sum(float(losses.smoothness(i, x)) for x, i in stages), rel=1e-6)


def test_the_first_stage_is_the_enhancer(tmp_path: Path) -> None:
    cascade = Cascade(3).eval()
    for layer in cascade.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.normal_(layer.weight, std=0.4, generator=torch.Generator().manual_seed(1))
    state = {name: value.clone() for name, value in cascade.network.state_dict().items()}
    save_file(state, f"{tmp_path}/sci.safetensors")
    enhancer = create_enhancer(f"sci(weights={tmp_path}/sci.safetensors)")
    with torch.no_grad():
        assert torch.equal(enhancer(image()), cascade(image())[0])


def test_the_seed_decides_the_weights_and_no_global_state_is_touched() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, same, other = (Cascade(seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)
