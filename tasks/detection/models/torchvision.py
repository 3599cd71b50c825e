"""torchvision's detection models (Faster R-CNN, RetinaNet, FCOS, SSD, SSDlite)."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import to_tensor
from sgz_bench.core.parameters import integer
from sgz_bench.core.registry import suggest

from ...models import network_fingerprint, torchvision_weights
from ...types import Image
from ..types import Detections
from .base import Detector, Settings, best_first

# The same three settings have two sets of names.
_ARGUMENTS = {
    "conf": ("box_score_thresh", "score_thresh"),
    "nms_iou": ("box_nms_thresh", "nms_thresh"),
    "max_det": ("box_detections_per_img", "detections_per_img"),
}


class TorchvisionDetector(Detector):
    """A torchvision detection model by its builder's name, such as ``fasterrcnn_resnet50_fpn_v2``.

    Args:
        source: builder name.
        weights: ``default`` (torchvision's COCO weights, from torch's own cache; never downloaded), ``random``
            (for tests), or the path of a state dict for COCO's 91 category ids.
        conf: detections with lower scores are dropped. Builders' own defaults (0.05, FCOS 0.2) cut off what AP needs.
        nms_iou, max_det: None keeps the model's own setting.
        seed: of random weights.
        device: torch device.

    Raises:
        UserError: unknown name, or missing or unsuitable weights.
    """

    family = "torchvision"
    version = 2

    def __init__(
        self,
        source: str,
        weights: str = "default",
        conf: float = 0.001,
        nms_iou: float | None = None,
        max_det: int | None = None,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        from torchvision import models

        known = models.list_models(module=models.detection)
        if source not in known:
            raise UserError(f"unknown torchvision detection model {source!r}{suggest(source, known)}")
        official = models.get_model_weights(source).DEFAULT
        categories: list[str] = official.meta["categories"]
        wanted = Settings.checked(self.family, conf, nms_iou, max_det)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(integer(self.family, "seed", seed, 0, 2**63 - 1))
            self._model: Any = models.get_model(
                source,
                weights=None,
                weights_backbone=None,
                num_classes=len(categories),
                **_builder_args(source, wanted),
            ).eval()
        if weights != "random":
            self._load(torchvision_weights(weights, official.url, source))
        super().__init__(
            source,
            categories,
            network_fingerprint(source, self._model),
            _effective(self._model) | ({"weights": "random", "seed": seed} if weights == "random" else {}),
        )
        self._model = self._model.to(device)
        self._device = device

    def _load(self, path: Path) -> None:
        try:
            self._model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:  # damage raises any of a dozen classes, a refused pickle UnpicklingError
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            raise UserError(
                f"{path} does not fit this torchvision model ({reason}); give its own state dict"
            ) from error

    @torch.inference_mode()
    def predict(self, images: Sequence[Image]) -> list[Detections]:
        detections = []
        for image in images:
            output = self._model([to_tensor(image)[0].to(self._device)])[0]
            boxes, scores, labels = (output[key].cpu().numpy() for key in ("boxes", "scores", "labels"))
            detections.append(best_first(boxes.astype(np.float64), scores.astype(np.float64), labels, len(scores)))
        return detections


def _builder_args(source: str, wanted: Settings) -> dict[str, float | int]:
    chosen = {key: value for key in _ARGUMENTS if (value := getattr(wanted, key)) is not None}
    if not chosen:
        return {}
    # Builders pass unknown arguments to the model class, so its signature shows which set of names it takes.
    from torchvision.models import detection

    roi = inspect.signature(detection.FasterRCNN).parameters
    two_stage = "rcnn" in source
    return {
        next(name for name in _ARGUMENTS[key] if (name in roi) == two_stage): value for key, value in chosen.items()
    }


def _effective(model: Any) -> dict[str, float | int]:
    """Return the effective settings of a model; two-stage models keep them in their heads."""
    holder = getattr(model, "roi_heads", model)
    names = {"conf": "score_thresh", "nms_iou": "nms_thresh", "max_det": "detections_per_img"}
    return {key: getattr(holder, name) for key, name in names.items()}
