"""The gallery of an HTML report: small pictures, with boxes or label maps to lay over them."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ..box_verdicts import XYWH, Verdict, judge
from ..figures.palette import palette
from ..figures.sheets import read_image, read_labels
from ..numbers import MINUS, signed
from ..run import FinishedRun, by_image

_LONGEST = 720  # pixels of a picture's longer side
_BYTES = 80_000  # of one picture: 60 of them, written as text, stay under 8 MB with room for the rest
_QUALITIES = (84, 76, 68, 60, 50, 40, 30, 20)


@dataclass(frozen=True)
class Overlay:
    """A box in pixels of the image, with its verdict (:class:`..box_verdicts.Box`) and its name."""

    verdict: Verdict
    xywh: XYWH
    name: str


@dataclass(frozen=True)
class Side:
    """What one half of a pair shows: a JPEG, and boxes or a label map (PNG), as data URIs."""

    picture: str
    boxes: tuple[Overlay, ...] = ()
    labels: str = ""


@dataclass(frozen=True)
class Pair:
    """An image as raw and as one enhancer made it; ``truth`` is its true label map."""

    enhancer: str
    gained: bool
    title: str
    gain: str
    width: int
    height: int
    raw: Side
    enhanced: Side
    truth: str = ""


@dataclass(frozen=True)
class Legend:
    """A class and its colour on label maps."""

    name: str
    colour: str


def pairs(run: FinishedRun, most: int) -> list[Pair]:
    """So many of the gallery's images: of every enhancer the best gain and the worst loss, then the second ones.

    Raises:
        UserError: a file of the gallery is missing or damaged.
    """
    chosen = _chosen(run, most)
    if not chosen or run.study.find("raw") is None:
        return []
    make = _boxed(run, chosen) if run.study.rows[0].task == "detection" else _labelled(run)
    images = {image["id"]: image for image in run.truth["images"]}
    found = []
    for entry in chosen:
        image = images[int(entry["image_id"])]
        raw, enhanced, truth = make(entry)
        label, gain = run.study.labels[entry["enhancer"]], float(entry["gain"])
        found.append(
            Pair(
                label, gain > 0, str(image.get("key", image.get("file_name"))), _gain(run, gain),
                image["width"], image["height"], raw, enhanced, truth,
            )
        )  # fmt: skip
    return found


def legend(run: FinishedRun) -> list[Legend]:
    """The colours of a segmentation's classes."""
    if run.study.rows[0].task == "detection":
        return []
    classes = run.class_ids()
    colours = palette(classes)
    return [Legend(name, "#" + bytes(colours[class_id].tolist()).hex()) for name, class_id in classes.items()]


def _chosen(run: FinishedRun, most: int) -> list[dict[str, Any]]:
    """By rank, then the best enhancers first, gains before losses; what is chosen is then shown by enhancer."""
    lead = run.study.words.lead
    rows = sorted(
        run.study.enhanced, key=lambda row: -((row.delta[lead]["value"] if lead in row.delta else 0.0) or 0.0)
    )
    place = {row.enhancer: number for number, row in enumerate(rows)}
    known = {image["id"] for image in run.truth["images"]}
    ranks: dict[tuple[str, bool], int] = {}
    ranked = []
    for entry in sorted(run.gallery(), key=lambda entry: -abs(entry["gain"])):
        if entry["enhancer"] in place and int(entry["image_id"]) in known:
            kind = (entry["enhancer"], entry["gain"] > 0)
            ranks[kind] = ranks.get(kind, -1) + 1
            ranked.append((ranks[kind], place[entry["enhancer"]], entry["gain"] < 0, entry))
    first = sorted(ranked, key=lambda each: each[:3])[:most]
    return [entry for *_, entry in sorted(first, key=lambda each: (each[1], each[2], each[0]))]


def _gain(run: FinishedRun, gain: float) -> str:
    if run.study.rows[0].task == "detection":
        return f"{'+' if gain > 0 else MINUS}{abs(round(gain))} correct minus false predictions"
    return f"{signed(gain)} points of mean IoU"


def _boxed(run: FinishedRun, chosen: Sequence[Mapping[str, Any]]) -> Any:
    truth = run.truth
    names = {each["id"]: each["name"] for each in truth["categories"]}
    wanted = {int(entry["image_id"]) for entry in chosen}
    known = by_image(truth["annotations"], wanted)
    rows = {row.enhancer: row for row in run.study.scored}
    said = {enhancer: run.shown_predictions(rows[enhancer]) for enhancer in ["raw", *(e["enhancer"] for e in chosen)]}

    def side(enhancer: str, image_id: int, picture: str) -> Side:
        boxes = [
            Overlay(box.verdict, box.xywh, names[box.category] + ("" if box.score is None else f" {box.score:.2f}"))
            for box in judge(known[image_id], said[enhancer][image_id])
        ]
        return Side(_photo(run, picture), tuple(boxes))

    def make(entry: Mapping[str, Any]) -> tuple[Side, Side, str]:
        image_id = int(entry["image_id"])
        return side("raw", image_id, entry["raw"]), side(entry["enhancer"], image_id, entry["enhanced"]), ""

    return make


def _labelled(run: FinishedRun) -> Any:
    colours = palette(run.class_ids())

    def labels(name: str) -> str:
        ids = read_labels(run.folder / "gallery" / name)
        image = Image.fromarray(ids, "L")
        image.thumbnail((_LONGEST, _LONGEST), Image.Resampling.NEAREST)
        shown = Image.fromarray(np.asarray(image), "P")
        shown.putpalette(colours.tobytes())
        return _uri(shown, "png", optimize=True)

    def make(entry: Mapping[str, Any]) -> tuple[Side, Side, str]:
        before = Side(_photo(run, entry["raw"]), labels=labels(entry["raw_labels"]))
        after = Side(_photo(run, entry["enhanced"]), labels=labels(entry["enhanced_labels"]))
        return before, after, labels(entry["truth"])

    return make


def _photo(run: FinishedRun, name: str) -> str:
    """The largest and best JPEG that fits into its share of the report."""
    image = Image.fromarray(read_image(run.folder / "gallery" / name))
    image.thumbnail((_LONGEST, _LONGEST), Image.Resampling.LANCZOS)
    for quality in _QUALITIES:
        uri = _uri(image, "jpeg", quality=quality, optimize=True)
        if len(uri) * 3 / 4 <= _BYTES:
            break
    return uri


def _uri(image: Image.Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return data_uri(kind, buffer.getvalue())


def data_uri(kind: str, content: bytes) -> str:
    """An image that is part of a page."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
