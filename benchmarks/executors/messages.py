"""Messages between driver and workers of the executor ray; the module imports neither PyTorch nor the studies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Host(NamedTuple):
    """Place where a worker runs."""

    node: str  # Ray's id
    name: str  # for a user
    processor: str


class Shard(NamedTuple):
    """Images for one worker.

    Attributes:
        images: number of a study → image id → keys of the cells that need it. All studies have the same images.
        hashes: path of a file → sha256 of its bytes on the driver.
        contents: path of a file → its bytes, if files are shipped; None if the driver cannot read it.
    """

    images: Mapping[int, Mapping[int, tuple[str, ...]]]
    hashes: Mapping[str, str]
    contents: Mapping[str, bytes | None]


class Kept(NamedTuple):
    """What a cell's model predicted on an image."""

    study: int
    cell: str
    image: int
    line: bytes
    files: Mapping[str, bytes]


class Outcome(NamedTuple):
    """Outcome of a shard.

    Attributes:
        kept: predictions.
        failed: study, cell, image and reason of cells that failed.
        unread: study, image and reason of images that could not be read.
        seconds: duration.
        refusal: reason why the worker's node cannot be used; empty if it can.
    """

    kept: list[Kept]
    failed: list[tuple[int, str, int, str]]
    unread: list[tuple[int, int, str]]
    seconds: float
    refusal: str = ""


def mismatch(shard: Shard | None, outcome: Outcome) -> str:
    """Explain how an answer differs from the question; empty if it has every image and cell once, or its failure."""
    images = shard.images if shard else {}
    asked = {(study, key, image) for study, each in images.items() for image, keys in each.items() for key in keys}
    kept = [(each.study, each.cell, each.image) for each in outcome.kept]
    failed = {(study, cell) for study, cell, _, _ in outcome.failed}
    unread = {(study, image) for study, image, _ in outcome.unread}
    answered = {*kept, *((study, cell, image) for study, cell, image, _ in outcome.failed)}
    if len(set(kept)) != len(kept) or not answered <= asked:
        return "it answers for images that it was not given, or twice"
    missing = [each for each in asked - answered if each[:2] not in failed and (each[0], each[2]) not in unread]
    strange = [each for each in unread if each[1] not in images.get(each[0], {})]
    return "it does not answer for all images that it was given" if missing or strange else ""
