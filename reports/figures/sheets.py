"""Selection and layout of gallery sheets: the images on which an enhancer gained or lost most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from sgz_bench.core.errors import UserError

from ..run import FinishedRun
from .style import PAGE, NothingToShow, canvas, sized

TALLEST = 3.0  # inches of an image on the page
FOOT = 0.24  # inches of one line of legend
_HEAD = 0.2
_GAP = 0.2
_BETWEEN = 0.08
_PIXELS = 720  # longer sides are scaled down: 210 dpi in print

Draw = Callable[[Any], None]


@dataclass(frozen=True)
class Block:
    """Block of one image: lines of panels, each drawn on axes in pixels of ``size`` = (width, height)."""

    caption: str
    size: tuple[int, int]
    panels: Sequence[Sequence[Draw]]


def entries(run: FinishedRun, enhancer: str, *, gained: bool) -> list[dict[str, Any]]:
    """Return the gallery's entries on which an enhancer gained (or lost), largest change first.

    Raises:
        NothingToShow: there is none.
        UserError: the gallery is damaged.
    """
    sign = 1 if gained else -1
    chosen = [each for each in run.gallery() if each["enhancer"] == enhancer and each["gain"] * sign > 0]
    if not chosen:
        raise NothingToShow(f"no image {'gained' if gained else 'lost'}")
    return sorted(chosen, key=lambda each: -abs(each["gain"]))


def lay_out(headings: Sequence[str], blocks: Sequence[Block], foot: float) -> Figure:
    """Stack blocks in a figure that is two columns of a paper wide, with room for a legend.

    Args:
        headings: headings of the columns of panels.
        blocks: one per image, with ``len(headings)`` panels in a line.
        foot: inches to leave free at the bottom.
    """
    wide = (PAGE - _BETWEEN * (len(headings) - 1)) / len(headings)
    step = wide + _BETWEEN
    heights = [min(wide * block.size[1] / block.size[0], TALLEST) for block in blocks]
    inside = [_BETWEEN * (len(block.panels) - 1) for block in blocks]
    tall = [len(b.panels) * high + between for b, high, between in zip(blocks, heights, inside, strict=True)]
    total = _HEAD + sum(tall) + _GAP * len(blocks) + foot
    figure = canvas(PAGE, total)
    for column, title in enumerate(headings):
        figure.text((wide / 2 + column * step) / PAGE, 1 - 0.06 / total, title, ha="center", va="top", weight="bold")
    top = total - _HEAD
    for block, height in zip(blocks, heights, strict=True):
        for number, line in enumerate(block.panels):
            top -= height + (_BETWEEN if number else 0)
            for column, draw in enumerate(line):
                axes = figure.add_axes((column * step / PAGE, top / total, wide / PAGE, height / total))
                axes.set_axis_off()
                draw(axes)
                axes.set(xlim=(0, block.size[0]), ylim=(block.size[1], 0))
        figure.text(0.5, (top - 0.03) / total, block.caption, ha="center", va="top", size=sized(6.5))
        top -= _GAP
    return figure


def show_image(axes: Any, image: NDArray[np.uint8], size: tuple[int, int], **options: Any) -> None:
    """Show an image ``(H, W, 3)`` over the extent of ``size`` = (width, height) pixels."""
    axes.imshow(image, extent=(0, size[0], size[1], 0), **options)


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image as ``(H, W, 3)`` RGB, scaled down to at most 720 pixels.

    Raises:
        UserError: the file is missing or damaged.
    """
    return _read(path, "RGB", Image.Resampling.LANCZOS)


def read_labels(path: Path) -> NDArray[np.uint8]:
    """Read a label map as class ids ``(H, W)``, scaled down to at most 720 pixels.

    Raises:
        UserError: the file is missing or damaged.
    """
    return _read(path, "L", Image.Resampling.NEAREST)


def _read(path: Path, mode: str, resampling: Image.Resampling) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            image.draft(mode, (_PIXELS, _PIXELS))  # a large JPEG is decoded at a half, a quarter, …
            image.thumbnail((_PIXELS, _PIXELS), resampling)
            return np.asarray(image.convert(mode))
    except OSError as error:
        raise UserError(f"{path} is missing or damaged ({error}); repeat the run's command") from error
