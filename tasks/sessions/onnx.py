"""An ONNX file in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sgz_bench.core.errors import UserError
from sgz_bench.core.sessions import onnxruntime_session

from .base import Array, Nms, Port, Session, reason
from .graph import onnx_files, onnx_nms

_TYPES = {"float": "float32", "double": "float64"}


class OnnxSession(Session):
    """An ONNX Runtime session.

    Args:
        path: ``.onnx`` file; weights in other files are read from its folder.
        device: ``cpu`` or ``cuda:N``.

    Raises:
        UserError: onnxruntime is not installed, or the file is no ONNX model that it can run on images.
    """

    packages: tuple[str, ...] = ("onnxruntime",)

    def __init__(self, path: Path, device: str = "cpu") -> None:
        try:
            self._session = onnxruntime_session(path, str(path), device=device)
        except UserError:
            raise
        except Exception as error:  # ONNX Runtime has a class for each kind of damage
            raise UserError(f"{path} {_fault(error)}") from error
        super().__init__(
            path,
            [_port(each) for each in self._session.get_inputs()],
            [_port(each) for each in self._session.get_outputs()],
            self._session.get_modelmeta().custom_metadata_map,
            onnx_files(path),
        )

    def _run(self, images: Array, others: Mapping[str, Array]) -> Sequence[Array]:
        return [np.asarray(each) for each in self._session.run(None, {self.image.name: images, **others})]

    @property
    def nms(self) -> Nms | None:
        return onnx_nms(self.path)


def _port(each: Any) -> Port:
    text = each.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in each.shape)
    return Port(each.name, shape, _TYPES.get(text, text))


def _fault(error: Exception) -> str:
    """Return what is wrong with a file that ONNX Runtime refuses, and the fix."""
    text = " ".join(str(error).split())
    if "external data" in text.lower() or ".data" in text:
        return f"has its weights in a second file that is missing or damaged ({reason(error)}); keep both in one folder"
    if "IR version" in text or "opset" in text.lower():
        return f"is too new for this onnxruntime ({reason(error)}); upgrade it, or export with a lower opset"
    if "not a registered function/op" in text or "No Op registered" in text or "NOT_IMPLEMENTED" in text:
        return f"has an operator that ONNX Runtime lacks ({reason(error)}); export it for ONNX Runtime"
    return f"is not a readable ONNX model ({type(error).__name__}); export it again"
