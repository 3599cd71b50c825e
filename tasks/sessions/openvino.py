"""An ONNX file or an OpenVINO model (``.xml`` and ``.bin``) in OpenVINO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_yaml
from sgz_bench.core.sessions import OpenvinoCpu

from .base import Array, Port, Session
from .onnx import onnx_files

_TYPES = {"f32": "float32", "f16": "float16", "f64": "float64", "u8": "uint8", "i64": "int64", "i32": "int32"}


class OpenvinoSession(Session):
    """An OpenVINO session on the CPU, with as many threads as PyTorch has.

    Metadata of an ``.xml`` is in ``metadata.yaml`` beside it (Ultralytics), else in the model itself.

    Args:
        path: ``.onnx`` or ``.xml`` file.
        precision: ``fp32`` or ``bf16``; quantised layers run as they are.

    Raises:
        UserError: openvino is not installed, or the file is no model that it can run on images.
    """

    packages: tuple[str, ...] = ("openvino",)

    def __init__(self, path: Path, precision: str = "fp32") -> None:
        openvino = OpenvinoCpu(f"{path} with engine=openvino", precision)
        weights = path.with_suffix(".bin")
        exported = path.suffix.lower() == ".xml"
        if exported and not weights.is_file():
            raise UserError(f"{path} has its weights in {weights.name}, which is not beside it; restore that file")
        try:
            self.model = openvino.read(path)
            self._compiled = openvino.compile(self.model)
        except Exception as error:  # every kind of damage is a RuntimeError with a page of text
            kind = "OpenVINO model" if exported else "ONNX model that OpenVINO can read"
            raise UserError(f"{path} is not an {kind} ({type(error).__name__}); export it again") from error
        super().__init__(
            path,
            [_port(each) for each in self.model.inputs],
            [_port(each) for each in self.model.outputs],
            _metadata(path, self.model),
            [path, weights] if exported else onnx_files(path),
        )
        self._index = {port.name: index for index, port in enumerate(map(_port, self.model.inputs))}

    def _run(self, images: Array, others: Mapping[str, Array]) -> Sequence[Array]:
        inputs = {self._index[name]: array for name, array in {self.image.name: images, **others}.items()}
        answers = self._compiled(inputs)
        # Copies: the next call writes to the same memory.
        return [np.array(answers[index]) for index in range(len(self.outputs))]


def _port(port: Any) -> Port:
    name = next(iter(sorted(port.get_names())), port.get_node().get_friendly_name())
    dtype, shape = port.element_type.get_type_name(), port.partial_shape
    sizes = () if shape.rank.is_dynamic else tuple(each.get_length() if each.is_static else None for each in shape)
    return Port(name, sizes, _TYPES.get(dtype, dtype))


def _metadata(path: Path, model: Any) -> dict[str, Any]:
    """Return what the model itself has (``model_info`` of an export, ``framework`` of an ONNX file) and its YAML."""
    content: dict[str, Any] = {}
    for key in ("model_info", "framework"):
        if model.has_rt_info([key]):
            content |= {name: str(value.astype(str)) for name, value in model.get_rt_info()[key].items()}
    beside = path.with_name("metadata.yaml")
    if path.suffix.lower() == ".xml" and beside.is_file():
        content |= read_yaml(beside)
    return content
