"""Sessions of ONNX Runtime and OpenVINO, and the error for a package that is not installed."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import torch

from .errors import UserError

_EXTRAS = {"ray": "ray", "onnx": "onnx", "onnxruntime": "onnx", "openvino": "openvino", "ai_edge_litert": "tflite"}
_ERRORS_ONLY = 3  # ONNX Runtime warns of constants that it folds


def require_package(package: str, user: str) -> Any:
    """Import an optional package and return its module.

    Args:
        package: ``onnx``, ``onnxruntime``, ``openvino`` or ``ai_edge_litert``, or a module of it.
        user: what needs the package, the subject of the error message.

    Raises:
        UserError: the package is not installed; names the command that installs it.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        name = package.partition(".")[0]
        raise UserError(
            f"{user} needs the package {name.replace('_', '-')}; pip install 'sgz-bench[{_EXTRAS[name]}]'"
        ) from error


def onnxruntime_session(graph: bytes | Path, user: str, *, device: str = "cpu", threads: int = 0) -> Any:
    """Open an ONNX graph as an ``onnxruntime.InferenceSession`` that logs errors only.

    Args:
        graph: serialised model, or path of one.
        user: what needs the session, for the error message.
        device: ``cpu`` or ``cuda:N``.
        threads: threads of one operator; 0 leaves the number to ONNX Runtime.

    Raises:
        UserError: onnxruntime is not installed.
        Exception: the graph is damaged; ONNX Runtime has a class for each kind of damage.
    """
    onnxruntime = require_package("onnxruntime", user)
    onnxruntime.set_default_logger_severity(_ERRORS_ONLY)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = threads
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.startswith("cuda"):
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(device.partition(":")[2] or 0)}))
    return onnxruntime.InferenceSession(str(graph) if isinstance(graph, Path) else graph, options, providers=providers)


class OpenvinoCpu:
    """OpenVINO's CPU plugin, with as many threads as PyTorch has at construction.

    Args:
        user: what needs OpenVINO, for the error message.
        precision: ``fp32`` or ``bf16``. It is always set: OpenVINO itself picks bf16 where the processor has it.

    Raises:
        UserError: openvino is not installed.
    """

    def __init__(self, user: str, precision: str) -> None:
        self._core: Any = require_package("openvino", user).Core()
        self._settings = {
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }

    def read(self, graph: bytes | Path) -> Any:
        """Return the ``openvino.Model`` of a serialised ONNX model, or of the path of one."""
        return self._core.read_model(str(graph)) if isinstance(graph, Path) else self._core.read_model(graph, b"")

    def compile(self, model: Any) -> Any:
        """Return the ``openvino.CompiledModel`` of a model."""
        return self._core.compile_model(model, "CPU", self._settings)
