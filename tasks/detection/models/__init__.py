"""Detectors by family: ``ultralytics``, ``torchvision``, ``yolox`` and plugins."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from sgz_bench.enhancer.errors import UserError
from sgz_bench.enhancer.registry import Registry, refuse_unknown
from sgz_bench.enhancer.specs import parse_spec

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
)

# Small stand-ins that come with the package; their model cards lie beside them.
SHIPPED = {"nightscene-yolo": "nightscene/weights/nightscene-yolo.safetensors"}


def create_detector(spec: str, device: str = "cpu") -> Detector:
    """Build a detector from ``FAMILY:SOURCE(key=value,…)``, such as ``yolox:yolox_nano.onnx(conf=0.01)``.

    The family may be left out for ``.pt`` files (ultralytics) and for torchvision's names. ``nightscene-yolo`` is the
    detector that comes with the package.

    Raises:
        UserError: unknown family, model or parameter, or a file that is not what it claims.
    """
    parsed = parse_spec(spec)
    family, colon, source = parsed.name.partition(":")
    if parsed.name in SHIPPED:
        family, source = "ultralytics", str(files("sgz_bench.tasks").joinpath(SHIPPED[parsed.name]))
    elif not colon or (family not in DETECTORS and Path(parsed.name).is_file()):
        family, source = _infer_family(parsed.name), parsed.name
    cls = DETECTORS.load(family)
    known = [name for name in inspect.signature(cls).parameters if name not in {"source", "device"}]
    refuse_unknown(f"a model of family {family}", parsed.kwargs, known)
    try:
        build: Callable[..., Detector] = cls
        return build(source, device=device, **parsed.kwargs)
    except (TypeError, ValueError) as error:
        raise UserError(f"{spec}: {error}") from error


def _infer_family(name: str) -> str:
    suffix = Path(name).suffix.lower()
    if suffix == ".pt":
        return "ultralytics"
    if suffix == ".onnx":
        raise UserError(f"say which family {name} is of: ultralytics:{name} or yolox:{name}")
    if suffix or "/" in name:
        raise UserError(
            f"cannot tell the family of the model {name!r}; write FAMILY:{name}, FAMILY one of {list(DETECTORS)}"
        )
    return "torchvision"
