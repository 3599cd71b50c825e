"""The embedded default: the street frames of a rendered world, in ACDC's layout, with their well-lit twins."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from sgz_bench.core.errors import UserError

from ...nightscene.world import refuse_losses, world_folder
from ..types import SegmentationDataset
from .acdc import load_acdc
from .base import official


def load_nightscene(
    root: Path | None = None,
    split: str | None = None,
    limit: int | None = None,
    *,
    frames: int | None = None,
    seed: int | None = None,
    ev: str | float | None = None,
) -> SegmentationDataset:
    """Nightscene: rendered streets with Cityscapes' 19 classes; made in the cache on first use.

    Rooms and watersides have no label maps and are left out, so the split has fewer images than ``frames``.

    Args:
        root: a folder that ``sgz-bench data make nightscene`` wrote; None makes one in the cache.
        split: ``test``, the only split.
        limit: number of images.
        frames, seed: of the world in the cache; default 240 and 7.
        ev: stops of underexposure, ``4`` (the default) or a range such as ``2..6``.

    Raises:
        UserError: ``root`` is not such a folder, the world has no street, or a value is out of range.
    """
    split = official("nightscene", split, ("test",), "test")
    root = world_folder(root, frames, seed, ev)
    if not (root / "rgb_anon").is_dir():
        raise UserError(f"{root} has no street, and only streets have label maps; use more frames")
    loaded = load_acdc(root, "val", limit, condition="night")
    refuse_losses(root, loaded.problems)
    try:
        with (root / "frames.csv").open(encoding="utf-8", newline="") as file:
            lighting = {int(row["index"]): row["lighting"] for row in csv.DictReader(file)}
        samples = tuple(
            replace(sample, attributes={"lighting": lighting[int(sample.key.rpartition("_")[2])]})
            for sample in loaded.samples
        )
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{root / 'frames.csv'} is incomplete ({error!r}); make the world again") from error
    return replace(loaded, name="nightscene", split=split, samples=samples, aligned=True)
