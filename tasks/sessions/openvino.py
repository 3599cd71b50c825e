"""An ONNX file or an OpenVINO model (``.xml`` and ``.bin``) in OpenVINO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_yaml
from sgz_bench.core.sessions import OpenvinoCpu

from .base import Array, Nms, Port, Session
from .graph import onnx_files

_TYPES = {"f32": "float32", "f16": "float16", "f64": "float64", "u8": "uint8", "i64": "int64", "i32": "int32"}


class OpenvinoSession(Session):
    """An OpenVINO session on the CPU, with as many threads as PyTorch has.

    Metadata of an ``.xml`` is in ``metadata.yaml`` beside it (Ultralytics), else in the model itself.

    Args:
        path: ``.onnx`` or ``.xml`` file.
        precision: ``fp32`` or ``bf16``; quantised layers run as they are.
        imgsz: side of the input of a quantised network of dynamic size, pixels. It is fixed to one image of this size,
            because OpenVINO crashes on such networks where the processor has AMX (openvinotoolkit/openvino#37577).

    Raises:
        UserError: openvino is not installed, or the file is no model that it can run on images.
    """

    packages: tuple[str, ...] = ("openvino",)

    def __init__(self, path: Path, precision: str = "fp32", imgsz: int = 640) -> None:
        openvino = OpenvinoCpu(f"{path} with engine=openvino", precision)
        weights = path.with_suffix(".bin")
        exported = path.suffix.lower() == ".xml"
        if exported and not weights.is_file():
            raise UserError(f"{path} has its weights in {weights.name}, which is not beside it; restore that file")
        files = [path, weights, *_beside(path)] if exported else onnx_files(path)
        try:
            self.model = openvino.read(path)
            if self.model.is_dynamic() and any(each.get_type_name() == "FakeQuantize" for each in self.model.get_ops()):
                self.model.reshape(_fixed(_port(self.model.inputs[0]).shape, imgsz))
            self._compiled = openvino.compile(self.model)
        except Exception as error:  # every kind of damage is a RuntimeError with a page of text
            kind = "OpenVINO model" if exported else "ONNX model that OpenVINO can read"
            raise UserError(f"{path} is not an {kind} ({type(error).__name__}); export it again") from error
        super().__init__(
            path,
            [_port(each) for each in self.model.inputs],
            [_port(each) for each in self.model.outputs],
            _metadata(path, self.model),
            files,
        )
        self._index = {port.name: index for index, port in enumerate(map(_port, self.model.inputs))}

    def _run(self, images: Array, others: Mapping[str, Array]) -> Sequence[Array]:
        inputs = {self._index[name]: array for name, array in {self.image.name: images, **others}.items()}
        answers = self._compiled(inputs)
        # Copies: the next call writes to the same memory.
        return [np.array(answers[index]) for index in range(len(self.outputs))]

    @property
    def nms(self) -> Nms | None:
        operations = self.model.get_ordered_ops()
        kinds = [each.get_type_name() for each in operations]
        if "NonMaxSuppression" not in kinds:
            return None
        node = [each for each, kind in zip(operations, kinds, strict=True) if kind == "NonMaxSuppression"][-1]
        compared = [
            _constant(each, index)
            for each, kind in zip(operations, kinds, strict=True)
            if kind in {"Greater", "GreaterEqual", "Less", "LessEqual"}
            for index in (0, 1)
        ]
        scores = [value for value in (*compared, _constant(node, 4)) if value is not None and 0 < value < 1]
        most = _constant(node, 2)
        return Nms(
            max(scores, default=None),
            _constant(node, 3),
            int(most) if most is not None and 0 < most < 100_000 else None,
        )


def _fixed(shape: Sequence[int | None], imgsz: int) -> list[int]:
    defaults = (1, imgsz, imgsz, 3) if shape[-1] == 3 else (1, 3, imgsz, imgsz)
    return [default if size is None else size for size, default in zip(shape, defaults, strict=True)]


def _constant(node: Any, index: int) -> float | None:
    """Return an operation's input if it is a constant of one number."""
    if index >= node.get_input_size():
        return None
    source = node.input_value(index).get_node()
    while source.get_type_name() in {"Convert", "Unsqueeze", "Squeeze", "Reshape"}:
        source = source.input_value(0).get_node()
    if source.get_type_name() != "Constant" or source.data.size != 1:
        return None
    return float(source.data.reshape(-1)[0])


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
    for beside in _beside(path):
        written = read_yaml(beside)
        if not isinstance(written, dict):
            raise UserError(f"{beside} is no map of metadata; restore it, or remove it and give names=")
        content |= written
    return content


def _beside(path: Path) -> list[Path]:
    """Return the YAML of an export's metadata, if there is one."""
    beside = path.with_name("metadata.yaml")
    return [beside] if path.suffix.lower() == ".xml" and beside.is_file() else []
