"""Detection data sets by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sgz_bench.enhancer.errors import UserError
from sgz_bench.enhancer.registry import Registry

from ...types import DetectionDataset

Loader = Callable[[Path, str | None, int | None], DetectionDataset]  # root, split (None: the usual one), limit

DATASETS: Registry[Loader] = Registry(
    "data set",
    {
        "exdark": "sgz_bench.tasks.detection.datasets.exdark:load_exdark",
        "coco": "sgz_bench.tasks.detection.datasets.coco:load_coco",
        "yolo": "sgz_bench.tasks.detection.datasets.yolo:load_yolo",
    },
    group="sgz_bench.datasets",
)


def load_dataset(name: str, root: Path | None, split: str | None, limit: int | None = None) -> DetectionDataset:
    """Load a split by a registered name, or from the path of an Ultralytics ``data.yaml``.

    Args:
        name: ``exdark``, ``coco``, ``yolo``, a plugin's name, or a YAML path.
        root: folder of the data set; a YAML may do without.
        split: None takes the data set's usual one.
        limit: so many images, evenly spaced over the sorted keys.

    Raises:
        UserError: unknown name, wrong root or split, nothing to read.
    """
    if Path(name).suffix.lower() in {".yaml", ".yml"}:
        from .yolo import load_yolo_yaml

        return load_yolo_yaml(Path(name), root, split, limit)
    loader = DATASETS.load(name)
    if root is None:
        raise UserError(f"{name} needs --root, the folder that holds it")
    if not root.is_dir():
        raise UserError(f"--root {root} is not a folder; give the folder that holds {name}")
    return loader(root, split, limit)
