"""Engines ``onnxruntime`` and ``openvino``: an enhancer's exported graph on a CPU."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import Image
from sgz_bench.core.sessions import OpenvinoCpu, onnxruntime_session

from ..base import Engine, Enhancer
from .export import to_onnx
from .tiling import in_tiles

Floats = NDArray[np.float32]


class _Graph(Engine):
    """A graph on whole images, or on tiles of one size if an output pixel depends on nearby pixels only.

    Attributes:
        tile: rows and columns of a tile's result that are kept.
    """

    tile: ClassVar[int]

    def __init__(self, enhancer: Enhancer) -> None:
        self._enhancer, self._reach = enhancer, enhancer.reach
        self._load(to_onnx(enhancer, clip=False))

    def __call__(self, image: Image) -> Image:
        return self._whole(image) if self._reach is None else in_tiles(image, self.tile, self._reach, self._whole)

    def _whole(self, image: Image) -> Image:
        from .kernels import to_levels, to_planes

        # Converted without PyTorch, whose threads would keep spinning beside those of the graph.
        planes = np.empty((1, 3, *image.shape[:2]), dtype=np.float32)
        enhanced = np.empty(image.shape, dtype=np.uint8)
        to_planes(image, planes[0])
        try:
            result = self._run(planes)
        except Exception as error:  # the runtime's message may be pages long
            size = " × ".join(map(str, image.shape[:2]))
            raise UserError(f"{self.name} cannot run {self._enhancer.spec} at {size}; use --engine eager") from error
        self._enhancer.refuse(result.shape, planes.shape, finite=bool(np.isfinite(result).all()))
        to_levels(result[0], enhanced)
        return enhanced

    @abstractmethod
    def _load(self, graph: bytes) -> None:
        """Prepare a serialised ONNX model for :meth:`_run`."""

    @abstractmethod
    def _run(self, image: Floats) -> Floats:
        """Enhance ``(1, 3, H, W)`` float32 in [0, 1], without clipping; the result is valid until the next call."""


class OnnxRuntime(_Graph):
    """ONNX Runtime's CPU provider, fp32, with as many threads as PyTorch has."""

    name: ClassVar[str] = "onnxruntime"
    packages: ClassVar[tuple[str, ...]] = ("onnx", "onnxruntime")
    tile: ClassVar[int] = 256

    def _load(self, graph: bytes) -> None:
        self._session: Any = onnxruntime_session(graph, "the engine onnxruntime", threads=torch.get_num_threads())

    def _run(self, image: Floats) -> Floats:
        output: Floats = self._session.run(None, {"image": image})[0]
        return output


class OpenVino(_Graph):
    """OpenVINO's CPU plugin with as many threads as PyTorch has.

    Tiles use a graph compiled for their size, which takes a tenth less time than one of dynamic size.

    Args:
        enhancer: the enhancer to run.
        precision: ``fp32`` or ``bf16``.
    """

    name: ClassVar[str] = "openvino"
    packages: ClassVar[tuple[str, ...]] = ("onnx", "openvino")
    tile: ClassVar[int] = 192

    def __init__(self, enhancer: Enhancer, precision: str = "fp32") -> None:
        self.precision = precision
        super().__init__(enhancer)

    def _load(self, graph: bytes) -> None:
        self._openvino = OpenvinoCpu("the engine openvino", self.precision)
        self._graph: bytes = graph
        self._requests: dict[tuple[int, ...] | None, Any] = {}  # by input size; None: dynamic size

    def _run(self, image: Floats) -> Floats:
        side = self.tile + 2 * (self._reach or 0)
        size = (1, 3, side, side) if self._reach is not None and image.shape[2:] == (side, side) else None
        if size not in self._requests:
            self._requests[size] = self._request(size)
        output: Floats = self._requests[size].infer({0: image}, share_inputs=True, share_outputs=True)[0]
        return output

    def _request(self, size: tuple[int, ...] | None) -> Any:
        model = self._openvino.read(self._graph)
        if size is not None:
            model.reshape(list(size))
        return self._openvino.compile(model).create_infer_request()
