"""Everything of a segmenter's training that changes from step to step, as it goes into a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from ..training_state import restore_torch_random, torch_random


class Order:
    """All indices in random order, repeatedly.

    Attributes:
        rest: indices that are left of this pass.
    """

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        self._count, self._rng = count, rng
        self.rest: list[int] = []

    def next(self) -> int:
        """Return the next index."""
        if not self.rest:
            self.rest = self._rng.permutation(self._count).tolist()
        return self.rest.pop(0)


@dataclass
class StepState:
    """State of a training between two steps.

    Attributes:
        network, average: network, and the average of its weights.
        optimizer: of the network; its learning rates follow from the step.
        order: of the images.
        rng: of order and augmentation.
        device: torch device, whose random state decides dropout.
        losses: loss of each step so far.
    """

    network: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    order: Order
    rng: np.random.Generator
    device: str
    losses: list[float] = field(default_factory=list)

    def content(self) -> dict[str, Any]:
        """Return the content of a checkpoint."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "order": self.order.rest,
            "rng": json.dumps(self.rng.bit_generator.state),  # has integers of 128 bits
            "torch": torch_random(self.device),
            "losses": torch.tensor(self.losses, dtype=torch.float64),
        }

    def load(self, content: Mapping[str, Any]) -> None:
        """Continue from the content of a checkpoint."""
        self.network.load_state_dict(content["network"])
        self.average.load_state_dict(content["average"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.order.rest = list(content["order"])
        self.rng.bit_generator.state = json.loads(content["rng"])
        self.losses[:] = content["losses"].tolist()
        restore_torch_random(content["torch"], self.device)
