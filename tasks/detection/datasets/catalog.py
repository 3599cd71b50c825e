"""Detection data sets by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sgz_bench.core.registry import Registry

from ...datasets import load_named
from ..types import DetectionDataset
from .yolo import load_yolo_yaml

Loader = Callable[..., DetectionDataset]  # root, split (None: the default), limit, settings of the spec

DATASETS: Registry[Loader] = Registry(
    "data set",
    {
        "exdark": "sgz_bench.tasks.detection.datasets.exdark:load_exdark",
        "coco": "sgz_bench.tasks.detection.datasets.coco:load_coco",
        "yolo": "sgz_bench.tasks.detection.datasets.yolo:load_yolo",
        "voc": "sgz_bench.tasks.detection.datasets.voc:load_voc",
        "bdd100k": "sgz_bench.tasks.detection.datasets.bdd100k:load_bdd100k",
        "darkface": "sgz_bench.tasks.detection.datasets.darkface:load_darkface",
        "visdrone": "sgz_bench.tasks.detection.datasets.visdrone:load_visdrone",
        "nightscene": "sgz_bench.tasks.detection.datasets.nightscene:load_nightscene",
    },
    group=("sgz_bench.detection_datasets", "sgz_bench.datasets"),  # the present and the former name
)


def load_dataset(name: str, root: Path | None, split: str | None, limit: int | None = None) -> DetectionDataset:
    """Load a split by a registered name, or from the path of an Ultralytics ``data.yaml``.

    Args:
        name: ``exdark``, ``coco``, ``yolo``, ``nightscene(frames=240)``, a plugin's name, or a YAML path.
        root: folder of the data set; optional for a YAML and nightscene.
        split: None takes the data set's default.
        limit: number of images, evenly spaced over the sorted keys.

    Raises:
        UserError: unknown name, wrong root or split, or no usable image.
    """
    return load_named(DetectionDataset, DATASETS, load_yolo_yaml, name, root, split, limit)
