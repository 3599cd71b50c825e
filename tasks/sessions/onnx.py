"""An ONNX file in ONNX Runtime."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sgz_bench.core.errors import UserError
from sgz_bench.core.sessions import onnxruntime_session

from .base import Array, Nms, Port, Session
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
        files = onnx_files(path)
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
            files,
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
    operator = re.search(r"(\S+)\(-?\d+\) is not a registered function/op|No [Oo]p registered for (\S+)", text)
    version = re.search(r"IR version: (\d+)|[Oo]pset (\d+) is under development", text)
    if operator is not None:
        name = operator[1] or operator[2]
        return f"has an operator that ONNX Runtime lacks ({name}); export it for ONNX Runtime, without plugins"
    if version is not None:
        number = f"IR version {version[1]}" if version[1] else f"opset {version[2]}"
        return f"is in ONNX {number}, which is too new for this onnxruntime; upgrade it, or export with a lower opset"
    if "external data" in text.lower():
        return "has its weights in a second file that does not fit; keep both files of one export in one folder"
    if "NOT_IMPLEMENTED" in text:
        return f"has an operator that ONNX Runtime lacks on this device ({type(error).__name__}); export it without"
    return f"is not a readable ONNX model ({type(error).__name__}); export it again"
