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
