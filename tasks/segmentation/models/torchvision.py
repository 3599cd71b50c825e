"""torchvision's segmentation models (DeepLabV3, LR-ASPP, FCN)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from sgz_bench.core.errors import UserError
from sgz_bench.core.parameters import integer
from sgz_bench.core.registry import suggest

from ...classes import read_class_list
from ...models import network_fingerprint, torchvision_weights
from .base import IMAGENET, InferenceConfig, Segmenter, takes_inference_config
from .smp import load_state


class TorchvisionSegmenter(Segmenter):
    """A torchvision segmentation model by its builder's name, such as ``deeplabv3_mobilenet_v3_large``.

    Args:
        source: builder name.
        weights: ``default`` (torchvision's, for Pascal VOC's 21 classes, from torch's own cache; never downloaded),
            ``random`` (for tests), or the path of a state dict.
        classes: ``cityscapes``, ``camvid``, or a file of class names; by default those of torchvision's weights.
        seed: of random weights.
        device: torch device.
        inference: ``size``, ``window``, ``overlap`` and ``flip`` of :class:`.base.InferenceConfig`.

    Raises:
        UserError: unknown name, or missing or unsuitable weights.
    """

    family = "torchvision"

    @takes_inference_config
    def __init__(
        self,
        source: str,
        weights: str = "default",
        classes: str = "",
        *,
        seed: int = 0,
        device: str = "cpu",
        **inference: object,
    ) -> None:
        from torchvision import models

        known = models.list_models(module=models.segmentation)
        if source not in known:
            raise UserError(f"unknown torchvision segmentation model {source!r}{suggest(source, known)}")
        view = InferenceConfig.checked(self.family, **inference)
        official = models.get_model_weights(source).DEFAULT
        names = read_class_list(classes) if classes else tuple(official.meta["categories"])
        seed = integer(self.family, "seed", seed, 0, 2**63 - 1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = models.get_model(source, weights=None, weights_backbone=None, num_classes=len(names)).eval()
        if weights != "random":
            # Official files contain the auxiliary head, which only training needs.
            load_state(network, torchvision_weights(weights, official.url, source), without="aux_classifier.")
        network.requires_grad_(False)
        settings: dict[str, str | int] = {"weights": "random", "seed": seed} if weights == "random" else {}
        if weights not in {"default", "random"}:
            settings["weights"] = Path(weights).name
        if classes:
            settings["classes"] = Path(classes).name
        super().__init__(
            source,
            names,
            network_fingerprint(source, network),
            view=view,
            mean=IMAGENET[0],
            std=IMAGENET[1],
            stride=1,
            device=device,
            settings=settings,
        )
        self.network = network.to(device)

    def logits(self, batch: Tensor) -> Tensor:
        return torch.as_tensor(self.network(batch)["out"])
