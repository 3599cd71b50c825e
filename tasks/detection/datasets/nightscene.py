"""The embedded default: a rendered world in ExDark's layout, with the well-lit twin of every frame."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...nightscene.layout import BRIGHT
from ...nightscene.world import refuse_losses, world_folder
from ..types import DetectionDataset
from .exdark import load_exdark


def load_nightscene(
    root: Path | None = None,
    split: str | None = None,
    limit: int | None = None,
    *,
    frames: int | None = None,
    seed: int | None = None,
    ev: str | float | None = None,
) -> DetectionDataset:
    """Nightscene: rendered streets, rooms and watersides with ExDark's 12 classes; made in the cache on first use.

    Args:
        root: a folder that ``sgz-bench data make nightscene`` wrote; None makes one in the cache.
        split: ``test``, the only split.
        limit: number of images.
        frames, seed: of the world in the cache; default 240 and 7.
        ev: stops of underexposure, ``4`` (the default) or a range such as ``2..6``.

    Raises:
        UserError: ``root`` is not such a folder, or a value is out of range.
    """
    root = world_folder(root, frames, seed, ev)
    loaded = load_exdark(root, split, limit)
    refuse_losses(root, loaded.problems)
    samples = tuple(
        replace(sample, bright=root / BRIGHT / sample.path.relative_to(root / "ExDark")) for sample in loaded.samples
    )
    return replace(loaded, name="nightscene", samples=samples)
