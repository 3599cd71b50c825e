"""ACDC (Sakaridis et al. 2021) and Dark Zurich (2019): 1920×1080 driving frames with Cityscapes trainIds."""

from __future__ import annotations

from pathlib import Path

from sgz_bench.core.errors import UserError
from sgz_bench.core.registry import suggest

from ...classes import CITYSCAPES_CLASSES
from ...types import Problem
from ..types import SegmentationDataset
from .base import TRAIN_IDS, Entry, below, build, folder_below, named_files, official, orphan_maps

CONDITIONS = ("fog", "night", "rain", "snow")
ACDC_SPLITS = ("train", "val", "test")
DARK_ZURICH_SPLITS = ("val", "test")
_IMAGE, _LABELS = "_rgb_anon.png", "_gt_labelTrainIds.png"
_INVALID = ("_gt_invIds.png", "_gt_invGray.png")


def load_acdc(
    root: Path, split: str | None, limit: int | None = None, *, condition: str | None = None
) -> SegmentationDataset:
    """ACDC: rgb_anon/CONDITION/SPLIT/SEQUENCE/STEM_rgb_anon.png and maps of trainIds under gt/ in the same folders.

    The zips' top folders may be present or not. A frame's reference in ``SPLIT_ref``, the same location in clear
    daylight, is its ``bright`` image. Labels of ``test`` are withheld, so its maps are None.

    Args:
        root: folder that contains both, or the zips' folders.
        split: ``train``, ``val`` (the default) or ``test``.
        limit: number of images.
        condition: fog, night, rain or snow; None takes all that are present.

    Raises:
        UserError: folders are missing, or no such split or condition.
    """
    split = official("acdc", split, ACDC_SPLITS, "val")
    if condition is not None and condition not in CONDITIONS:
        raise UserError(f"acdc has no condition {condition!r}{suggest(condition, list(CONDITIONS))}")
    folder_below(root, "rgb_anon", "acdc")
    available = [name for name in CONDITIONS if below(root, f"rgb_anon/{name}/{split}")]
    chosen = available if condition is None else [name for name in available if name == condition]
    if not chosen:
        names = ", ".join(available) or "none"
        raise UserError(f"{root} has no {condition or 'condition'} in split {split} (found: {names}); unpack it there")
    if split != "test":
        folder_below(root, "gt", "acdc")
    name = "acdc" if condition is None else f"acdc(condition={condition})"
    parts = [_acdc(root, each, split) for each in chosen]
    entries = [entry for part in parts for entry in part[0]]
    problems = [problem for part in parts for problem in part[1]]
    notes = [note for part in parts for note in part[2]]
    return build(name, split, CITYSCAPES_CLASSES, TRAIN_IDS, entries, problems, limit, notes=notes)


def _acdc(root: Path, condition: str, split: str) -> tuple[list[Entry], list[Problem], list[str]]:
    """Return the entries of a condition, problems and notes."""
    folder = f"{condition}/{split}"
    images = folder_below(root, f"rgb_anon/{folder}", "acdc")
    maps = below(root, f"gt/{folder}") or root / "gt" / folder
    references = below(root, f"rgb_anon/{folder}_ref") or root
    named = named_files(images, _IMAGE)
    entries = [
        Entry(
            key=f"{folder}/{sequence}/{stem}",
            path=path,
            labels=None if split == "test" else maps / sequence / f"{stem}{_LABELS}",
            invalid=[maps / sequence / f"{stem}{suffix}" for suffix in _INVALID],
            bright=[references / sequence / f"{stem}_rgb_ref_anon.png"],
            attributes={"condition": condition, "sequence": sequence},
        )
        for sequence, stem, path in named.files
    ]
    problems = named.problems if split == "test" else [*named.problems, *orphan_maps(maps, _LABELS, entries)]
    return entries, problems, named.notes


def load_dark_zurich(root: Path, split: str | None, limit: int | None = None) -> SegmentationDataset:
    """Dark Zurich: rgb_anon/SPLIT/night/SEQUENCE/STEM_rgb_anon.png and maps of trainIds under gt/ in the same folders.

    The zips' top folders may be present or not. A frame's reference in ``SPLIT_ref/day`` is its ``bright`` image.
    Labels of ``test`` are withheld, so its maps are None; the train split has none.

    Args:
        root: folder that contains both, or the zips' folders.
        split: ``val`` (the default) or ``test``.
        limit: number of images.

    Raises:
        UserError: folders are missing, or no such split.
    """
    split = official("dark-zurich", split, DARK_ZURICH_SPLITS, "val")
    images = folder_below(root, f"rgb_anon/{split}/night", "dark-zurich")
    maps = below(root, f"gt/{split}/night") or root / "gt" / split / "night"
    references = below(root, f"rgb_anon/{split}_ref/day") or root
    named = named_files(images, _IMAGE)
    entries = [
        Entry(
            key=f"{split}/night/{sequence}/{stem}",
            path=path,
            labels=None if split == "test" else maps / sequence / f"{stem}{_LABELS}",
            invalid=[maps / sequence / f"{stem}{suffix}" for suffix in _INVALID],
            # In test the reference's name ends with its own frame number.
            bright=sorted((references / f"{sequence}_ref").glob(f"{stem}_*_anon.png")),
            attributes={"condition": "night", "sequence": sequence},
        )
        for sequence, stem, path in named.files
    ]
    problems = named.problems if split == "test" else [*named.problems, *orphan_maps(maps, _LABELS, entries)]
    return build("dark-zurich", split, CITYSCAPES_CLASSES, TRAIN_IDS, entries, problems, limit, notes=named.notes)
