"""Gallery sheets of segmentation: raw, enhanced and truth; below them both predictions and the change between them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from sgz_bench.tasks.segmentation.types import VOID, Labels

from ..numbers import signed
from ..run import FinishedRun
from .palette import palette
from .sheets import FOOT, Block, Draw, entries, lay_out, read_image, read_labels, show_image
from .style import PAGE, inches, sized, styled

_LINE = 0.125  # inches of each further line of legend

# Change of a pixel: right on the enhanced image + 2 × right on raw; void where the truth is.
_CHANGES = {
    1: ("#56B4E9", "right only when enhanced"),
    2: ("#E69F00", "right only on raw"),
    3: ("#E6E6E6", "right on both"),
    0: ("#808080", "wrong on both"),
}
_CHANGE_COLOURS = np.zeros((256, 3), dtype=np.uint8)
for _code, (_hex, _) in _CHANGES.items():
    _CHANGE_COLOURS[_code] = tuple(bytes.fromhex(_hex[1:]))


@styled
def label_sheet(run: FinishedRun, enhancer: str, label: str, *, gained: bool) -> Figure:
    """Draw two lines per image on which an enhancer gained (or lost), with a legend of the classes that occur.

    Args:
        run: a run with its gallery.
        enhancer: canonical spec.
        label: name of the enhancer in print.
        gained: images with gains; images with losses if False.

    Raises:
        NothingToShow: there are no such images.
        UserError: a file of the run is missing or damaged.
    """
    chosen = entries(run, enhancer, gained=gained)
    classes = run.class_ids()
    ids, colours = list(classes.values()), palette(classes)
    images = {image["id"]: image for image in run.truth["images"]}
    occurring: set[int] = set()

    def block(entry: dict[str, Any]) -> Block:
        image = images[int(entry["image_id"])]
        size = (image["width"], image["height"])
        folder = run.folder / "gallery"
        maps = [read_labels(folder / entry[name]) for name in ("truth", "raw_labels", "enhanced_labels")]
        known, before, after = (np.where(np.isin(each, ids), each, VOID).astype(np.uint8) for each in maps)
        occurring.update(int(value) for each in (known, before, after) for value in np.unique(each))
        photos = [_photo(read_image(folder / entry[name]), size) for name in ("raw", "enhanced")]
        line = (_map(colours[before], size, "prediction"), _map(colours[after], size, "prediction"))
        changes = _map(_CHANGE_COLOURS[change(known, before, after)], size, "change")
        caption = f"{image['key']}: {signed(entry['gain'])} (mean IoU of the image's classes in points, against raw)"
        return Block(caption, size, ((*photos, _map(colours[known], size)), (*line, changes)))

    blocks = [block(entry) for entry in chosen]
    named = [(colours[class_id] / 255, name) for name, class_id in classes.items() if class_id in occurring]
    named += [(np.zeros(3), "void or no class")] if VOID in occurring else []
    across = _columns([name for _, name in named])
    foot = 2 * FOOT + (math.ceil(len(named) / across) - 1) * _LINE
    figure = lay_out(("raw", label, "truth"), blocks, foot)
    height = figure.get_figheight() / inches(1)
    _legend(figure, named, across, FOOT / height)
    _legend(figure, list(_CHANGES.values()), len(_CHANGES), 0)
    return figure


def change(truth: Labels, before: Labels, after: Labels) -> Labels:
    """Return codes ``(H, W)``: right after + 2 × right before, VOID where the truth is void."""
    codes = (after == truth).astype(np.uint8) + 2 * (before == truth).astype(np.uint8)
    return np.where(truth == VOID, VOID, codes).astype(np.uint8)


def _photo(image: NDArray[np.uint8], size: tuple[int, int]) -> Draw:
    return lambda axes: show_image(axes, image, size)


def _map(image: NDArray[np.uint8], size: tuple[int, int], tag: str = "") -> Draw:
    """Return a function that draws a coloured label map with a tag, without interpolating its colours."""

    def draw(axes: Any) -> None:
        show_image(axes, image, size, interpolation="nearest")
        if tag:
            patch = {"facecolor": "white", "edgecolor": "none", "pad": 1.2, "alpha": 0.85}
            axes.annotate(
                tag, (0, 1), (3, -3), "axes fraction", "offset points", size=sized(5.5), va="top", ha="left", bbox=patch
            )

    return draw


def _columns(names: list[str]) -> int:
    """Return the number of legend columns that fit a page."""

    def wide(count: int) -> float:
        return sum(sized(3.7 * max(map(len, column)) + 26) for column in np.array_split(names, count))

    return next((count for count in range(len(names), 1, -1) if wide(count) <= inches(PAGE) * 72), 1)


def _legend(figure: Figure, shown: list[tuple[Any, str]], across: int, bottom: float) -> None:
    handles = [Patch(facecolor=colour, edgecolor="0.3", linewidth=sized(0.4), label=name) for colour, name in shown]
    figure.legend(
        handles=handles,
        loc="lower center",
        ncols=across,
        bbox_to_anchor=(0.5, bottom),
        handlelength=1.4,
        handleheight=0.9,
        columnspacing=1.2,
        handletextpad=0.5,
        labelspacing=0.35,
    )
