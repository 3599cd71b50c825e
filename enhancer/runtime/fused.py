"""Engine ``fused``: SGZ on a CPU from 8-bit image to 8-bit image; network, upsampling and curve in machine code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from threading import local
from typing import ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray

from sgz_bench.core.images import Image

from ..base import Engine, Enhancer
from ..sgz.enhancer import Sgz
from ..sgz.network import REACH, WIDTH, FactorNetwork, SeparableConv

Floats = NDArray[np.float32]
_FIRST_ONLY = np.array([1, 0], dtype=np.float32)
_buffers = local()  # one set per thread: allocating memory takes as long as computing a small image
_BAND = 64  # rows that a thread enhances at a time
_ROWS = 256  # largest height of a tile: neighbouring tiles then share a twentieth of their work


def can_be_fused(enhancer: Enhancer) -> bool:
    """Check that an enhancer is SGZ's unmodified network and curve, not a subclass that overrides parts of them."""
    methods = ("enhance", "factors", "forward", "enhance_image")
    return (
        isinstance(enhancer, Sgz)
        and all(getattr(type(enhancer), name) is getattr(Sgz, name) for name in methods)
        and type(enhancer.network) is FactorNetwork
    )


class Fused(Engine):
    """SGZ or Zero-DCE++ with as many threads as PyTorch has; their number does not change the result.

    Sums are in another order than PyTorch's and use fused multiply-adds. The factor map therefore differs by up to
    about 4e-7, and a few output bytes in a million differ by one level.

    Args:
        enhancer: an enhancer that passes :func:`can_be_fused`.
    """

    name: ClassVar[str] = "fused"
    packages: ClassVar[tuple[str, ...]] = ("numba",)

    def __init__(self, enhancer: Enhancer) -> None:
        sgz = cast(Sgz, enhancer)
        self._scale = sgz.scale
        self._weights = _packed(sgz.network)

    def __call__(self, image: Image) -> Image:
        return self._run(image, torch.get_num_threads())

    def in_one_thread(self) -> Callable[[Image], Image]:
        return partial(self._run, threads=1)

    def _run(self, image: Image, threads: int) -> Image:
        image = np.ascontiguousarray(image)
        return self._whole(image, threads) if self._scale == 1 else self._from_small(image, threads)

    def _whole(self, image: Image, threads: int) -> Image:
        from .kernels import bend

        out = np.empty_like(image)

        def finish(rows: slice, columns: slice, factors: Floats) -> None:
            part = np.ascontiguousarray(image[rows, columns])
            bent = np.empty_like(part)
            bend(part.reshape(-1), factors.reshape(-1), factors.reshape(-1), _FIRST_ONLY, bent.reshape(-1))
            out[rows, columns] = bent

        self._factors(image, 255, threads, finish)
        return out

    def _from_small(self, image: Image, threads: int) -> Image:
        from sgz_bench.core.compiled import in_threads

        from .kernels import enhance_rows, widen

        height, width = image.shape[:2]
        small = _reduced(image, self._scale)
        factors = np.empty_like(small)

        def store(rows: slice, columns: slice, part: Floats) -> None:
            factors[rows, columns] = part.reshape(part.shape[0], -1, 3)

        self._factors(small, 1, threads, store)
        xs, x_shares = _positions(width, small.shape[1], self._scale)
        channels = np.arange(3, dtype=np.uint64)
        first = (np.uint64(3) * xs[:, None] + channels).reshape(-1)
        second = (
            np.uint64(3) * np.minimum(xs + np.uint64(1), np.uint64(small.shape[1] - 1))[:, None] + channels
        ).reshape(-1)
        wide = np.empty((len(small), 3 * width), dtype=np.float32)
        widen(factors.reshape(len(small), -1), first, second, np.repeat(x_shares, 3), wide)
        ys, y_shares = _positions(height, small.shape[0], self._scale)
        flat, out = image.reshape(height, -1), np.empty_like(image)

        def enhance(rows: slice) -> None:
            enhance_rows(flat[rows], wide, ys[rows], y_shares[rows], out.reshape(height, -1)[rows])

        bands = (slice(top, min(top + _BAND, height)) for top in range(0, height, _BAND))
        in_threads(enhance, bands, threads)
        return out

    def _factors(
        self, image: Image | Floats, white: float, threads: int, finish: Callable[[slice, slice, Floats], None]
    ) -> None:
        """Compute the factor map tile by tile.

        Args:
            image: ``(H, W, 3)``, uint8 or float32.
            white: value of white in the image.
            threads: number of threads.
            finish: called with each tile's rows, columns and factors ``(h, 3 · w)``.
        """
        from sgz_bench.core.compiled import in_threads

        from .kernels import RING, SCRATCH, factors

        def work(tile: tuple[slice, slice]) -> None:
            rows, columns = tile
            if not hasattr(_buffers, "ring"):
                _buffers.ring, _buffers.scratch = _aligned(RING), _aligned(SCRATCH)
            part = np.empty((rows.stop - rows.start, 3 * (columns.stop - columns.start)), dtype=np.float32)
            factors(
                image, np.float32(white), rows.start, rows.stop, columns.start, columns.stop, *self._weights,
                _buffers.ring, _buffers.scratch, part,
            )  # fmt: skip
            finish(rows, columns, part)

        tiles = _tiles(image.shape[0], image.shape[1], threads)
        in_threads(work, tiles, threads)


def _aligned(count: int) -> Floats:
    """Return zeros aligned to a cache line, so that no vector crosses two lines."""
    zeros = np.zeros(count + 16, dtype=np.float32)
    first = -zeros.ctypes.data % 64 // 4
    return zeros[first : first + count]


def _tiles(height: int, width: int, threads: int) -> Iterator[tuple[slice, slice]]:
    """Yield tiles of similar size that keep all threads busy and waste few columns of the kernel's vectors."""
    from .kernels import MOST
    from .vector import LANES

    def computed(count: int) -> int:  # columns that ``count`` tiles compute, in whole vectors
        return count * -(-(-(-width // count) + 2 * REACH) // LANES) * LANES

    fewest = -(-width // (MOST - 2 * REACH))
    across = min(range(fewest, fewest + 3), key=computed)
    down = max(-(-height // _ROWS), -(-threads // across))
    down = min(
        -(-down * across // threads) * threads // across or 1, height
    )  # whole rounds of all threads, where possible
    for top, bottom in _cuts(height, down):
        for left, right in _cuts(width, min(across, width)):
            yield slice(top, bottom), slice(left, right)


def _cuts(length: int, parts: int) -> Iterator[tuple[int, int]]:
    """Yield start and stop of ``parts`` nearly equal ranges that cover ``length``."""
    edges = [length * index // parts for index in range(parts + 1)]
    return pairwise(edges)


def _reduced(image: Image, scale: int) -> Floats:
    """Downsample as :func:`..sgz.network.factor_map` does, up to the last two bits: ``(h, w, 3)`` float32 in [0, 1]."""

    def indices(length: int, shift: int) -> NDArray[np.intp]:
        count = -(-length // scale)
        return np.minimum(scale * np.arange(count) + shift, length - 1)

    def sampled(dy: int, dx: int) -> Floats:
        rows, columns = indices(image.shape[0], dy), indices(image.shape[1], dx)
        return image[rows[:, None], columns].astype(np.float32) / np.float32(255)

    middle = scale // 2
    if scale % 2:
        return sampled(middle, middle)
    corners = [sampled(y, x) for y in (middle - 1, middle) for x in (middle - 1, middle)]
    total: Floats = ((corners[0] + corners[1]) + corners[2]) + corners[3]
    return total * np.float32(0.25)  # a power of two: the order of scaling and summing changes no bit


def _positions(length: int, small: int, scale: int) -> tuple[NDArray[np.uint64], Floats]:
    """Map rows (or columns) to a map that is ``scale`` times smaller, corners aligned.

    Returns:
        Index of the preceding row of the smaller map, and the weight of the row after it in [0, 1], ``(length,)`` each.
    """
    padded = small * scale
    step = np.float32(small - 1) / np.float32(padded - 1) if padded > 1 else np.float32(0)
    real = step * np.arange(length, dtype=np.float32)
    before = np.minimum(
        real.astype(np.uint64), np.uint64(small - 1)
    )  # unsigned: the kernel need not handle negative indices
    return before, (real - before.astype(np.float32)).astype(np.float32)


def _packed(network: FactorNetwork) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the weights in the order in which :func:`.kernels.factors` reads them."""
    depth = np.zeros((7, 2 * WIDTH, 10), dtype=np.float32)
    point = np.zeros((6, 2 * WIDTH, WIDTH), dtype=np.float32)
    bias = np.zeros((7, WIDTH), dtype=np.float32)
    last = np.zeros((2 * WIDTH, 3), dtype=np.float32)
    for index in range(7):
        layer = cast(SeparableConv, network.get_submodule(f"e_conv{index + 1}"))
        weights = {name: tensor.detach().cpu().float().numpy() for name, tensor in layer.state_dict().items()}
        inputs, outputs = weights["point_conv.weight"].shape[1::-1]
        depth[index, :inputs, :9] = weights["depth_conv.weight"].reshape(inputs, 9)
        depth[index, :inputs, 9] = weights["depth_conv.bias"]
        bias[index, :outputs] = weights["point_conv.bias"]
        (last if index == 6 else point[index])[:inputs] = weights["point_conv.weight"][:, :, 0, 0].T
    return depth.reshape(-1), point.reshape(-1), bias.reshape(-1), last.reshape(-1)
