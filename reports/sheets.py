"""Sheets of the images on which an enhancer gained or lost most: raw and enhanced side by side with boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from PIL import Image

from sgz_bench.enhancer.errors import UserError

from .boxes import Box, Verdict, judge
from .numbers import MINUS
from .study import FinishedRun
from .style import PAGE, NothingToShow, styled

_MIN_SCORE = 0.25  # of drawn predictions, as in the gains of the gallery
_TALLEST = 3.0  # inches of an image on the page
_PIXELS = 1400  # longer sides are scaled down: more does not show at 200 dpi


@dataclass(frozen=True)
class _Mark:
    colour: str
    line: str | tuple[int, tuple[float, ...]]
    width: float
    sign: str
    meaning: str


_MARKS: dict[Verdict, _Mark] = {
    "truth": _Mark("#FFFFFF", "-", 0.5, "", "labelled box, found"),
    "correct": _Mark("#56B4E9", "-", 1.3, "✓", "correct prediction"),
    "false": _Mark("#E69F00", (0, (4, 1.5)), 1.3, "✗", "false prediction"),
    "missed": _Mark("#F0E442", (0, (1, 1.2)), 1.3, "?", "labelled box, missed"),
}


@dataclass(frozen=True)
class Pair:
    """One image before and after: pixels ``(H, W, 3)``, boxes in the pixels of ``size`` = (width, height)."""

    caption: str
    size: tuple[int, int]
    images: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    boxes: tuple[Sequence[Box], Sequence[Box]]


def pairs(run: FinishedRun, enhancer: str, *, gained: bool) -> list[Pair]:
    """The gallery's images on which an enhancer gained (or lost), largest change first.

    Raises:
        NothingToShow: there are none.
        UserError: a file of the run is missing or damaged.
    """
    entries = [
        each for each in run.gallery() if each["enhancer"] == enhancer and each["gain"] * (1, -1)[not gained] > 0
    ]
    raw, row = run.study.find("raw"), run.study.find(enhancer)
    if not entries or raw is None or row is None:
        raise NothingToShow(f"no image {'gained' if gained else 'lost'}")
    wanted = {int(each["image_id"]) for each in entries}
    truth = run.truth()
    images = {image["id"]: image for image in truth["images"]}
    labelled = _by_image(truth["annotations"], wanted)
    before = _by_image([each for each in run.predictions(raw) if each["score"] >= _MIN_SCORE], wanted)
    after = _by_image([each for each in run.predictions(row) if each["score"] >= _MIN_SCORE], wanted)

    def pair(entry: dict[str, Any]) -> Pair:
        image_id = int(entry["image_id"])
        image, known = images[image_id], labelled[image_id]
        return Pair(
            f"{image['file_name']}: {_gain(entry['gain'])}",
            (image["width"], image["height"]),
            (_read(run.folder / "gallery" / entry["raw"]), _read(run.folder / "gallery" / entry["enhanced"])),
            (judge(known, before[image_id]), judge(known, after[image_id])),
        )

    return [pair(entry) for entry in sorted(entries, key=lambda each: -abs(each["gain"]))]


@styled
def sheet(label: str, shown: Sequence[Pair], classes: Mapping[int, str]) -> Figure:
    """Rows of raw | enhanced, two columns wide.

    Args:
        label: of the enhancer.
        shown: one row each.
        classes: names by COCO category id.
    """
    head, gap, foot = 0.2, 0.2, 0.24
    half = (PAGE - 0.08) / 2
    heights = [min(half * pair.size[1] / pair.size[0], _TALLEST) for pair in shown]
    total = head + sum(heights) + gap * len(shown) + foot
    figure = Figure(figsize=(PAGE, total))
    top = total - head
    for column, title in enumerate(("raw", label)):
        figure.text(
            (half / 2 + column * (half + 0.08)) / PAGE, 1 - 0.06 / total, title, ha="center", va="top", weight="bold"
        )
    for pair, height in zip(shown, heights, strict=True):
        for column in (0, 1):
            axes = figure.add_axes((column * (half + 0.08) / PAGE, (top - height) / total, half / PAGE, height / total))
            _picture(axes, pair.images[column], pair.size, pair.boxes[column], classes)
        figure.text(0.5, (top - height - 0.03) / total, pair.caption, ha="center", va="top", size=6.5)
        top -= height + gap
    handles = [
        Line2D(
            [],
            [],
            color=mark.colour,
            linestyle=mark.line,
            linewidth=mark.width + 0.4,
            label=f"{mark.sign} {mark.meaning}".strip(),
        )
        for mark in _MARKS.values()
    ]
    legend = figure.legend(handles=handles, loc="lower center", ncols=4, bbox_to_anchor=(0.5, 0), handlelength=3)
    legend.set(frame_on=True)
    legend.get_frame().set(facecolor="0.25", edgecolor="none")
    for text in legend.get_texts():
        text.set_color("white")
    return figure


def _picture(
    axes: Any, image: NDArray[np.uint8], size: tuple[int, int], boxes: Sequence[Box], classes: Mapping[int, str]
) -> None:
    width, height = size
    axes.imshow(image, extent=(0, width, height, 0))
    axes.set_axis_off()
    taken: list[tuple[float, float, float, float]] = []
    unit = max(width / (PAGE / 2), height / _TALLEST) / 72  # pixels of the image per point of print
    for box in boxes:
        mark = _MARKS[box.verdict]
        x, y, w, h = box.xywh
        halo = [withStroke(linewidth=mark.width + 0.9, foreground="black", alpha=0.7)]
        axes.add_patch(
            Rectangle(
                (x, y),
                w,
                h,
                fill=False,
                edgecolor=mark.colour,
                linewidth=mark.width,
                linestyle=mark.line,
                path_effects=halo,
            )
        )
    for box in reversed(boxes):  # the last drawn lies on top and names itself first
        if box.verdict != "truth":
            _name(axes, box, classes[box.category], unit, size, taken)
    axes.set(xlim=(0, width), ylim=(height, 0))


def _name(
    axes: Any,
    box: Box,
    name: str,
    unit: float,
    size: tuple[int, int],
    taken: list[tuple[float, float, float, float]],
) -> None:
    """Write a box's class and score at one of its corners, unless other names are there already."""
    mark = _MARKS[box.verdict]
    text = " ".join([mark.sign, name] + ([f"{box.score:.2f}".removeprefix("0")] if box.score is not None else []))
    wide, high = 3.6 * len(text) * unit, 8.5 * unit
    x, y, w, h = box.xywh
    for left, upper in ((x, y - high), (x, y + h), (x + w - wide, y - high), (x, y), (x + w - wide, y + h - high)):
        left, upper = min(max(left, 0), size[0] - wide), min(max(upper, 0), size[1] - high)
        if all(left >= a + c or left + wide <= a or upper >= b + d or upper + high <= b for a, b, c, d in taken):
            taken.append((left, upper, wide, high))
            patch = {"facecolor": mark.colour, "edgecolor": "none", "pad": 0.8, "alpha": 0.9}
            axes.text(left + unit, upper + high / 2, text, size=5.5, va="center", ha="left", color="black", bbox=patch)
            return


def _read(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            image.thumbnail((_PIXELS, _PIXELS), Image.Resampling.LANCZOS)
            return np.asarray(image.convert("RGB"))
    except OSError as error:
        raise UserError(f"{path} is missing or damaged ({error}); repeat the run's command") from error


def _gain(gain: float) -> str:
    count = abs(round(gain))
    return f"{'+' if gain > 0 else MINUS}{count} (correct minus false predictions, against raw)"


def _by_image(records: Sequence[dict[str, Any]], wanted: set[int]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {image_id: [] for image_id in wanted}
    for record in records:
        if record["image_id"] in found:
            found[record["image_id"]].append(record)
    return found
