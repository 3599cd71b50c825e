"""Ultralytics' semantic segmentation models (``yolo26n-sem.pt`` and its kin)."""

from __future__ import annotations

import torch
from torch import Tensor

from sgz_bench.enhancer.errors import UserError
from sgz_bench.tasks.models import file_fingerprint, require_file
from sgz_bench.tasks.ultralytics import load_checkpoint

from .base import Segmenter, View


class UltralyticsSegmenter(Segmenter):
    """An Ultralytics semantic segmentation model.

    Images are shown at their own shape, scaled by the shorter side, where upstream letterboxes them into a square.

    Args:
        source: ``.pt`` file.
        size, window, overlap, flip: how images are shown (:class:`.base.View`).
        device: torch device.

    Raises:
        UserError: not a file, not an Ultralytics semantic model, or one whose pickle asks for other code.
    """

    family = "ultralytics"

    def __init__(
        self,
        source: str,
        size: int | None = None,
        window: int | None = None,
        overlap: float = View.overlap,
        flip: bool = False,
        device: str = "cpu",
    ) -> None:
        view = View.checked(self.family, size, window, overlap, flip)
        path = require_file(source, "model file")
        network = load_checkpoint(path)
        if network.task != "semantic":
            raise UserError(f"{path} is a {network.task} model; use a semantic one, such as yolo26n-sem.pt")
        network.requires_grad_(False)
        super().__init__(
            source,
            [network.names[index] for index in range(len(network.names))],
            file_fingerprint(path),
            view=view,
            mean=(0, 0, 0),
            std=(1, 1, 1),
            stride=max(int(network.stride.max()), 32),
            device=device,
        )
        self.network = network.to(device)

    def logits(self, batch: Tensor) -> Tensor:
        found = self.network(batch)
        return found if isinstance(found, Tensor) else torch.as_tensor(found[0])
