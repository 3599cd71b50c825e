"""A detector's ONNX file through onnxruntime, or whichever engine a spec names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError
from sgz_bench.core.registry import suggest

ENGINES = ("onnxruntime", "openvino")
PRECISIONS = ("fp32", "bf16")


class Session:
    """One input, first output.

    Args:
        path: ``.onnx`` file.
        device: ``cpu`` or ``cuda:N``.

    Attributes:
        input_size: height and width, None where they are free.
        batches: whether the number of images is free.
        output_shape: of the first output; what is free is no number.
        metadata: that the exporter wrote.
        packages: that it computes with.

    Raises:
        UserError: onnxruntime is absent, or the file is no ONNX model of one float image input.
    """

    packages: tuple[str, ...] = ("onnxruntime",)

    def __init__(self, path: Path, device: str) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise UserError(f"{path} needs onnxruntime; install it with: pip install 'sgz-bench[onnx]'") from error
        onnxruntime.set_default_logger_severity(3)
        if device.startswith("cuda"):
            index = int(device.partition(":")[2] or 0)
            providers: list[object] = [("CUDAExecutionProvider", {"device_id": index}), "CPUExecutionProvider"]
        else:
            providers = ["CPUExecutionProvider"]
        try:
            self._session = onnxruntime.InferenceSession(str(path), providers=providers)
        except Exception as error:  # onnxruntime raises classes of its own for every kind of damage
            raise UserError(f"{path} is not an ONNX model that can be read ({type(error).__name__})") from error
        inputs = self._session.get_inputs()
        self._accept(path, [each.shape for each in inputs])
        self._input = inputs[0].name
        self.output_shape: list[int | str | None] = list(self._session.get_outputs()[0].shape)
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def _accept(self, path: Path, shapes: Sequence[Sequence[object]]) -> None:
        """Take the input's size from the shapes of all inputs, or refuse the file."""
        if len(shapes) != 1 or len(shapes[0]) != 4:
            raise UserError(f"{path} takes {len(shapes)} inputs; a detector takes one image (1, 3, H, W)")
        height, width = (side if isinstance(side, int) else None for side in shapes[0][2:])
        self.input_size: tuple[int | None, int | None] = (height, width)
        self.batches = not isinstance(shapes[0][0], int)

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(B, 3, h, w)`` float32, ``B`` 1 unless it is free, to the model's first output."""
        return np.asarray(self._session.run(None, {self._input: batch})[0])


def open_session(family: str, path: Path, device: str, engine: str, precision: str) -> tuple[Session, dict[str, str]]:
    """The engine that runs an ONNX file, and what of it belongs to the model's settings: nothing of the usual one.

    Raises:
        UserError: an engine or precision that there is not, OpenVINO on a GPU, or as the engine says.
    """
    for key, value, known in (("engine", engine, ENGINES), ("precision", precision, PRECISIONS)):
        if value not in known:
            raise UserError(f"{family}: {key}={value} is none of {', '.join(known)}{suggest(value, list(known))}")
    if engine == "onnxruntime":
        if precision != "fp32":
            raise UserError(f"{family}: precision={precision} needs engine=openvino; onnxruntime takes the file's own")
        return Session(path, device), {}
    if device != "cpu":
        raise UserError(f"{family}: engine=openvino runs on the CPU, not on {device}; give --device cpu")
    from .openvino import OpenvinoSession

    return OpenvinoSession(path, precision), {"engine": engine, "precision": precision}
