"""Choice of the engine for an exported network."""

from __future__ import annotations

from pathlib import Path

from sgz_bench.core.errors import UserError
from sgz_bench.core.registry import suggest

from .base import Session
from .formats import READ
from .onnx import OnnxSession
from .openvino import OpenvinoSession
from .tensorrt import TensorrtSession
from .tflite import TfliteSession
from .torchscript import TorchScriptSession, is_torchscript

ENGINES = ("onnxruntime", "openvino")
PRECISIONS = ("fp32", "bf16")


def open_session(
    family: str,
    path: Path,
    device: str,
    engine: str | None = None,
    precision: str = "fp32",
    others: int = 0,
    imgsz: int = 640,
) -> tuple[Session, dict[str, str]]:
    """Open an exported network in an engine.

    Args:
        family: of the model, for messages.
        path: ``.onnx``, ``.xml`` (with its ``.bin``), ``.torchscript``, ``.tflite`` or ``.engine``.
        device: ``cpu`` or ``cuda:N``.
        engine: of an ``.onnx`` file, ``onnxruntime`` (the default) or ``openvino``.
        precision: of OpenVINO, ``fp32`` or ``bf16``.
        others: most inputs beside the image that the caller can fill.
        imgsz: side of the input where a ``.torchscript`` or a quantised ``.xml`` does not fix it, pixels.

    Returns:
        The session, and its part of the model's settings, which is empty for the default engine.

    Raises:
        UserError: unknown engine or precision, an engine on a device that it does not run on, or an error of the
            session.
    """
    for key, value, known in (("engine", engine, ENGINES), ("precision", precision, PRECISIONS)):
        if value is not None and value not in known:
            raise UserError(f"{family}: {key}={value} is not one of {', '.join(known)}{suggest(value, list(known))}")
    session, settings = _open(family, path, device, engine, precision, imgsz)
    if len(session.others) > others:
        names = ", ".join(port.name for port in session.others)
        raise UserError(f"{path} takes more than an image ({names}); export the network without these inputs")
    return session, settings


def _open(
    family: str, path: Path, device: str, engine: str | None, precision: str, imgsz: int
) -> tuple[Session, dict[str, str]]:
    suffix = path.suffix.lower()
    if suffix == ".onnx" and engine in {None, "onnxruntime"}:
        if precision != "fp32":
            raise UserError(f"{family}: precision={precision} needs engine=openvino; onnxruntime takes the file's own")
        return OnnxSession(path, device), {}
    if suffix in {".onnx", ".xml"} and engine in {None, "openvino"}:
        if device != "cpu":
            raise UserError(f"{family}: engine=openvino runs on the CPU, not on {device}; give --device cpu")
        return OpenvinoSession(path, precision, imgsz), {"engine": "openvino", "precision": precision}
    if engine is not None or precision != "fp32":
        raise UserError(f"{path} runs in one engine and precision; leave engine and precision out")
    if suffix == ".tflite":
        if device != "cpu":
            raise UserError(f"{path} runs on the CPU, not on {device}; give --device cpu")
        return TfliteSession(path), {}
    if suffix == ".torchscript" or (suffix == ".pt" and is_torchscript(path)):
        return TorchScriptSession(path, device, imgsz), {}
    if suffix == ".engine":
        return TensorrtSession(path, device), {}
    raise UserError(f"{path} is no exported network; give {READ}")
