"""SGZ on a CPU from 8-bit image to 8-bit image: network, enlargement, curve and rounding in machine code."""

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
_ALL_OF_ONE = np.array([1, 0], dtype=np.float32)
_held = local()  # each thread's buffers, since new memory costs as much as the sums of a small image
_BAND = 64  # rows that a thread enhances at a time
_ROWS = 256  # of a tile, at most: what two neighbours both compute is then a twentieth


def can_be_fused(enhancer: Enhancer) -> bool:
    """Whether an enhancer is SGZ's network and curve, and nothing that somebody made of them."""
    own = ("enhance", "factors", "forward", "enhance_image")
    return (
        isinstance(enhancer, Sgz)
        and all(getattr(type(enhancer), name) is getattr(Sgz, name) for name in own)
        and type(enhancer.network) is FactorNetwork
    )


class Fused(Engine):
    """SGZ or Zero-DCE++ with as many threads as PyTorch has; the number of threads changes no bit.

    The factor map differs from PyTorch's by up to about 4e-7, since sums are taken in another order and with fused
    multiply-adds, and the curve's last bits do; of the bytes, a few in a million then differ by one level.

    Args:
        enhancer: one that :func:`can_be_fused`.
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
            bend(part.reshape(-1), factors.reshape(-1), factors.reshape(-1), _ALL_OF_ONE, bent.reshape(-1))
            out[rows, columns] = bent

        self._factors(image, 255, threads, finish)
        return out

    def _from_small(self, image: Image, threads: int) -> Image:
        from sgz_bench.core.compiled import in_threads

        from .kernels import enhance_rows, widen

        height, width = image.shape[:2]
        small = _reduced(image, self._scale)
        factors = np.empty_like(small)

        def keep(rows: slice, columns: slice, found: Floats) -> None:
            factors[rows, columns] = found.reshape(found.shape[0], -1, 3)

        self._factors(small, 1, threads, keep)
        xs, x_shares = _places(width, small.shape[1], self._scale)
        channels = np.arange(3, dtype=np.uint64)
        first = (np.uint64(3) * xs[:, None] + channels).reshape(-1)
        second = (
            np.uint64(3) * np.minimum(xs + np.uint64(1), np.uint64(small.shape[1] - 1))[:, None] + channels
        ).reshape(-1)
        wide = np.empty((len(small), 3 * width), dtype=np.float32)
        widen(factors.reshape(len(small), -1), first, second, np.repeat(x_shares, 3), wide)
        ys, y_shares = _places(height, small.shape[0], self._scale)
        flat, out = image.reshape(height, -1), np.empty_like(image)

        def enhance(rows: slice) -> None:
            enhance_rows(flat[rows], wide, ys[rows], y_shares[rows], out.reshape(height, -1)[rows])

        bands = (slice(top, min(top + _BAND, height)) for top in range(0, height, _BAND))
        in_threads(enhance, bands, threads)
        return out

    def _factors(
        self, image: Image | Floats, white: float, threads: int, finish: Callable[[slice, slice, Floats], None]
    ) -> None:
        """The factor map tile by tile; ``finish`` is told a tile's rows, columns and factors, ``(h, 3 · w)``."""
        from sgz_bench.core.compiled import in_threads

        from .kernels import RING, SCRATCH, factors

        def work(tile: tuple[slice, slice]) -> None:
            rows, columns = tile
            if not hasattr(_held, "ring"):
                _held.ring, _held.scratch = _aligned(RING), _aligned(SCRATCH)
            found = np.empty((rows.stop - rows.start, 3 * (columns.stop - columns.start)), dtype=np.float32)
            factors(
                image, np.float32(white), rows.start, rows.stop, columns.start, columns.stop, *self._weights,
                _held.ring, _held.scratch, found,
            )  # fmt: skip
            finish(rows, columns, found)

        tiles = _tiles(image.shape[0], image.shape[1], threads)
        in_threads(work, tiles, threads)


def _aligned(count: int) -> Floats:
    """Zeros that begin where a line of the cache does, so that no vector lies across two."""
    zeros = np.zeros(count + 16, dtype=np.float32)
    first = -zeros.ctypes.data % 64 // 4
    return zeros[first : first + count]


def _tiles(height: int, width: int, threads: int) -> Iterator[tuple[slice, slice]]:
    """Tiles of like size that leave no thread idle and waste few columns of the kernel's vectors."""
    from .kernels import MOST
    from .vector import LANES

    def computed(count: int) -> int:  # columns that so many tiles compute
        return count * -(-(-(-width // count) + 2 * REACH) // LANES) * LANES

    fewest = -(-width // (MOST - 2 * REACH))
    across = min(range(fewest, fewest + 3), key=computed)
    down = max(-(-height // _ROWS), -(-threads // across))
    down = min(-(-down * across // threads) * threads // across or 1, height)  # whole rounds, where they can be
    for top, bottom in _cuts(height, down):
        for left, right in _cuts(width, min(across, width)):
            yield slice(top, bottom), slice(left, right)


def _cuts(length: int, parts: int) -> Iterator[tuple[int, int]]:
    edges = [length * place // parts for place in range(parts + 1)]
    return pairwise(edges)


def _reduced(image: Image, scale: int) -> Floats:
    """``(h, w, 3)`` float32 in [0, 1] as :func:`..sgz.network.factor_map` reduces it, to the last two bits."""

    def places(length: int, shift: int) -> NDArray[np.intp]:
        count = -(-length // scale)
        return np.minimum(scale * np.arange(count) + shift, length - 1)

    def seen(dy: int, dx: int) -> Floats:
        rows, columns = places(image.shape[0], dy), places(image.shape[1], dx)
        return image[rows[:, None], columns].astype(np.float32) / np.float32(255)

    middle = scale // 2
    if scale % 2:
        return seen(middle, middle)
    corners = [seen(y, x) for y in (middle - 1, middle) for x in (middle - 1, middle)]
    total: Floats = ((corners[0] + corners[1]) + corners[2]) + corners[3]
    return total * np.float32(0.25)  # a power of two: where it is applied changes no bit


def _places(length: int, small: int, scale: int) -> tuple[NDArray[np.uint64], Floats]:
    """Where each row (or column) lies in a map that is ``scale`` times smaller, corners aligned: before, and share."""
    padded = small * scale
    step = np.float32(small - 1) / np.float32(padded - 1) if padded > 1 else np.float32(0)
    real = step * np.arange(length, dtype=np.float32)
    before = np.minimum(real.astype(np.uint64), np.uint64(small - 1))  # unsigned: no place is counted from the end
    return before, (real - before.astype(np.float32)).astype(np.float32)


def _packed(network: FactorNetwork) -> tuple[Floats, Floats, Floats, Floats]:
    """The weights in the order in which :func:`.kernels.factors` reads them."""
    depth = np.zeros((7, 2 * WIDTH, 10), dtype=np.float32)
    point = np.zeros((6, 2 * WIDTH, WIDTH), dtype=np.float32)
    bias = np.zeros((7, WIDTH), dtype=np.float32)
    last = np.zeros((2 * WIDTH, 3), dtype=np.float32)
    for place in range(7):
        layer = cast(SeparableConv, network.get_submodule(f"e_conv{place + 1}"))
        weights = {name: tensor.detach().cpu().float().numpy() for name, tensor in layer.state_dict().items()}
        inputs, outputs = weights["point_conv.weight"].shape[1::-1]
        depth[place, :inputs, :9] = weights["depth_conv.weight"].reshape(inputs, 9)
        depth[place, :inputs, 9] = weights["depth_conv.bias"]
        bias[place, :outputs] = weights["point_conv.bias"]
        (last if place == 6 else point[place])[:inputs] = weights["point_conv.weight"][:, :, 0, 0].T
    return depth.reshape(-1), point.reshape(-1), bias.reshape(-1), last.reshape(-1)
