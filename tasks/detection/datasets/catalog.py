"""Detection data sets by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

from sgz_bench.enhancer.errors import UserError
from sgz_bench.enhancer.registry import Registry, refuse_unknown
from sgz_bench.enhancer.specs import parse_spec

from ...types import DetectionDataset

Loader = Callable[..., DetectionDataset]  # root, split (None: the usual one), limit, settings of the spec

DATASETS: Registry[Loader] = Registry(
    "data set",
    {
        "exdark": "sgz_bench.tasks.detection.datasets.exdark:load_exdark",
        "coco": "sgz_bench.tasks.detection.datasets.coco:load_coco",
        "yolo": "sgz_bench.tasks.detection.datasets.yolo:load_yolo",
        "nightscene": "sgz_bench.tasks.detection.datasets.nightscene:load_nightscene",
    },
    group="sgz_bench.datasets",
)


def load_dataset(name: str, root: Path | None, split: str | None, limit: int | None = None) -> DetectionDataset:
    """Load a split by a registered name, or from the path of an Ultralytics ``data.yaml``.

    Args:
        name: ``exdark``, ``coco``, ``yolo``, ``nightscene(frames=240)``, a plugin's name, or a YAML path.
        root: folder of the data set; a YAML and nightscene may do without.
        split: None takes the data set's usual one.
        limit: so many images, evenly spaced over the sorted keys.

    Raises:
        UserError: unknown name, wrong root or split, nothing to read.
    """
    if limit is not None and limit < 1:
        raise UserError(f"--limit {limit}: give the number of images, 1 or more")
    if Path(name).suffix.lower() in {".yaml", ".yml"}:
        from .yolo import load_yolo_yaml

        return load_yolo_yaml(Path(name), root, split, limit)
    spec = parse_spec(name)
    loader = DATASETS.load(spec.name)
    if root is None and spec.name != "nightscene":
        raise UserError(f"{spec.name} needs --root, the folder that holds it")
    if root is not None and not root.is_dir():
        raise UserError(f"--root {root} is not a folder; give the folder that holds {spec.name}")
    refuse_unknown(spec.name, spec.kwargs, list(inspect.signature(loader).parameters)[3:])
    return loader(root, split, limit, **spec.kwargs)
