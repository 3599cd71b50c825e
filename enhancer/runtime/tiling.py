"""Tiles of one size whose results join without a trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sgz_bench.core.images import Image


class Window(NamedTuple):
    """A stretch of rows or columns that is seen, and the part of it whose results are kept."""

    start: int
    stop: int
    first: int
    last: int  # one behind


def windows(length: int, size: int, reach: int) -> list[Window]:
    """Windows of one size whose kept parts cover ``length`` once, in order.

    Within ``reach`` of an end of its window that is not the picture's own, a result is not kept, since it depends on
    what the window does not show. So a network whose outputs reach that far gives what it would give for the whole.

    Args:
        length: of the picture, 1 or more.
        size: of a window, above ``2 · reach``; a shorter picture is one window of its own length.
        reach: rows or columns that a result depends on, to each side.

    Raises:
        ValueError: a window that keeps nothing.
    """
    if size <= 2 * reach:
        raise ValueError(f"a window of {size} keeps nothing with a reach of {reach}")
    if length <= size:
        return [Window(0, length, 0, length)]
    count = -(-(length - 2 * reach) // (size - 2 * reach))
    starts = [round(place * (length - size) / (count - 1)) for place in range(count)]
    firsts = [0, *(start + reach for start in starts[1:])]
    return [
        Window(start, start + size, first, last)
        for start, first, last in zip(starts, firsts, [*firsts[1:], length], strict=True)
    ]


def in_tiles(image: Image, size: int, reach: int, enhance: Callable[[Image], Image]) -> Image:
    """What ``enhance`` makes of a whole image, tile by tile, where a pixel depends on those within ``reach`` only."""
    found = np.empty_like(image)
    for rows in windows(image.shape[0], size + 2 * reach, reach):
        for columns in windows(image.shape[1], size + 2 * reach, reach):
            part = enhance(image[rows.start : rows.stop, columns.start : columns.stop])
            found[rows.first : rows.last, columns.first : columns.last] = part[
                rows.first - rows.start : rows.last - rows.start,
                columns.first - columns.start : columns.last - columns.start,
            ]
    return found
