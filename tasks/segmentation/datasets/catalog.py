"""Segmentation data sets by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sgz_bench.core.registry import Registry

from ...datasets import load_named
from ..types import SegmentationDataset
from .folder import load_folder_yaml

Loader = Callable[..., SegmentationDataset]  # root, split (None: the default), limit, settings of the spec

_HERE = "sgz_bench.tasks.segmentation.datasets"
DATASETS: Registry[Loader] = Registry(
    "data set",
    {
        "acdc": f"{_HERE}.acdc:load_acdc",
        "dark-zurich": f"{_HERE}.acdc:load_dark_zurich",
        "nighttime-driving": f"{_HERE}.cityscapes:load_nighttime_driving",
        "bdd100k-night": f"{_HERE}.bdd100k:load_bdd100k_night",
        "cityscapes": f"{_HERE}.cityscapes:load_cityscapes",
        "camvid": f"{_HERE}.camvid:load_camvid",
        "folder": f"{_HERE}.folder:load_folder",
        "nightscene": f"{_HERE}.nightscene:load_nightscene",
    },
    group="sgz_bench.segmentation_datasets",
)


def load_dataset(name: str, root: Path | None, split: str | None, limit: int | None = None) -> SegmentationDataset:
    """Load a split by a registered name, or from the path of a YAML (see :mod:`.folder`).

    Args:
        name: ``acdc(condition=night)``, ``camvid``, ``nightscene(frames=240)``, a plugin's name, or a YAML path.
        root: folder of the data set; optional for a YAML and nightscene.
        split: None takes the data set's default.
        limit: number of images, evenly spaced over the sorted keys.

    Raises:
        UserError: unknown name, wrong root or split, or no usable image.
    """
    return load_named(SegmentationDataset, DATASETS, load_folder_yaml, name, root, split, limit)
