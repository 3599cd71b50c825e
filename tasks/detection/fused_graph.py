"""One ONNX graph of an enhancer, a detector's resizing, and the detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.sessions import require_package
from sgz_bench.enhancer.base import Enhancer
from sgz_bench.enhancer.runtime.export import OPSET, to_onnx

_EXPORTABLE = 20  # highest opset of PyTorch's exporter
IMAGE, LETTERBOX, INPUT = "image", "letterbox", "sgz_bench_input"


@dataclass(frozen=True)
class DetectorInput:
    """Input of an exported detector, and the way from an image to it.

    Attributes:
        path: ``.onnx`` file.
        port: name of the image input.
        size: height and width, pixels.
        resize: ``letterbox`` (centred), ``corner`` or ``stretch``.
        stride: pad only to multiples of this; None pads to ``size``.
        pad: value of padding, 0–255.
        bgr: channels are blue, green, red.
        scale: 8-bit values are divided by this.
        mean, std: subtracted and divided by after that.
        channels_last: True for ``(1, h, w, 3)``.
        dtype: NumPy's name of the type.
    """

    path: Path
    port: str
    size: tuple[int, int]
    resize: str
    stride: int | None = None
    pad: int = 114
    bgr: bool = False
    scale: float = 255
    mean: tuple[float, ...] = (0, 0, 0)
    std: tuple[float, ...] = (1, 1, 1)
    channels_last: bool = False
    dtype: str = "float32"


def fuse(enhancer: Enhancer, taken: DetectorInput) -> Any:
    """Return the ``onnx.ModelProto`` from an image to the detector's outputs and the mapping of its letterbox.

    The graph takes ``image``, RGB ``(1, 3, H, W)`` float32 in [0, 1], enhances it at full size, rounds to 8 bits as a
    saved image would be, resizes (bilinear) and pads it, and runs the detector. Outputs are those of the detector, in
    pixels of its input, and ``letterbox``: scale across, scale down, left, top; image = (input − offset) / scale.

    Raises:
        UserError: a graph cannot be read, converted or merged.
    """
    onnx = require_package("onnx", "a fused export")
    try:
        detector = onnx.load(str(taken.path))
    except Exception as error:  # protobuf's errors, or missing external weights
        raise UserError(
            f"{taken.path} is not a readable ONNX model ({type(error).__name__}); export it again"
        ) from error
    opset = max(OPSET, _opset(detector))
    detector = _converted(onnx, detector, opset, str(taken.path))
    graph = to_onnx(enhancer, opset=min(opset, _EXPORTABLE))
    first = _converted(onnx, onnx.load_model_from_string(graph), opset, enhancer.spec)
    try:
        first = onnx.compose.add_prefix(first, "enhancer/")
        second = onnx.compose.add_prefix(detector, "detector/")
        glue = _Glue(onnx, taken)
        glue.add("enhancer/enhanced", f"detector/{taken.port}")
        outputs = [_renamed(onnx, each) for each in second.graph.output]
        ends = [
            onnx.helper.make_node("Identity", [each.name], [named.name])
            for each, named in zip(second.graph.output, outputs, strict=True)
        ]
        image = onnx.helper.make_tensor_value_info(IMAGE, onnx.TensorProto.FLOAT, [1, 3, "height", "width"])
        outputs.append(onnx.helper.make_tensor_value_info(LETTERBOX, onnx.TensorProto.FLOAT, [4]))
        start = [onnx.helper.make_node("Identity", [IMAGE], ["enhancer/image"])]
        fused = onnx.helper.make_graph(
            [*start, *first.graph.node, *glue.nodes, *second.graph.node, *ends],
            "sgz_bench_fused",
            [image],
            outputs,
            [*first.graph.initializer, *glue.constants, *second.graph.initializer],
        )
        fused.sparse_initializer.extend(second.graph.sparse_initializer)
        imports = {each.domain: each for each in (*second.opset_import, *first.opset_import)}
        model = onnx.helper.make_model(fused, opset_imports=list(imports.values()), producer_name="sgz-bench")
        model.ir_version = max(8, detector.ir_version)
        model.functions.extend([*first.functions, *second.functions])
        return model
    except UserError:
        raise
    except Exception as error:  # onnx raises many classes
        raise UserError(f"{enhancer.spec} and {taken.path} cannot be merged ({in_one_line(error)[:200]})") from error


class _Glue:
    """Nodes from the enhanced image in [0, 1] to the detector's input."""

    def __init__(self, onnx: Any, taken: DetectorInput) -> None:
        self._onnx, self._taken = onnx, taken
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, enhanced: str, target: str) -> None:
        taken = self._taken
        levels = self._op("Round", self._op("Mul", enhanced, self._number(255.0)))
        shape = self._op("Shape", levels)
        sides = [self._op("Cast", self._op("Gather", shape, self._ints([axis])), to=11) for axis in (2, 3)]  # double
        full = [self._number(float(side), np.float64, 1) for side in taken.size]
        one = self._number(1.0, np.float64, 1)
        if taken.resize == "stretch":
            fit = full
            scales = [self._op("Div", full[axis], sides[axis]) for axis in (1, 0)]
        else:
            ratio = self._op("Min", *(self._op("Div", full[axis], sides[axis]) for axis in (0, 1)))
            rounding = "Floor" if taken.resize == "corner" else "Round"
            fit = [self._op("Max", self._op(rounding, self._op("Mul", side, ratio)), one) for side in sides]
            scales = [ratio, ratio]
            if taken.resize == "letterbox":
                scales = [self._op("Div", fit[axis], sides[axis]) for axis in (1, 0)]
        sizes = self._op("Concat", self._ints([1, 3]), *(self._op("Cast", side, to=7) for side in fit), axis=0)
        resized = self._op("Resize", levels, "", "", sizes, mode="linear", coordinate_transformation_mode="half_pixel")
        values = self._op("Round", resized)
        zero = self._number(0.0, np.float64, 1)
        start = [zero, zero]
        if taken.resize != "stretch":
            pads = [self._op("Sub", whole, side) for whole, side in zip(full, fit, strict=True)]
            if taken.stride is not None:
                stride = self._number(float(taken.stride), np.float64, 1)
                pads = [self._op("Mod", pad, stride, fmod=1) for pad in pads]
            if taken.resize == "letterbox":
                half, tenth = self._number(0.5, np.float64, 1), self._number(0.1, np.float64, 1)
                start = [self._op("Round", self._op("Sub", self._op("Mul", pad, half), tenth)) for pad in pads]
                start = [self._op("Max", each, zero) for each in start]
            end = [self._op("Sub", pad, first) for pad, first in zip(pads, start, strict=True)]
            nothing = self._ints([0, 0])
            amounts = [self._op("Cast", each, to=7) for each in (*start, *end)]
            pairs = self._op("Concat", nothing, *amounts[:2], nothing, *amounts[2:], axis=0)
            values = self._op("Pad", values, pairs, self._number(float(taken.pad)))
        self.nodes.append(self._onnx.helper.make_node("Identity", [values], [INPUT]))
        values = INPUT
        if taken.bgr:
            values = self._op("Gather", values, self._ints([2, 1, 0]), axis=1)
        if taken.scale != 1:
            values = self._op("Div", values, self._number(taken.scale))
        if any(taken.mean):
            values = self._op("Sub", values, self._channels(taken.mean))
        if any(each != 1 for each in taken.std):
            values = self._op("Div", values, self._channels(taken.std))
        if taken.channels_last:
            values = self._op("Transpose", values, perm=[0, 2, 3, 1])
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(taken.dtype))
        self.nodes.append(self._onnx.helper.make_node("Cast", [values], [target], to=kind))
        order = [*scales, start[1], start[0]]
        mapping = self._op("Cast", self._op("Concat", *order, axis=0), to=1)
        self.nodes.append(self._onnx.helper.make_node("Identity", [mapping], [LETTERBOX]))

    def _op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"letterbox/{kind}_{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def _constant(self, array: Any) -> str:
        name = f"letterbox/constant_{len(self.constants)}"
        self.constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def _number(self, value: float, dtype: Any = np.float32, length: int = 0) -> str:
        return self._constant(np.full((length,) if length else (), value, dtype=dtype))

    def _ints(self, values: Sequence[int]) -> str:
        return self._constant(np.array(values, dtype=np.int64))

    def _channels(self, values: Sequence[float]) -> str:
        return self._constant(np.array(values, dtype=np.float32).reshape(1, 3, 1, 1))


def _opset(model: Any) -> int:
    return next((int(each.version) for each in model.opset_import if each.domain in {"", "ai.onnx"}), 0)


def _converted(onnx: Any, model: Any, opset: int, name: str) -> Any:
    """Return the model in another opset of ONNX's own domain.

    Raises:
        UserError: an operator has no counterpart.
    """
    if _opset(model) == opset:
        return model
    inputs = [each for each in model.graph.input if each.name not in {item.name for item in model.graph.initializer}]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, 4)  # weights are no inputs any more
    try:
        return onnx.version_converter.convert_version(model, opset)
    except Exception as error:  # the converter raises RuntimeError and others
        raise UserError(
            f"{name} cannot be converted from opset {_opset(model)} to {opset} ({in_one_line(error)[:160]}); "
            f"export it with opset {opset}"
        ) from error


def _renamed(onnx: Any, output: Any) -> Any:
    named = onnx.ValueInfoProto()
    named.CopyFrom(output)
    named.name = output.name.removeprefix("detector/")
    if named.name in {IMAGE, LETTERBOX, INPUT}:
        raise UserError(f"the detector has an output called {named.name!r}; rename it")
    return named
