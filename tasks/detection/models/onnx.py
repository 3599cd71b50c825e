"""A detector's ONNX file through onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sgz_bench.enhancer.errors import UserError


class Session:
    """One input, first output.

    Args:
        path: ``.onnx`` file.
        device: ``cpu`` or ``cuda:N``.

    Raises:
        UserError: onnxruntime is absent, or the file is no ONNX model of one float image input.
    """

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
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            raise UserError(f"{path} takes {len(inputs)} inputs; a detector takes one image (1, 3, H, W)")
        self._input = inputs[0].name
        height, width = inputs[0].shape[2:]
        self.input_size: tuple[int | None, int | None] = (
            height if isinstance(height, int) else None,
            width if isinstance(width, int) else None,
        )
        self.output_shape: list[int | str | None] = list(self._session.get_outputs()[0].shape)
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(1, 3, h, w)`` float32 to the model's first output."""
        return np.asarray(self._session.run(None, {self._input: batch})[0])
