"""What the trainings of every task share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Progress = Callable[[int, int, float], None]  # step, steps, loss of the step


@dataclass(frozen=True)
class Trained:
    """What a training left.

    Attributes:
        path: the weights.
        loss: at the end, averaged over some steps.
        taken: ``(tensors that were started from, tensors of the network)``.
    """

    path: Path
    loss: float
    taken: tuple[int, int]
