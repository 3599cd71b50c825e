"""Weight average and learning-rate schedule that all trainings share."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sgz_bench.core.training import ema_decay, update_average, warmup_cosine


class Shared(nn.Module):
    """One layer under two names, as in SCI, and running statistics."""

    def __init__(self, weight: float, mean: float) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1, bias=False)
        self.blocks = nn.ModuleList([self.layer])
        self.norm = nn.BatchNorm1d(1, affine=False)
        nn.init.constant_(self.layer.weight, weight)
        assert self.norm.running_mean is not None
        self.norm.running_mean.fill_(mean)


@pytest.mark.parametrize(("copy_buffers", "mean"), [(True, 8.0), (False, 5.0)])
def test_a_shared_layer_is_averaged_once_and_buffers_are_copied_on_request(copy_buffers: bool, mean: float) -> None:
    average, model = Shared(weight=1.0, mean=4.0), Shared(weight=3.0, mean=8.0)
    update_average(average, model, 0.75, copy_buffers=copy_buffers)
    assert float(average.layer.weight.detach()) == 1.5  # 0.75 · 1 + 0.25 · 3
    assert average.norm.running_mean is not None
    assert torch.equal(average.norm.running_mean, torch.tensor([mean]))
    assert float(model.layer.weight.detach()) == 3.0


def test_the_schedule_rises_linearly_and_falls_to_one_per_cent() -> None:
    factors = [warmup_cosine(step, 100, 10) for step in range(100)]
    assert factors[:10] == [(step + 1) / 10 for step in range(10)]
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert warmup_cosine(100, 100, 10) == pytest.approx(0.01)
    assert ema_decay(0.9, 0, 100) == 0.0
    assert ema_decay(0.9, 10_000, 100) == pytest.approx(0.9)
