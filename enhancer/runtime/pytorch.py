"""Engines ``torch`` and ``compile``: channels-last layout, tiles that fit the cache, lower precision, compilation."""

from __future__ import annotations

import copy
import logging
from typing import ClassVar

import torch
from torch import Tensor

from sgz_bench.core.images import Image, to_tensor, to_uint8

from ..base import Engine, Enhancer
from .tiling import in_tiles

TILE = 128  # rows and columns on a CPU: 32 channels are 2 MiB
_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Torch(Engine):
    """A network in channels-last layout; on a CPU in tiles if an output pixel depends on nearby pixels only.

    Args:
        enhancer: copied, not modified.
        device: the enhancer's device, ``cpu`` or ``cuda:N``.
        precision: ``fp32``, or ``bf16`` or ``fp16`` by autocast.
    """

    name: ClassVar[str] = "torch"

    def __init__(self, enhancer: Enhancer, device: str, precision: str) -> None:
        self.precision = precision
        self._device = device
        self._type = _TYPES.get(precision)
        self._reach = enhancer.reach if device == "cpu" else None
        self._enhancer = copy.deepcopy(enhancer).to(memory_format=torch.channels_last)

    def __call__(self, image: Image) -> Image:
        return self._whole(image) if self._reach is None else in_tiles(image, TILE, self._reach, self._whole)

    @torch.inference_mode()
    def _whole(self, image: Image) -> Image:
        picture = to_tensor(image, self._device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self._device.partition(":")[0], self._type, enabled=self._type is not None):
            enhanced = self._network(picture).float()
        self._enhancer.refuse(enhanced.shape, picture.shape, finite=bool(torch.isfinite(enhanced).all()))
        return to_uint8(enhanced)

    def _network(self, image: Tensor) -> Tensor:
        return self._enhancer.enhance(image)


class Compiled(Torch):
    """Engine ``torch`` by ``torch.compile``, which needs a C++ compiler on a CPU and half a minute for the first image.

    With tiling, the code is compiled for whole tiles; smaller images run without it.
    """

    name: ClassVar[str] = "compile"

    def __init__(self, enhancer: Enhancer, device: str, precision: str) -> None:
        super().__init__(enhancer, device, precision)
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it logs that CUDA is missing
        self._compiled = torch.compile(self._enhancer.enhance, dynamic=self._reach is None)

    def _network(self, image: Tensor) -> Tensor:
        whole_tile = self._reach is None or set(image.shape[2:]) == {TILE + 2 * self._reach}
        return self._compiled(image) if whole_tile else self._enhancer.enhance(image)
