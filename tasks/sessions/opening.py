"""Choice of the engine for an exported network."""

from __future__ import annotations

from pathlib import Path

from sgz_bench.core.errors import UserError
from sgz_bench.core.registry import suggest

from .base import Session
from .onnx import OnnxSession
from .openvino import OpenvinoSession

ENGINES = ("onnxruntime", "openvino")
PRECISIONS = ("fp32", "bf16")


def open_session(
    family: str, path: Path, device: str, engine: str | None = None, precision: str = "fp32", others: int = 0
) -> tuple[Session, dict[str, str]]:
    """Open an exported network in an engine.

    Args:
        family: of the model, for messages.
        path: ``.onnx`` file, or ``.xml`` with its ``.bin``.
        device: ``cpu`` or ``cuda:N``.
        engine: of an ``.onnx`` file, ``onnxruntime`` (the default) or ``openvino``.
        precision: of OpenVINO, ``fp32`` or ``bf16``.
        others: most inputs beside the image that the caller can fill.

    Returns:
        The session, and its part of the model's settings, which is empty for the default engine.

    Raises:
        UserError: unknown engine or precision, OpenVINO on a GPU, or an error of the session.
    """
    session, settings = _open(family, path, device, engine, precision)
    if len(session.others) > others:
        names = ", ".join(port.name for port in session.others)
        raise UserError(f"{path} takes more than an image ({names}); export the network without these inputs")
    return session, settings


def _open(family: str, path: Path, device: str, engine: str | None, precision: str) -> tuple[Session, dict[str, str]]:
    default = "openvino" if path.suffix.lower() == ".xml" else "onnxruntime"
    engine = engine or default
    for key, value, known in (("engine", engine, ENGINES), ("precision", precision, PRECISIONS)):
        if value not in known:
            raise UserError(f"{family}: {key}={value} is not one of {', '.join(known)}{suggest(value, list(known))}")
    if engine == "onnxruntime":
        if default != engine:
            raise UserError(f"{path}: engine={engine} does not run OpenVINO files; leave engine out")
        if precision != "fp32":
            raise UserError(f"{family}: precision={precision} needs engine=openvino; onnxruntime takes the file's own")
        return OnnxSession(path, device), {}
    if device != "cpu":
        raise UserError(f"{family}: engine=openvino runs on the CPU, not on {device}; give --device cpu")
    return OpenvinoSession(path, precision), {"engine": engine, "precision": precision}
