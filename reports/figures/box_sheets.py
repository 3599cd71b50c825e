"""Gallery sheets of detection: raw and enhanced images side by side, with boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from ..box_verdicts import Box, Verdict, match_boxes
from ..numbers import MINUS
from ..run import FinishedRun, by_image
from .sheets import FOOT, TALLEST, Block, Draw, entries, lay_out, read_image, show_image
from .style import PAGE, NothingToShow, inches, sized, styled


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


@styled
def box_sheet(run: FinishedRun, enhancer: str, label: str, *, gained: bool) -> Figure:
    """Draw rows of raw | enhanced for the images on which an enhancer gained (or lost).

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
    raw, row = run.study.find("raw"), run.study.find(enhancer)
    if raw is None or row is None:
        raise NothingToShow("no enhancer was compared with raw")
    image_ids = {int(each["image_id"]) for each in chosen}
    truth = run.truth
    classes = {each["id"]: each["name"] for each in truth["categories"]}
    images = {image["id"]: image for image in truth["images"]}
    labelled = by_image(truth["annotations"], image_ids)
    before, after = run.shown_predictions(raw), run.shown_predictions(row)

    def block(entry: dict[str, Any]) -> Block:
        image_id = int(entry["image_id"])
        image, known = images[image_id], labelled[image_id]
        size = (image["width"], image["height"])

        def panel(name: str, predictions: list[dict[str, Any]]) -> Draw:
            pixels, boxes = read_image(run.folder / "gallery" / name), match_boxes(known, predictions)
            return lambda axes: _draw(axes, pixels, size, boxes, classes)

        line = (panel(entry["raw"], before[image_id]), panel(entry["enhanced"], after[image_id]))
        return Block(f"{image['file_name']}: {_gain(entry['gain'])}", size, (line,))

    figure = lay_out(("raw", label), [block(entry) for entry in chosen], FOOT)
    handles = [
        Line2D(
            [],
            [],
            color=mark.colour,
            linestyle=mark.line,
            linewidth=sized(mark.width + 0.4),
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


def _draw(
    axes: Any, image: NDArray[np.uint8], size: tuple[int, int], boxes: Sequence[Box], classes: Mapping[int, str]
) -> None:
    width, height = size
    show_image(axes, image, size)
    taken: list[tuple[float, float, float, float]] = []
    unit = max(width / (PAGE / 2), height / TALLEST) / inches(72) * sized(1)  # image pixels per point in print
    for box in boxes:
        mark = _MARKS[box.verdict]
        x, y, w, h = box.xywh
        halo = [withStroke(linewidth=sized(mark.width + 0.9), foreground="black", alpha=0.7)]
        axes.add_patch(
            Rectangle(
                (x, y),
                w,
                h,
                fill=False,
                edgecolor=mark.colour,
                linewidth=sized(mark.width),
                linestyle=mark.line,
                path_effects=halo,
            )
        )
    for box in reversed(boxes):  # the box drawn last is on top and is named first
        if box.verdict != "truth":
            _name(axes, box, classes[box.category], unit, size, taken)


def _name(
    axes: Any,
    box: Box,
    name: str,
    unit: float,
    size: tuple[int, int],
    taken: list[tuple[float, float, float, float]],
) -> None:
    """Write a box's class and score at its first corner that is free of other names, if any."""
    mark = _MARKS[box.verdict]
    text = " ".join([mark.sign, name] + ([f"{box.score:.2f}".removeprefix("0")] if box.score is not None else []))
    wide, high = 3.6 * len(text) * unit, 8.5 * unit
    x, y, w, h = box.xywh
    for left, upper in ((x, y - high), (x, y + h), (x + w - wide, y - high), (x, y), (x + w - wide, y + h - high)):
        left, upper = min(max(left, 0), size[0] - wide), min(max(upper, 0), size[1] - high)
        if all(left >= a + c or left + wide <= a or upper >= b + d or upper + high <= b for a, b, c, d in taken):
            taken.append((left, upper, wide, high))
            patch = {"facecolor": mark.colour, "edgecolor": "none", "pad": 0.8, "alpha": 0.9}
            axes.text(
                left + unit, upper + high / 2, text, size=sized(5.5), va="center", ha="left", color="black", bbox=patch
            )
            return


def _gain(gain: float) -> str:
    count = abs(round(gain))
    return f"{'+' if gain > 0 else MINUS}{count} (correct minus false predictions, against raw)"
