"""Gallery of the page: pairs of a raw and an enhanced image with the predictions on both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..run import FinishedRun
from ..task_report import Overlay, task_report
from .images import photo_uri


@dataclass(frozen=True)
class Side:
    """One half of a pair: the image as the data URI of a JPEG, and the predictions on it."""

    picture: str
    overlay: Overlay


@dataclass(frozen=True)
class Pair:
    """Image as raw and as one enhancer made it; ``truth`` is its true label map (data URI), if any."""

    enhancer: str
    gained: bool
    title: str
    gain: str
    width: int
    height: int
    raw: Side
    enhanced: Side
    truth: str = ""


def pairs(run: FinishedRun, most: int) -> list[Pair]:
    """Return at most ``most`` pairs: the best gain and the worst loss of every enhancer, then the second ones, ….

    Raises:
        UserError: a file of the gallery is missing or damaged.
    """
    entries = _chosen(run, most)
    if not entries or run.study.find("raw") is None:
        return []
    task = task_report(run.study)
    images = {image["id"]: image for image in run.truth["images"]}
    folder = run.folder / "gallery"
    result = []
    for entry, overlay in zip(entries, task.overlays(run, entries), strict=True):
        image, gain = images[int(entry["image_id"])], float(entry["gain"])
        result.append(
            Pair(
                enhancer=run.study.labels[entry["enhancer"]],
                gained=gain > 0,
                title=str(image.get("key", image.get("file_name"))),
                gain=task.gain(gain),
                width=image["width"],
                height=image["height"],
                raw=Side(photo_uri(folder / entry["raw"]), overlay.raw),
                enhanced=Side(photo_uri(folder / entry["enhanced"]), overlay.enhanced),
                truth=overlay.truth,
            )
        )
    return result


def _chosen(run: FinishedRun, most: int) -> list[dict[str, Any]]:
    """Choose entries by rank, then by the enhancer's lead metric, gains before losses; return them by enhancer."""
    lead = run.study.vocabulary.lead
    rows = sorted(
        run.study.enhanced, key=lambda row: -((row.delta[lead]["value"] if lead in row.delta else 0.0) or 0.0)
    )
    order = {row.enhancer: number for number, row in enumerate(rows)}
    known = {image["id"] for image in run.truth["images"]}
    ranks: dict[tuple[str, bool], int] = {}
    ranked = []
    for entry in sorted(run.gallery(), key=lambda entry: -abs(entry["gain"])):
        if entry["enhancer"] in order and int(entry["image_id"]) in known:
            kind = (entry["enhancer"], entry["gain"] > 0)
            ranks[kind] = ranks.get(kind, -1) + 1
            ranked.append((ranks[kind], order[entry["enhancer"]], entry["gain"] < 0, entry))
    first = sorted(ranked, key=lambda each: each[:3])[:most]
    return [entry for *_, entry in sorted(first, key=lambda each: (each[1], each[2], each[0]))]
