"""BDD100K's 10k segmentation images (Yu et al. 2020) that were taken at night."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_json

from ...classes import CITYSCAPES_CLASSES
from ...datasets import read_list
from ...image_files import scan_images
from ...types import Problem
from ..types import SegmentationDataset
from .base import TRAIN_IDS, Entry, below, build, official

SPLITS = ("train", "val")
# Images, maps, and the suffix of a map's name: as downloaded today, and before 2020.
_LAYOUTS = (("images/10k", "labels/sem_seg/masks", ".png"), ("seg/images", "seg/labels", "_train_id.png"))
_TIMES = ("**/bdd100k_labels_images_*.json", "**/det_20/det_*.json")


def load_bdd100k_night(root: Path, split: str | None, limit: int | None = None) -> SegmentationDataset:
    """BDD100K at night: images/10k/SPLIT/STEM.jpg and labels/sem_seg/masks/SPLIT/STEM.png of Cityscapes trainIds.

    The segmentation labels do not contain the time of day. It comes from one of two sources:

    - A list: ``split`` is the path of a .txt with one image per line, such as the 87 images of Sakaridis et al.
      (MGCDA). The split is named by the file's stem and a hash; train or val is an attribute.
    - The detection labels under ``root``: ``bdd100k_labels_images_*.json`` or ``det_20/det_*.json``, with
      ``attributes.timeofday`` equal to ``night``. They cover only images that are also among the 100k, and their many
      boxes need gigabytes of memory.

    Args:
        root: folder that contains images/ and labels/, or the older seg/.
        split: ``train``, ``val`` (the default), or the path of a list.
        limit: number of images.

    Raises:
        UserError: folders are missing, no such split, or no source of the time of day.
    """
    if not any(below(root, layout[0]) for layout in _LAYOUTS):
        raise UserError(f"{root} has no folder images/10k/ or seg/images/; give the folder that contains BDD100K")
    listed = split is not None and split.endswith(".txt")
    if split is not None and listed:
        stems, name = read_list(Path(split))
        wanted, splits = set(stems), list(SPLITS)
    else:
        name = official("bdd100k-night", split, SPLITS, "val")
        wanted, splits = _night(root), [name]
    passed_over: list[Problem] = []
    notes: list[str] = []
    entries = [entry for each in splits for entry in _entries(root, each, wanted, passed_over, notes)]
    stems_found = {entry.path.stem for entry in entries}
    problems = [
        Problem(stem, f"is in the list {split}, but not in train or val", lost=True)
        for stem in sorted(wanted - stems_found)
        if listed
    ]
    problems += passed_over
    return build("bdd100k-night", name, CITYSCAPES_CLASSES, TRAIN_IDS, entries, problems, limit, notes=notes)


def _entries(root: Path, split: str, wanted: set[str], problems: list[Problem], notes: list[str]) -> Iterator[Entry]:
    """Yield the wanted images of a split; add what is passed over to ``problems`` and ``notes``."""
    for images, labels, suffix in _LAYOUTS:
        folder = below(root, f"{images}/{split}")
        if folder is None:
            continue
        maps = below(root, f"{labels}/{split}") or root / labels / split
        scanned = scan_images(folder)
        problems += scanned.problems
        notes += scanned.notes
        for stem, path in scanned.images:
            if stem in wanted:
                yield Entry(f"{split}/{stem}", path, maps / f"{stem}{suffix}", attributes={"split": split})
        return


def _night(root: Path) -> set[str]:
    """Return the stems of night images, by the detection labels under ``root``."""
    files = sorted({path for pattern in _TIMES for path in root.glob(pattern)})
    if not files:
        raise UserError(
            f"{root} has no list of night images; give --split FILE.txt, a list of image names, or put BDD100K's "
            "detection labels (det_20/det_train.json and det_val.json) into it"
        )
    return {Path(str(frame["name"])).stem for path in files for frame in _frames(path) if _is_night(frame)}


def _frames(path: Path) -> list[dict[str, Any]]:
    frames = read_json(path)
    if not isinstance(frames, list) or not all(isinstance(frame, dict) and "name" in frame for frame in frames):
        raise UserError(f"{path} is not a list of named frames in BDD100K's format; restore it")
    return frames


def _is_night(frame: dict[str, Any]) -> bool:
    return (frame.get("attributes") or {}).get("timeofday") == "night"
