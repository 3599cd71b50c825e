"""A detector's ONNX file in ONNX Runtime or OpenVINO."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError
from sgz_bench.core.registry import suggest
from sgz_bench.core.sessions import OpenvinoCpu, onnxruntime_session

ENGINES = ("onnxruntime", "openvino")
PRECISIONS = ("fp32", "bf16")


class Session:
    """An ONNX Runtime session: one image input, first output.

    Args:
        path: ``.onnx`` file.
        device: ``cpu`` or ``cuda:N``.

    Attributes:
        input_size: height and width, None if dynamic.
        batches: True if the number of images is dynamic.
        output_shape: of the first output; dynamic sizes are not integers.
        metadata: written by the exporter.
        packages: packages it computes with.

    Raises:
        UserError: onnxruntime is not installed, or the file is no ONNX model with one float image input.
    """

    packages: tuple[str, ...] = ("onnxruntime",)

    def __init__(self, path: Path, device: str) -> None:
        try:
            self._session = onnxruntime_session(path, str(path), device=device)
        except UserError:
            raise
        except Exception as error:  # ONNX Runtime has a class for each kind of damage
            raise UserError(f"{path} is not a readable ONNX model ({type(error).__name__}); export it again") from error
        inputs = self._session.get_inputs()
        self._accept(path, [each.shape for each in inputs])
        self._input = inputs[0].name
        self.output_shape: list[int | str | None] = list(self._session.get_outputs()[0].shape)
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def _accept(self, path: Path, shapes: Sequence[Sequence[object]]) -> None:
        """Set the input size from the shapes of all inputs.

        Raises:
            UserError: the model does not take one image.
        """
        if len(shapes) != 1 or len(shapes[0]) != 4:
            raise UserError(f"{path} takes {len(shapes)} inputs; a detector takes one image (1, 3, H, W)")
        height, width = (side if isinstance(side, int) else None for side in shapes[0][2:])
        self.input_size: tuple[int | None, int | None] = (height, width)
        self.batches = not isinstance(shapes[0][0], int)

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run ``(B, 3, h, w)`` float32, ``B`` 1 unless dynamic, and return the model's first output."""
        return np.asarray(self._session.run(None, {self._input: batch})[0])


class OpenvinoSession(Session):
    """An OpenVINO session on the CPU, with as many threads as PyTorch has.

    Args:
        path: ``.onnx`` file.
        precision: ``fp32`` or ``bf16``.

    Raises:
        UserError: openvino is not installed, or the file is no ONNX model with one float image input.
    """

    packages = ("openvino",)

    def __init__(self, path: Path, precision: str) -> None:
        openvino = OpenvinoCpu(f"{path} with engine=openvino", precision)
        try:
            model = openvino.read(path)
            self._compiled = openvino.compile(model)
            shapes = [_shape(port) for port in model.inputs]
            self.output_shape = list(_shape(model.outputs[0]))
        except Exception as error:  # every kind of damage is a RuntimeError with a page of text
            raise UserError(
                f"{path} is not an ONNX model that OpenVINO can read ({type(error).__name__}); export it again"
            ) from error
        self._accept(path, shapes)
        meta = model.get_rt_info()["framework"] if model.has_rt_info(["framework"]) else {}
        self.metadata = {key: str(value.astype(str)) for key, value in meta.items()}

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.array(self._compiled(batch)[0])  # a copy: the next call writes to the same memory


def open_session(family: str, path: Path, device: str, engine: str, precision: str) -> tuple[Session, dict[str, str]]:
    """Open an ONNX file in an engine.

    Returns:
        The session, and its part of the model's settings, which is empty for the default engine.

    Raises:
        UserError: unknown engine or precision, OpenVINO on a GPU, or an error of the session.
    """
    for key, value, known in (("engine", engine, ENGINES), ("precision", precision, PRECISIONS)):
        if value not in known:
            raise UserError(f"{family}: {key}={value} is not one of {', '.join(known)}{suggest(value, list(known))}")
    if engine == "onnxruntime":
        if precision != "fp32":
            raise UserError(f"{family}: precision={precision} needs engine=openvino; onnxruntime takes the file's own")
        return Session(path, device), {}
    if device != "cpu":
        raise UserError(f"{family}: engine=openvino runs on the CPU, not on {device}; give --device cpu")
    return OpenvinoSession(path, precision), {"engine": engine, "precision": precision}


def _shape(port: Any) -> list[int | None]:
    """Return the sizes of a model's input or output, None if dynamic."""
    return [each.get_length() if each.is_static else None for each in port.partial_shape]
