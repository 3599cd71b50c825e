"""Learning-rate schedule and weight average that all trainings share."""

from __future__ import annotations

import math

import torch
from torch import nn


def warmup_cosine(step: int, steps: int, warmup: int, *, ramp: int | None = None) -> float:
    """Return the factor of the peak learning rate: linear warm-up, then a cosine from 1 to 0.01.

    Args:
        step: the step that is about to be done, from 0.
        steps: all of them.
        warmup: steps of the warm-up.
        ramp: divisor of the warm-up, whose factors are ``(step + 1) / ramp``; None takes ``warmup``.
    """
    if step < warmup:
        return (step + 1) / (warmup if ramp is None else ramp)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1))) / 2


def ema_decay(decay: float, step: int, ramp: int) -> float:
    """Return a weight average's decay at a step: it rises from 0 to ``decay``, with time constant ``ramp`` in steps."""
    return decay * (1 - math.exp(-step / ramp))


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float, *, copy_buffers: bool = False) -> None:
    """Update a weight average in place: ``average ← decay · average + (1 − decay) · model``.

    Args:
        average: as many parameters and buffers as ``model``, of the same names.
        model: the current weights.
        decay: share that is kept, in [0, 1].
        copy_buffers: take buffers (running statistics of normalisations) from ``model``; otherwise they are averaged
            too, except those of integers, which stay.
    """
    current = model.state_dict()
    parameters = {name for name, _ in average.named_parameters()}
    for name, value in average.state_dict().items():
        if copy_buffers and name not in parameters:
            value.copy_(current[name])
        elif value.is_floating_point():
            value.mul_(decay).add_(current[name], alpha=1 - decay)
