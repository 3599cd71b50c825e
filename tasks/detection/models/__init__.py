"""Detectors by family: ``ultralytics``, ``torchvision``, ``yolox`` and plugins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
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
        "onnx": "sgz_bench.tasks.detection.models.exported:OnnxDetector",
        "openvino": "sgz_bench.tasks.detection.models.exported:OpenvinoDetector",
        "tflite": "sgz_bench.tasks.detection.models.exported:TfliteDetector",
    },
    group="sgz_bench.detectors",
    base="sgz_bench.tasks.detection.models.base:Detector",
)

# Small models shipped with the package; their model cards are beside them.
SHIPPED = {"nightscene-yolo": ("ultralytics", "nightscene/weights/nightscene-yolo.safetensors")}


def create_detector(spec: str, device: str = "cpu") -> Detector:
    """Build a detector from ``FAMILY:SOURCE(key=value,…)``, such as ``yolox:yolox_nano.onnx(conf=0.01)``.

    The family may be left out for ``.pt`` files (ultralytics), torchvision's names, and exports, whose family follows
    from their metadata and outputs. A class in a file is ``FILE.py:Class``. ``nightscene-yolo`` ships with the package.

    Raises:
        UserError: unknown family, model or parameter, or an unsuitable file.
    """
    if ":" not in spec.partition("(")[0] and Path(spec.partition("(")[0].strip()).is_dir():
        spec = f"ultralytics:{spec.strip()}"  # a folder is one of its OpenVINO exports
    return create_model(DETECTORS, SHIPPED, _SUFFIXES | dict.fromkeys(_EXPORTS, _family_of), spec, device)


_SUFFIXES: dict[str, str | Callable[[str, str], str]] = dict.fromkeys((".pt", ".torchscript", ".engine"), "ultralytics")
_EXPORTS = (".onnx", ".xml", ".tflite")


def _family_of(path: str, device: str) -> str:
    from .file_reading import family_of_export

    return family_of_export(path, device)
