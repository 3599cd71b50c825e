"""Import of the ultralytics package, here and nowhere else.

Its installs, telemetry, network probes and settings file are disabled. Its checkpoints are read by its restricted
unpickler only.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image as Pillow

from sgz_bench.core.cache import cache_folder
from sgz_bench.core.errors import UserError
from sgz_bench.core.files import refuse_zip_bomb
from sgz_bench.core.registry import suggest

from .checkpoints import checkpoint_fault


def import_ultralytics() -> ModuleType:
    """Import ``ultralytics.nn.tasks`` quietly; restore thread counts and the functions it patches."""
    quiet = {
        "YOLO_AUTOINSTALL": "false",
        "YOLO_OFFLINE": "true",
        "YOLO_VERBOSE": "false",
        "ULTRALYTICS_SAFE_LOAD": "true",
        "YOLO_CONFIG_DIR": str(cache_folder()),
    }
    os.environ.update(quiet)
    threads, omp = (torch.get_num_threads(), cv2.getNumThreads()), os.environ.get("OMP_NUM_THREADS")
    open_image, save = Pillow.open, torch.save
    from ultralytics import settings
    from ultralytics.nn import tasks
    from ultralytics.utils import SAFE_LOAD

    if not SAFE_LOAD:
        raise UserError("ultralytics was already imported with unsafe loading; set ULTRALYTICS_SAFE_LOAD=true first")
    if settings["sync"]:
        settings.update({"sync": False})
    if omp is None:
        os.environ.pop("OMP_NUM_THREADS", None)
    torch.set_num_threads(threads[0])
    cv2.setNumThreads(threads[1])
    # Ultralytics patches both; its Pillow.open needs another package for files that are no images.
    Pillow.open, torch.save = open_image, save
    module: ModuleType = tasks
    return module


def detection_trainer() -> type:
    """Import Ultralytics' own ``DetectionTrainer`` quietly."""
    import_ultralytics()
    from ultralytics.models.yolo.detect import DetectionTrainer

    trainer: type = DetectionTrainer
    return trainer


def load_checkpoint(path: Path) -> Any:
    """Load the model in a ``.pt`` file, fused; its pickle may name only known classes and plain data.

    Raises:
        UserError: the file is not such a checkpoint; says what it is instead.
    """
    refuse_zip_bomb(path)
    tasks = import_ultralytics()
    _allow_data()
    try:
        with _under_plain_name(path) as plain:
            model = tasks.load_checkpoint(str(plain), fuse=True)[0]
        if not (model.task and model.names and model.stride.max() > 0):
            raise ValueError("no model with strides")
        return model
    except Exception as error:  # damage raises any of a dozen classes
        raise UserError(f"{path} {checkpoint_fault(path)}") from error


@contextmanager
def _under_plain_name(path: Path) -> Iterator[Path]:
    """Give a file a name without meaning: Ultralytics takes quotes out of names, and looks for some on the network."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "model.pt"
        try:
            plain.symlink_to(path.resolve())
        except OSError:  # Windows without the right to make links
            plain = path
        yield plain


def _allow_data() -> None:
    """Let PyTorch's restricted unpickler make plain data: dates and NumPy arrays beside a model."""
    from numpy import dtypes

    reconstruct = np.zeros(1).__reduce__()[0]
    scalars = [getattr(dtypes, name) for name in dtypes.__all__]
    plain = [datetime, date, timedelta, timezone, np.ndarray, *scalars]
    both = [(reconstruct, f"numpy.{module}.multiarray._reconstruct") for module in ("core", "_core")]
    allow = getattr(torch.serialization, "add_safe_globals", None)
    if allow is not None:  # PyTorch 2.5
        allow([*plain, *both])


def untrained_semantic(name: str, classes: Sequence[str]) -> Any:
    """Build a semantic segmentation model with random weights, fused.

    Args:
        name: architecture without suffix, such as ``yolo26n-sem``.
        classes: names by class id.

    Raises:
        UserError: the installed package has no such architecture.
    """
    tasks = import_ultralytics()
    folder = Path(str(tasks.__file__)).parents[1] / "cfg" / "models"
    stems = sorted(path.stem.removesuffix("-sem") for path in folder.rglob("*-sem.yaml"))
    known = [f"{stem}{scale}-sem" for stem in stems for scale in "nsmlx"]
    if name not in known:  # Ultralytics would search for any other name, even on the network
        raise UserError(f"unknown Ultralytics semantic model {name!r}{suggest(name, known)}")
    model = tasks.SemanticSegmentationModel(f"{name}.yaml", ch=3, nc=len(classes), verbose=False)
    model.names, model.task = dict(enumerate(classes)), "semantic"
    return model.eval().fuse(verbose=False)
