"""A TensorRT engine on an NVIDIA GPU.

Written against TensorRT 8.5 to 10 (``execute_async_v3``), from Ultralytics' ``nn/backends/tensorrt.py``. It is not
covered by tests, which run without a GPU; compare its first results with the ``.onnx`` that the engine was built from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sgz_bench.core.errors import UserError

from .base import Array, Port, Session, reason

_LARGEST_HEADER = 1 << 22


class TensorrtSession(Session):
    """A serialised engine, with or without the metadata that Ultralytics writes before it.

    Args:
        path: ``.engine`` file, built on a GPU of the same kind with the same version of TensorRT.
        device: ``cuda:N``.

    Raises:
        UserError: there is no GPU, tensorrt is not installed, or the engine does not fit either of them.
    """

    packages: tuple[str, ...] = ("tensorrt",)

    def __init__(self, path: Path, device: str) -> None:
        if not device.startswith("cuda") or not torch.cuda.is_available():
            raise UserError(
                f"{path} is a TensorRT engine, which needs an NVIDIA GPU of the kind that it was built on; give "
                "--device cuda there, or the .onnx that it was built from"
            )
        try:
            import tensorrt
        except ImportError as error:
            raise UserError(f"{path} needs the package tensorrt, in the version that built it") from error
        metadata, offset = _header(path)
        try:
            self._runtime: Any = tensorrt.Runtime(tensorrt.Logger(tensorrt.Logger.ERROR))
            self._engine: Any = self._runtime.deserialize_cuda_engine(path.read_bytes()[offset:])
            self._context: Any = self._engine.create_execution_context()
            names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
            inputs = [name for name in names if self._engine.get_tensor_mode(name) == tensorrt.TensorIOMode.INPUT]
            ports = {
                name: Port(
                    name,
                    tuple(None if size < 0 else int(size) for size in self._engine.get_tensor_shape(name)),
                    np.dtype(tensorrt.nptype(self._engine.get_tensor_dtype(name))).name,
                )
                for name in names
            }
        except Exception as error:  # another GPU or version gives None, damage any of several classes
            raise UserError(
                f"{path} does not fit this GPU or TensorRT {tensorrt.__version__} ({reason(error)}); build it here"
            ) from error
        super().__init__(
            path,
            [ports[name] for name in inputs],
            [port for name, port in ports.items() if name not in inputs],
            metadata,
            [path],
        )
        self._device = torch.device(device)

    def _run(self, images: Array, others: Mapping[str, Array]) -> Sequence[Array]:
        stream = torch.cuda.current_stream(self._device)
        arrays = {self.image.name: images, **others}
        tensors = {name: torch.from_numpy(array).to(self._device) for name, array in arrays.items()}
        for name, array in arrays.items():
            if not self._context.set_input_shape(name, array.shape):
                raise RuntimeError(f"the engine's profile does not take {array.shape}")
        for port in self.outputs:
            shape = tuple(self._context.get_tensor_shape(port.name))
            dtype = torch.from_numpy(np.empty(0, dtype=port.dtype)).dtype
            tensors[port.name] = torch.empty(shape, dtype=dtype, device=self._device)
        for name, tensor in tensors.items():
            self._context.set_tensor_address(name, tensor.data_ptr())
        if not self._context.execute_async_v3(stream.cuda_stream):
            raise RuntimeError("the engine failed")
        stream.synchronize()
        return [tensors[port.name].cpu().numpy() for port in self.outputs]


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """Return Ultralytics' metadata and the bytes before the engine: a 4-byte length and JSON; none elsewhere."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(4), "little")
        if 0 < length < _LARGEST_HEADER:
            try:
                content = json.loads(file.read(length).decode())
            except ValueError:
                return {}, 0
            return (content, 4 + length) if isinstance(content, dict) else ({}, 0)
    return {}, 0
