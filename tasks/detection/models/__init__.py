"""Detectors by family: ``ultralytics``, ``torchvision``, ``yolox`` and plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sgz_bench.core.registry import Registry

from ...models import create_model

if TYPE_CHECKING:
    from .base import Detector

DETECTORS: Registry[type[Detector]] = Registry(
    "detector family",
    {
        "ultralytics": "sgz_bench.tasks.detection.models.ultralytics:UltralyticsDetector",
        "torchvision": "sgz_bench.tasks.detection.models.torchvision:TorchvisionDetector",
        "yolox": "sgz_bench.tasks.detection.models.yolox:YoloxDetector",
    },
    group="sgz_bench.detectors",
    base="sgz_bench.tasks.detection.models.base:Detector",
)

# Small models shipped with the package; their model cards are beside them.
SHIPPED = {"nightscene-yolo": ("ultralytics", "nightscene/weights/nightscene-yolo.safetensors")}


def create_detector(spec: str, device: str = "cpu") -> Detector:
    """Build a detector from ``FAMILY:SOURCE(key=value,…)``, such as ``yolox:yolox_nano.onnx(conf=0.01)``.

    The family may be left out for ``.pt`` files (ultralytics) and for torchvision's names. ``nightscene-yolo`` is the
    shipped detector.

    Raises:
        UserError: unknown family, model or parameter, or an unsuitable file.
    """
    return create_model(DETECTORS, SHIPPED, {".pt": "ultralytics"}, spec, device)
