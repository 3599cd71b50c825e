"""A detector's ONNX file through OpenVINO, on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError

from .onnx import Session


class OpenvinoSession(Session):
    """One input, first output, with as many threads as PyTorch has.

    Args:
        path: ``.onnx`` file.
        precision: ``fp32``, or ``bf16``, which OpenVINO would choose by itself where the processor has it.

    Raises:
        UserError: OpenVINO is absent, or the file is no ONNX model of one float image input.
    """

    packages = ("openvino",)

    def __init__(self, path: Path, precision: str) -> None:
        try:
            import openvino
        except ImportError as error:
            raise UserError(
                f"{path} with engine=openvino needs it; install it with: pip install 'sgz-bench[openvino]'"
            ) from error
        core = openvino.Core()
        try:
            model = core.read_model(str(path))
            wanted: dict[str, Any] = {
                "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
                "PERFORMANCE_HINT": "LATENCY",
            }
            self._compiled = core.compile_model(model, "CPU", wanted)
            shapes = [_shape(port) for port in model.inputs]
            self.output_shape = list(_shape(model.outputs[0]))
        except Exception as error:  # every kind of damage is a RuntimeError with a page of text
            raise UserError(f"{path} is not an ONNX model that OpenVINO can read ({type(error).__name__})") from error
        self._accept(path, shapes)
        meta = model.get_rt_info()["framework"] if model.has_rt_info(["framework"]) else {}
        self.metadata = {key: str(value.astype(str)) for key, value in meta.items()}

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.array(self._compiled(batch)[0])  # a copy: the next call writes where this one's answer is


def _shape(port: Any) -> list[int | None]:
    """Sizes of a model's input or output, None where they are free."""
    return [each.get_length() if each.is_static else None for each in port.partial_shape]
