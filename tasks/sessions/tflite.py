"""A TensorFlow Lite (LiteRT) file in ai-edge-litert."""

from __future__ import annotations

import ast
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sgz_bench.core.errors import UserError
from sgz_bench.core.sessions import require_package

from .base import Array, Port, Session, reason

_LARGEST_ENTRY = 1 << 22  # bytes of metadata


class TfliteSession(Session):
    """A TensorFlow Lite interpreter on the CPU, with as many threads as PyTorch has.

    Quantised inputs and outputs are floats to the caller. Metadata are the archive that Ultralytics appends to the
    file: ``metadata.json``, or in older exports a text in Python's notation; a label file of other exporters is read
    as class names.

    Args:
        path: ``.tflite`` file.

    Raises:
        UserError: ai-edge-litert is not installed, or the file is no model that it can run on images.
    """

    packages: tuple[str, ...] = ("ai-edge-litert",)

    def __init__(self, path: Path) -> None:
        litert = require_package("ai_edge_litert.interpreter", f"{path}")
        try:
            self._interpreter: Any = litert.Interpreter(str(path), num_threads=torch.get_num_threads())
            self._interpreter.allocate_tensors()
        except Exception as error:  # ValueError for damage, RuntimeError for operators
            raise UserError(f"{path} {_fault(path, error)}") from error
        self._inputs, self._outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        inputs, outputs = ([_port(each) for each in details] for details in (self._inputs, self._outputs))
        super().__init__(path, inputs, outputs, _metadata(path), [path])
        self._input = next(each for each in self._inputs if each["name"] == self.image.name)
        self._size = tuple(int(side) for side in self._input["shape"])

    def _run(self, images: Array, others: Mapping[str, Array]) -> Sequence[Array]:
        if self._size != images.shape:
            self._interpreter.resize_tensor_input(self._input["index"], images.shape)
            self._interpreter.allocate_tensors()
            self._size = images.shape
        arrays = {self.image.name: images, **others}
        for each in self._inputs:
            self._interpreter.set_tensor(each["index"], _quantised(arrays[each["name"]], each))
        self._interpreter.invoke()
        return [_floats(self._interpreter.get_tensor(each["index"]), each) for each in self._outputs]


def _port(details: Mapping[str, Any]) -> Port:
    signature = details.get("shape_signature")
    sizes = details["shape"] if signature is None or len(signature) != len(details["shape"]) else signature
    dtype = "float32" if _is_quantised(details) else np.dtype(details["dtype"]).name
    return Port(details["name"], tuple(int(size) if size > 0 else None for size in sizes), dtype)


def _is_quantised(details: Mapping[str, Any]) -> bool:
    return details["dtype"] in {np.int8, np.uint8, np.int16} and details["quantization"][0] > 0


def _quantised(images: Array, details: Mapping[str, Any]) -> Array:
    if not _is_quantised(details):
        return images
    scale, zero = details["quantization"]
    limits = np.iinfo(details["dtype"])
    return np.asarray(np.clip(np.rint(images / scale + zero), limits.min, limits.max), dtype=details["dtype"])


def _floats(array: Array, details: Mapping[str, Any]) -> Array:
    if not _is_quantised(details):
        return array
    scale, zero = details["quantization"]
    return (array.astype(np.float32) - np.float32(zero)) * np.float32(scale)


def _metadata(path: Path) -> dict[str, Any]:
    """Return the metadata appended to a file, empty if there are none that can be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename: entry for entry in archive.infolist() if entry.file_size <= _LARGEST_ENTRY}
            labels = [name for name in entries if "label" in name.lower() and name.endswith(".txt")]
            if "metadata.json" in entries:
                return dict(json.loads(archive.read("metadata.json")))
            if labels:
                return {"names": archive.read(labels[0]).decode().split("\n")}
            return dict(ast.literal_eval(archive.read(next(iter(entries))).decode())) if entries else {}
    except Exception:  # archives and texts may be damaged in a dozen ways; a model without metadata is told later
        return {}


def _fault(path: Path, error: Exception) -> str:
    text = str(error)
    if "edgetpu" in f"{path.name}{text}".lower():
        return "is for an Edge TPU, which is not supported; give the .tflite from before the Edge TPU compiler"
    if "custom op" in text.lower() or "unresolved" in text.lower() or "Flex" in text:
        return f"has operators that TensorFlow Lite lacks here ({reason(error)}); export it without them"
    return f"is not a readable TensorFlow Lite model ({type(error).__name__}); export it again"
