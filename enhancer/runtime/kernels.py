"""Kernels of the engine ``fused``: SGZ's network row by row in buffers that fit the cache, and its curve in one pass.

No whole feature map exists: a tile's rows pass through all seven layers while they are in the second-level cache, and
each layer keeps only the rows that later layers read. Network and curve use fused multiply-adds, which round once where
PyTorch rounds twice.
"""

from __future__ import annotations

import numpy as np

from sgz_bench.core.compiled import compiled

from ..sgz.network import REACH, WIDTH
from .vector import LANES, OUTPUTS, bend_vectors, depthwise, pointwise_last, pointwise_one, pointwise_two

MOST = 448  # largest number of columns of a tile, including its halo
PITCH = MOST + 48  # floats between channels of a row: an odd number of cache lines, which avoids set conflicts
LEFT = LANES  # offset of a row's first column; columns left of it are never results
CHUNK = 6 * LANES  # columns whose depthwise results stay in the first-level cache

# Rows kept of the image and of layers 1 to 6, powers of two. Row y of layer l is computed at step y + l, and the skips
# (3, 4), (2, 5), (1, 6) read older rows.
KEPT = np.array([4, 8, 8, 4, 4, 4, 4], dtype=np.int64)
ROW = WIDTH * PITCH
FIRST = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(KEPT)[:-1]]) * ROW
RING = int(KEPT.sum()) * ROW
SCRATCH = 2 * WIDTH * CHUNK + 3 * PITCH

# Rational tanh: x·P(x²)/Q(x²), fitted to 1.2e-8 on [0, 7.9]; beyond 7.9 tanh is 1 within 2.7e-7.
_LIMIT = np.float32(7.9)
_P = tuple(np.float32(each) for each in (0.999999984, 0.134534536, 0.00358248649, 2.20873362e-05, 1.55337823e-08))
_Q = tuple(np.float32(each) for each in (1.0, 0.467867794, 0.026205185, 0.000342962707, 8.63818228e-07))
_P0, _P1, _P2, _P3, _P4 = _P
_Q0, _Q1, _Q2, _Q3, _Q4 = _Q
_ONE, _WHITE, _ROUND = np.float32(1), np.float32(255), np.float32(12582912)  # 1.5 · 2²³: adding it rounds to even


@compiled(fastmath={"contract"})
def _load(image, white, y, left, before, inside, n, ring):  # type: ignore[no-untyped-def]
    """Copy row ``y`` of the image, from its column ``left`` on, into the ring; 0 outside the image."""
    start = FIRST[0] + (y & (KEPT[0] - 1)) * ROW + LEFT
    for channel in range(3):
        row = ring[start + channel * PITCH : start + channel * PITCH + n + LANES]
        row[:] = np.float32(0)
        if 0 <= y < image.shape[0]:
            for x in range(before, inside):
                row[x] = np.float32(image[y, left + x, channel]) / white


@compiled(fastmath={"contract"})
def _layer(layer, y, n, depth, point, bias, last, ring, scratch):  # type: ignore[no-untyped-def]
    """Compute row ``y`` of one layer, ``n`` columns, into the ring; the last layer's goes to the end of ``scratch``."""
    inputs = 3 if layer == 1 else WIDTH
    sources = 2 if layer >= 5 else 1
    kept = KEPT[layer] - 1 if layer < 7 else 0
    target = FIRST[layer] + (y & kept) * ROW + LEFT if layer < 7 else 2 * WIDTH * CHUNK
    weights, offset = (layer - 1) * 2 * WIDTH, (layer - 1) * WIDTH
    for begin in range(0, n, CHUNK):
        m = min(CHUNK, n - begin)
        for source in range(sources):
            read = layer - 1 if source == sources - 1 else 8 - layer  # the skip comes first
            mask = KEPT[read] - 1
            above = FIRST[read] + ((y - 1) & mask) * ROW + LEFT + begin
            same = FIRST[read] + (y & mask) * ROW + LEFT + begin
            below = FIRST[read] + ((y + 1) & mask) * ROW + LEFT + begin
            for channel in range(inputs):
                k, shift = source * WIDTH + channel, channel * PITCH
                depthwise(
                    ring, above + shift, same + shift, below + shift, depth, (weights + k) * 10, scratch, k * CHUNK,
                    m // LANES,
                )  # fmt: skip
        count = inputs * sources
        if layer == 7:
            for x in range(0, m, LANES):
                pointwise_last(scratch, x, CHUNK, last, 0, 3, count, bias, offset, scratch, target + begin + x, PITCH)
            continue
        for out in range(0, WIDTH, OUTPUTS):
            w0, o0 = weights * WIDTH + out, target + out * PITCH + begin
            for x in range(0, m - LANES, 2 * LANES):
                pointwise_two(scratch, x, CHUNK, point, w0, WIDTH, count, bias, offset + out, ring, o0 + x, PITCH)
            if m % (2 * LANES):
                x = m - LANES
                pointwise_one(scratch, x, CHUNK, point, w0, WIDTH, count, bias, offset + out, ring, o0 + x, PITCH)


@compiled(fastmath={"contract"})
def _tanh(values):  # type: ignore[no-untyped-def]
    """Replace values by their hyperbolic tangent, within 3.4e-7."""
    for index in range(len(values)):
        x = min(max(values[index], -_LIMIT), _LIMIT)
        z = x * x
        numerator = (((_P4 * z + _P3) * z + _P2) * z + _P1) * z + _P0
        denominator = (((_Q4 * z + _Q3) * z + _Q2) * z + _Q1) * z + _Q0
        values[index] = x * numerator / denominator


@compiled(fastmath={"contract"})
def factors(image, white, top, bottom, left, right, depth, point, bias, last, ring, scratch, out):  # type: ignore[no-untyped-def]
    """Compute the factor map r for rows ``top`` to ``bottom`` and columns ``left`` to ``right`` of an image.

    Args:
        image: ``(H, W, 3)`` uint8 or float32, contiguous.
        white: float32 divisor of its values.
        top, bottom, left, right: tile without its halo; ``right − left + 2 · REACH`` ≤ ``MOST``.
        depth: ``(7 · 64 · 10,)`` float32: nine weights and the bias of each input channel of each layer.
        point: ``(6 · 64 · 32,)`` float32, by layer and input channel.
        bias: ``(7 · 32,)`` float32 of the pointwise convolutions.
        last: ``(64 · 3,)`` float32, the seventh layer's pointwise weights.
        ring: ``(RING,)`` float32 buffer of finite values.
        scratch: ``(SCRATCH,)`` float32 buffer.
        out: ``(bottom − top, 3 · (right − left))`` float32, filled with three factors per pixel.
    """
    height, width = image.shape[0], image.shape[1]
    columns = right - left + 2 * REACH
    n = (columns + LANES - 1) // LANES * LANES
    before = max(REACH - left, 0)  # tile columns left of the image
    inside = min(width - left + REACH, n)  # first tile column right of the image
    for step in range(top - REACH, bottom + REACH):
        _load(image, white, step, left - REACH, before, inside, n, ring)
        for layer in range(1, 8):
            y = step - layer
            if y < top - REACH + layer:  # later layers have no input rows yet
                break
            if layer == 7:
                _layer(layer, y, n, depth, point, bias, last, ring, scratch)
                base, row = 2 * WIDTH * CHUNK + REACH, out[y - top]
                for x in range(right - left):
                    for channel in range(3):
                        row[3 * x + channel] = scratch[base + channel * PITCH + x]
                _tanh(row)
                continue
            start = FIRST[layer] + (y & (KEPT[layer] - 1)) * ROW
            if y < 0 or y >= height:
                ring[start : start + ROW] = np.float32(0)
                continue
            _layer(layer, y, n, depth, point, bias, last, ring, scratch)
            for channel in range(WIDTH):  # the next layer reads at most one column beyond the image
                row = start + channel * PITCH + LEFT
                ring[row + before - 1] = np.float32(0)
                ring[row + inside] = np.float32(0)


@compiled()
def bend(image, above, below, shares, out):  # type: ignore[no-untyped-def]
    """Apply the curve and round as a saved PNG would be: PyTorch's result within one level.

    Args:
        image: ``(N,)`` uint8.
        above, below: ``(N,)`` float32; their mean weighted by ``shares`` is the factor r.
        shares: ``(2,)`` float32.
        out: ``(N,)`` uint8, filled.
    """
    whole = len(image) // LANES
    if whole:
        bend_vectors(image, 0, above, 0, below, 0, shares, 0, out, whole)
    begin = whole * LANES
    rest = len(image) - begin
    if rest:  # computed in a vector too, so that a pixel's bits do not depend on its position
        pixels, factors = np.zeros((2, LANES), np.uint8), np.zeros((2, LANES), np.float32)
        pixels[0, :rest] = image[begin:]
        factors[0, :rest], factors[1, :rest] = above[begin:], below[begin:]
        bend_vectors(pixels[0], 0, factors[0], 0, factors[1], 0, shares, 0, pixels[1], 1)
        out[begin:] = pixels[1, :rest]


@compiled()
def widen(small, first, second, shares, wide):  # type: ignore[no-untyped-def]
    """Upsample the rows of a factor map linearly.

    Args:
        small: ``(h, 3 · w)`` float32.
        first, second: ``(3 · W,)`` uint64, indices into a small row for every value of a wide one.
        shares: ``(3 · W,)`` float32, weight of ``second``.
        wide: ``(h, 3 · W)`` float32, filled.
    """
    for y in range(len(small)):
        for x in range(len(shares)):
            left, right = small[y, first[x]], small[y, second[x]]
            wide[y, x] = (_ONE - shares[x]) * left + shares[x] * right


@compiled()
def enhance_rows(image, wide, ys, shares, out):  # type: ignore[no-untyped-def]
    """Enhance rows of an image: interpolate the factor map between its rows, apply the curve, round.

    Args:
        image: ``(H, 3 · W)`` uint8.
        wide: ``(h, 3 · W)`` float32.
        ys: ``(H,)`` uint64, index of the row of ``wide`` above each image row.
        shares: ``(H,)`` float32, weight of the row of ``wide`` below.
        out: ``(H, 3 · W)`` uint8, filled.
    """
    weights = np.empty(2, np.float32)
    for y in range(len(image)):
        weights[0], weights[1] = _ONE - shares[y], shares[y]
        bend(image[y], wide[ys[y]], wide[min(ys[y] + 1, len(wide) - 1)], weights, out[y])


@compiled()
def to_planes(image, planes):  # type: ignore[no-untyped-def]
    """Convert ``(H, W, 3)`` uint8 to ``(3, H, W)`` float32 in [0, 1], bit-identical to ``core.images.to_tensor``."""
    for y in range(image.shape[0]):
        for channel in range(3):
            for x in range(image.shape[1]):
                planes[channel, y, x] = np.float32(image[y, x, channel]) / _WHITE


@compiled()
def to_levels(planes, image):  # type: ignore[no-untyped-def]
    """Convert ``(3, H, W)`` float32 to ``(H, W, 3)`` uint8, bit-identical to ``core.images.to_uint8``."""
    for y in range(image.shape[0]):
        for channel in range(3):
            for x in range(image.shape[1]):
                value = min(max(planes[channel, y, x], np.float32(0)), _ONE)
                image[y, x, channel] = np.uint8(np.int32((value * _WHITE + _ROUND) - _ROUND))
