"""Folder of a rendered world: given by the user, or in the cache and made on first use."""

from __future__ import annotations

from pathlib import Path

from sgz_bench.core.cache import cache_folder
from sgz_bench.core.errors import UserError
from sgz_bench.core.parameters import integer

from ..types import Problem
from .layout import BRIGHT, World, make, parse_ev


def world_folder(root: Path | None, frames: int | None, seed: int | None, ev: str | float | None) -> Path:
    """Return the folder of a world; without ``root`` the one in the cache with these settings.

    Args:
        root: a folder that ``sgz-bench data make nightscene`` wrote; None makes one in the cache.
        frames, seed: of the world in the cache; default 240 and 7.
        ev: stops of underexposure, ``4`` (the default) or a range such as ``2..6``.

    Raises:
        UserError: ``root`` is not such a folder, or a value is out of range.
    """
    if root is not None and not (frames is seed is ev is None):
        raise UserError("nightscene takes frames, seed and ev only without --root; pass them to `data make` as options")
    if root is None:
        world = World(
            frames=integer("nightscene", "frames", 240 if frames is None else frames, 1, 1_000_000),
            seed=integer("nightscene", "seed", 7 if seed is None else seed, 0, 2**31 - 1),
            ev=parse_ev("4" if ev is None else str(ev)),
        )
        root = cache_folder() / world.name
        if not root.is_dir():
            try:
                make(world, root)
            except UserError:
                if not root.is_dir():  # another process may have made the same world first
                    raise
    if not (root / BRIGHT).is_dir():
        raise UserError(f"{root} has no {BRIGHT}/; make it again with `sgz-bench data make nightscene --out DIR`")
    return root


def refuse_losses(root: Path, problems: tuple[Problem, ...]) -> None:
    """Refuse an incomplete world.

    Raises:
        UserError: an image is missing or damaged.
    """
    lost = [problem for problem in problems if problem.lost]
    if lost:
        raise UserError(f"{root} is incomplete ({lost[0]}); remove the folder and make it again")
