"""Networks with a known answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SIDE = 64
Graph = Callable[..., Path]


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    """``graph(name=array, …)`` writes a network that answers every image with these arrays.

    To each is added ``gain`` times the least value of the input.
    """
    onnx = pytest.importorskip("onnx")

    def write(
        side: int | None = SIDE,
        metadata: Mapping[str, str] | None = None,
        gain: float = 0,
        single: bool = False,
        others: Mapping[str, tuple[list[int], int]] | None = None,
        **outputs: np.ndarray[Any, Any],
    ) -> Path:
        helper, types = onnx.helper, onnx.TensorProto
        shape = [1, 3, side or "h", side or "w"][single:]
        inputs = [helper.make_tensor_value_info("images", types.FLOAT, shape)]
        inputs += [helper.make_tensor_value_info(name, kind, dims) for name, (dims, kind) in (others or {}).items()]
        nodes = [helper.make_node("ReduceMin", ["images"], ["least"], keepdims=0)]
        nodes += [helper.make_node("Mul", ["least", "zero"], ["nothing"])]
        constants = [onnx.numpy_helper.from_array(np.float32(gain), "zero")]
        declared = []
        for name, array in outputs.items():
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            constants.append(onnx.numpy_helper.from_array(array, f"{name}_value"))
            nodes.append(helper.make_node("Cast", ["nothing"], [f"{name}_nothing"], to=kind))
            nodes.append(helper.make_node("Add", [f"{name}_value", f"{name}_nothing"], [name]))
            declared.append(helper.make_tensor_value_info(name, kind, list(array.shape)))
        model = helper.make_model(
            helper.make_graph(nodes, "made", inputs, declared, constants),
            opset_imports=[helper.make_opsetid("", 13)],
            ir_version=8,
        )
        if metadata:
            helper.set_model_props(model, dict(metadata))
        path = tmp_path / "made.onnx"
        onnx.save(model, str(path))
        return path

    return write


@pytest.fixture
def names(tmp_path: Path) -> Path:
    path = tmp_path / "names.txt"
    path.write_text("cat\ndog\nowl\n", encoding="utf-8")
    return path
