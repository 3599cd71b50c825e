"""Cityscapes (Cordts et al. 2016) and Nighttime Driving (Dai and Van Gool 2018), which share a layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...classes import CITYSCAPES_CLASSES
from ..types import VOID, SegmentationDataset
from .base import TRAIN_IDS, Entry, build, folder_below, named_files, official, orphan_maps

CITYSCAPES_SPLITS = ("train", "val", "test")
_IMAGE = "_leftImg8bit.png"
# labelIds of the 19 scored classes, in the order of their trainIds, as in cityscapesScripts.
_SCORED = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
# 0–33 and 255, the licence plate's −1 as a byte; unscored labels are void.
LABEL_IDS = dict.fromkeys((*range(34), 255), VOID) | {value: index for index, value in enumerate(_SCORED)}


def load_cityscapes(root: Path, split: str | None, limit: int | None = None) -> SegmentationDataset:
    """Cityscapes: leftImg8bit/SPLIT/CITY/STEM_leftImg8bit.png and gtFine/SPLIT/CITY/STEM_gtFine_label….png.

    Maps of labelIds, which are part of gtFine, are preferred to maps of labelTrainIds. Labels of ``test`` are withheld,
    so its maps are None. The city is an attribute.

    Args:
        root: folder that contains both, or the zips' folders.
        split: ``train``, ``val`` (the default) or ``test``.
        limit: number of images.

    Raises:
        UserError: folders are missing, or no such split.
    """
    split = official("cityscapes", split, CITYSCAPES_SPLITS, "val")
    images = folder_below(root, f"leftImg8bit/{split}", "cityscapes")
    maps = None
    if split != "test":
        maps = _kind(folder_below(root, f"gtFine/{split}", "cityscapes"), "_gtFine", ("labelIds", "labelTrainIds"))
    return _load("cityscapes", split, images, maps, "city", limit)


def load_nighttime_driving(root: Path, split: str | None, limit: int | None = None) -> SegmentationDataset:
    """Nighttime Driving: leftImg8bit/test/night/ and, in gtCoarse_daytime_trainvaltest/test/night/, the label maps.

    Maps of labelTrainIds are preferred to maps of labelIds.

    Args:
        root: folder that contains both (``NighttimeDrivingTest``), or its parent.
        split: ``test``, the only split.
        limit: number of images.

    Raises:
        UserError: folders are missing, or no such split.
    """
    split = official("nighttime-driving", split, ("test",), "test")
    images = folder_below(root, f"leftImg8bit/{split}", "nighttime-driving")
    folder = folder_below(root, f"gtCoarse_daytime_trainvaltest/{split}", "nighttime-driving")
    maps = _kind(folder, "_gtCoarse", ("labelTrainIds", "labelIds"))
    return _load("nighttime-driving", split, images, maps, "condition", limit)


class _Maps(NamedTuple):
    folder: Path
    suffix: str
    ids: Mapping[int, int]


def _kind(folder: Path, infix: str, kinds: Sequence[str]) -> _Maps:
    """Return the first kind of map that a split has. All maps are of one kind, as the ids of the kinds differ."""
    available = (kind for kind in kinds if next(folder.glob(f"*/*{infix}_{kind}.png"), None))
    kind = next(available, kinds[0])
    return _Maps(folder, f"{infix}_{kind}.png", TRAIN_IDS if kind == "labelTrainIds" else LABEL_IDS)


def _load(
    name: str, split: str, images: Path, maps: _Maps | None, attribute: str, limit: int | None
) -> SegmentationDataset:
    named = named_files(images, _IMAGE)
    entries = [
        Entry(
            key=f"{folder}/{stem}",
            path=path,
            labels=maps.folder / folder / f"{stem}{maps.suffix}" if maps else None,
            attributes={attribute: folder},
        )
        for folder, stem, path in named.files
    ]
    problems = [*named.problems, *(orphan_maps(maps.folder, maps.suffix, entries) if maps else [])]
    ids = maps.ids if maps else LABEL_IDS
    return build(name, split, CITYSCAPES_CLASSES, ids, entries, problems, limit, notes=named.notes)
