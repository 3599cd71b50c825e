"""Tiling: windows of one size whose results join without seams."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sgz_bench.core.images import Image


class Window(NamedTuple):
    """A range of input rows or columns, and the part of it whose results are kept."""

    start: int
    stop: int
    first: int
    last: int  # exclusive


def windows(length: int, size: int, reach: int) -> list[Window]:
    """Return windows of one size whose kept parts cover ``length`` exactly once, in order.

    Results within ``reach`` of a window's end are dropped, unless it is the picture's own border: they depend on pixels
    outside the window. A network with this reach then gives the result of the whole picture.

    Args:
        length: rows or columns of the picture, at least 1.
        size: of a window, above ``2 · reach``; a shorter picture is one window of its own length.
        reach: rows or columns to each side that a result depends on.

    Raises:
        ValueError: ``size`` is at most ``2 · reach``, so a window would keep nothing.
    """
    if size <= 2 * reach:
        raise ValueError(f"a window of {size} keeps nothing with a reach of {reach}")
    if length <= size:
        return [Window(0, length, 0, length)]
    count = -(-(length - 2 * reach) // (size - 2 * reach))
    starts = [round(index * (length - size) / (count - 1)) for index in range(count)]
    firsts = [0, *(start + reach for start in starts[1:])]
    return [
        Window(start, start + size, first, last)
        for start, first, last in zip(starts, firsts, [*firsts[1:], length], strict=True)
    ]


def in_tiles(image: Image, size: int, reach: int, enhance: Callable[[Image], Image]) -> Image:
    """Apply ``enhance`` tile by tile; the result is that of the whole image, given the method's ``reach``.

    Args:
        image: RGB ``(H, W, 3)`` uint8.
        size: rows and columns of a tile that are kept.
        reach: pixels to each side that an output pixel depends on.
        enhance: maps an image to one of the same size.
    """
    enhanced = np.empty_like(image)
    for rows in windows(image.shape[0], size + 2 * reach, reach):
        for columns in windows(image.shape[1], size + 2 * reach, reach):
            part = enhance(image[rows.start : rows.stop, columns.start : columns.stop])
            enhanced[rows.first : rows.last, columns.first : columns.last] = part[
                rows.first - rows.start : rows.last - rows.start,
                columns.first - columns.start : columns.last - columns.start,
            ]
    return enhanced
