"""Cityscapes (Cordts et al. 2016) and Nighttime Driving (Dai and Van Gool 2018), which has its layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...classes import CITYSCAPES_CLASSES
from ..types import VOID, SegmentationDataset
from .base import TRAIN_IDS, Entry, build, folder_below, named_files, official

CITYSCAPES_SPLITS = ("train", "val", "test")
_IMAGE = "_leftImg8bit.png"
# labelIds of the 19 classes that are scored, in the order of their trainIds, as cityscapesScripts lists them.
_SCORED = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
# 0–33 and 255, which is the licence plate's −1 as a byte; what is not scored is void.
LABEL_IDS = dict.fromkeys((*range(34), 255), VOID) | {value: index for index, value in enumerate(_SCORED)}


def load_cityscapes(root: Path, split: str | None, limit: int | None = None) -> SegmentationDataset:
    """Cityscapes: leftImg8bit/SPLIT/CITY/STEM_leftImg8bit.png and gtFine/SPLIT/CITY/STEM_gtFine_label….png.

    Maps of labelIds, which come with gtFine, are read where a split has them, else maps of labelTrainIds. Labels of
    ``test`` are withheld, so its maps are None. The city is an attribute.

    Args:
        root: folder that holds both, or the zips' folders.
        split: ``train``, ``val`` (the usual one) or ``test``.
        limit: so many images.

    Raises:
        UserError: folders are not there, or no such split.
    """
    split = official("cityscapes", split, CITYSCAPES_SPLITS, "val")
    images = folder_below(root, f"leftImg8bit/{split}", "cityscapes")
    maps = None
    if split != "test":
        maps = _kind(folder_below(root, f"gtFine/{split}", "cityscapes"), "_gtFine", ("labelIds", "labelTrainIds"))
    return _load("cityscapes", split, images, maps, "city", limit)


def load_nighttime_driving(root: Path, split: str | None, limit: int | None = None) -> SegmentationDataset:
    """Nighttime Driving: leftImg8bit/test/night/ and, in gtCoarse_daytime_trainvaltest/test/night/, the label maps.

    Maps of labelTrainIds are read where they are, else maps of labelIds.

    Args:
        root: folder that holds both, ``NighttimeDrivingTest``, or the one above it.
        split: ``test``, the only one.
        limit: so many images.

    Raises:
        UserError: folders are not there, or no such split.
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
    """The first kind of map that a split has: one kind for all, so that none is read with the ids of the other."""
    there = (kind for kind in kinds if next(folder.glob(f"*/*{infix}_{kind}.png"), None))
    kind = next(there, kinds[0])
    return _Maps(folder, f"{infix}_{kind}.png", TRAIN_IDS if kind == "labelTrainIds" else LABEL_IDS)


def _load(
    name: str, split: str, images: Path, maps: _Maps | None, attribute: str, limit: int | None
) -> SegmentationDataset:
    entries = (
        Entry(
            key=f"{folder}/{stem}",
            path=path,
            labels=maps.folder / folder / f"{stem}{maps.suffix}" if maps else None,
            attributes={attribute: folder},
        )
        for folder, stem, path in named_files(images, _IMAGE)
    )
    return build(name, split, CITYSCAPES_CLASSES, maps.ids if maps else LABEL_IDS, entries, (), limit)
