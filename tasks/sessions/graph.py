"""Reading of an ONNX graph without running it: NMS inside it, and the files that hold its weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sgz_bench.core.errors import UserError

from .base import Nms

_SAME_VALUE = {"Cast", "Identity", "Unsqueeze", "Squeeze", "Reshape"}
_COMPARISONS = {"Greater", "GreaterOrEqual", "Less", "LessOrEqual"}
_LARGEST = 1 << 26  # bytes; a file with its weights elsewhere is smaller


def onnx_files(path: Path) -> list[Path]:
    """Return an ``.onnx`` file and the files that hold its weights.

    Raises:
        UserError: such a file is missing.
    """
    model = _load(path) if path.stat().st_size < _LARGEST else None
    tensors = model.graph.initializer if model is not None else []
    names = {entry.value for tensor in tensors for entry in tensor.external_data if entry.key == "location"}
    beside = sorted(path.parent / name for name in names)
    missing = [each.name for each in beside if not each.is_file()]
    if missing:
        raise UserError(f"{path} has its weights in {missing[0]}, which is not beside it; restore that file")
    return [path, *beside]


def onnx_nms(path: Path) -> Nms | None:
    """Return the thresholds of the last NMS inside an ONNX graph; None without NMS, or without the package ``onnx``."""
    model = _load(path)
    nodes = list(_nodes(model.graph)) if model is not None else []
    suppressions = [node for node in nodes if node.op_type == "NonMaxSuppression"]
    if model is None or not suppressions:
        return None
    values = {name: value for graph in _graphs(model.graph) for name, value in _constants(graph)}
    for node in nodes:
        if node.op_type in _SAME_VALUE and node.input and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]]
    inputs = [values.get(name) for name in suppressions[-1].input] + [None] * 5
    compared = [values.get(name) for node in nodes if node.op_type in _COMPARISONS for name in node.input]
    scores = [value for value in (*compared, inputs[4]) if value is not None and 0 < value < 1]
    most = inputs[2]
    limited = most is not None and 0 < most < 100_000
    return Nms(max(scores, default=None), inputs[3], int(most) if limited and most is not None else None)


def _load(path: Path) -> Any:
    """Return the model without its external weights, None if it cannot be read here."""
    try:
        import onnx

        return onnx.load(str(path), load_external_data=False)
    except Exception:  # not installed, or a file that only ONNX Runtime reads
        return None


def _graphs(graph: Any) -> Iterator[Any]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _nodes(graph: Any) -> Iterator[Any]:
    for each in _graphs(graph):
        yield from each.node


def _constants(graph: Any) -> Iterator[tuple[str, float]]:
    """Yield the names and values of a graph's constants of one number."""
    import onnx

    tensors = [(tensor.name, tensor) for tensor in graph.initializer]
    for node in graph.node:
        if node.op_type == "Constant":
            tensors += [(node.output[0], each.t) for each in node.attribute if each.HasField("t")]
    for name, tensor in tensors:
        size = 1
        for dimension in tensor.dims:
            size *= dimension
        if size == 1 and not tensor.external_data:
            yield name, float(onnx.numpy_helper.to_array(tensor).reshape(-1)[0])
