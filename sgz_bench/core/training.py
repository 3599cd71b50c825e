"""Learning-rate schedule and weight average that all trainings share."""

from __future__ import annotations

import math

import torch
from torch import nn


def warmup_cosine(step: int, steps: int, warmup: int, *, ramp: int | None = None) -> float:
    """Return the factor of the peak learning rate: linear warm-up, then a cosine from 1 to 0.01.

    Args:
        step: index of the next step, from 0.
        steps: total number of steps.
        warmup: number of warm-up steps.
        ramp: divisor of the warm-up's factors, ``(step + 1) / ramp``; None: ``warmup``.
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

    A tensor with several names, such as SCI's shared layer, is updated once.

    Args:
        average: module with the parameters and buffers of ``model``.
        model: module with the current weights.
        decay: weight of the old average, in [0, 1].
        copy_buffers: copy buffers (running statistics of normalisations) from ``model``; False: average them as well,
            except integer buffers, which do not change.
    """
    current = model.state_dict()
    for name, parameter in average.named_parameters():
        parameter.mul_(decay).add_(current[name], alpha=1 - decay)
    for name, buffer in average.named_buffers():
        if name not in current:  # not persistent: a constant
            continue
        if copy_buffers:
            buffer.copy_(current[name])
        elif buffer.is_floating_point():
            buffer.mul_(decay).add_(current[name], alpha=1 - decay)
