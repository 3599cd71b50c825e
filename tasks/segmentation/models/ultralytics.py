"""Ultralytics' semantic segmentation models, such as ``yolo26n-sem.pt``."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from sgz_bench.core.errors import UserError
from sgz_bench.core.parameters import integer

from ...classes import read_class_list
from ...models import file_fingerprint, network_fingerprint, require_file
from ...ultralytics import load_checkpoint, untrained_semantic
from .base import InferenceConfig, Segmenter, takes_inference_config


class UltralyticsSegmenter(Segmenter):
    """An Ultralytics semantic segmentation model.

    Images keep their aspect ratio and are scaled by the shorter side; upstream letterboxes them into a square.

    Args:
        source: ``.pt`` file, or with random weights an architecture such as ``yolo26n-sem``.
        weights: ``random`` (for tests); by default those of the file.
        classes: of random weights: ``cityscapes``, ``camvid``, or a file of class names.
        seed: of random weights.
        device: torch device.
        inference: ``size``, ``window``, ``overlap`` and ``flip`` of :class:`.base.InferenceConfig`.

    Raises:
        UserError: no such file, no Ultralytics semantic model, or a pickle that needs other code.
    """

    family = "ultralytics"

    @takes_inference_config
    def __init__(
        self,
        source: str,
        weights: str = "",
        classes: str = "",
        *,
        seed: int = 0,
        device: str = "cpu",
        **inference: object,
    ) -> None:
        view = InferenceConfig.checked(self.family, **inference)
        settings: dict[str, str | int] = {}
        if weights == "random":
            seed, classes = integer(self.family, "seed", seed, 0, 2**63 - 1), classes or "cityscapes"
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                network = untrained_semantic(source, read_class_list(classes))
            fingerprint = network_fingerprint(source, network)
            settings = {"weights": weights, "classes": Path(classes).name, "seed": seed}
        elif weights or classes:
            raise UserError(f"ultralytics:{source} has its own weights and classes; give weights=random or neither")
        else:
            path = require_file(source, "model file")
            network, fingerprint = load_checkpoint(path), file_fingerprint(path)
            if network.task != "semantic":
                raise UserError(f"{path} is a {network.task} model; use a semantic one, such as yolo26n-sem.pt")
        network.requires_grad_(False)
        super().__init__(
            source,
            [network.names[index] for index in range(len(network.names))],
            fingerprint,
            view=view,
            mean=(0, 0, 0),
            std=(1, 1, 1),
            stride=max(int(network.stride.max()), 32),
            device=device,
            settings=settings,
        )
        self.network = network.to(device)

    def logits(self, batch: Tensor) -> Tensor:
        output = self.network(batch)
        return output if isinstance(output, Tensor) else torch.as_tensor(output[0])
