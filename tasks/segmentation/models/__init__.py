"""Segmenters by family: ``smp``, ``torchvision``, ``ultralytics`` and plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sgz_bench.core.registry import Registry

from ...models import create_model

if TYPE_CHECKING:
    from .base import Segmenter

SEGMENTERS: Registry[type[Segmenter]] = Registry(
    "segmenter family",
    {
        "smp": "sgz_bench.tasks.segmentation.models.smp:SmpSegmenter",
        "torchvision": "sgz_bench.tasks.segmentation.models.torchvision:TorchvisionSegmenter",
        "ultralytics": "sgz_bench.tasks.segmentation.models.ultralytics:UltralyticsSegmenter",
        "onnx": "sgz_bench.tasks.segmentation.models.exported:OnnxSegmenter",
        "openvino": "sgz_bench.tasks.segmentation.models.exported:OpenvinoSegmenter",
        "tflite": "sgz_bench.tasks.segmentation.models.exported:TfliteSegmenter",
    },
    group="sgz_bench.segmenters",
    base="sgz_bench.tasks.segmentation.models.base:Segmenter",
)

# Small models shipped with the package; their model cards are beside them.
SHIPPED = {"nightscene-fpn": ("smp", "nightscene/weights/nightscene-fpn.safetensors")}

_SUFFIXES = {".pt": "ultralytics", ".safetensors": "smp", ".onnx": "onnx", ".xml": "openvino", ".tflite": "tflite"}


def create_segmenter(spec: str, device: str = "cpu") -> Segmenter:
    """Build a segmenter from ``FAMILY:SOURCE(key=value,…)``, such as ``smp:model.safetensors(flip=true)``.

    The family may be left out for ``.pt`` files (ultralytics), ``.safetensors`` (smp), exported files and torchvision's
    names. A class in a file is ``FILE.py:Class``. ``nightscene-fpn`` is the shipped segmenter.

    Raises:
        UserError: unknown family, model or parameter, or an unsuitable file.
    """
    return create_model(SEGMENTERS, SHIPPED, _SUFFIXES, spec, device)
