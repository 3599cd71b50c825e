"""The ultralytics package, imported here and nowhere else: its installs, telemetry, network probes and settings file
are turned off, and its checkpoints are read by its restricted unpickler only.
"""

from __future__ import annotations

import os
from types import ModuleType

import torch
from PIL import Image as Pillow

from sgz_bench.enhancer.cache import cache_folder
from sgz_bench.enhancer.errors import UserError


def import_ultralytics() -> ModuleType:
    """``ultralytics.nn.tasks``, imported quietly; thread counts and others' functions are what they were before."""
    quiet = {
        "YOLO_AUTOINSTALL": "false",
        "YOLO_OFFLINE": "true",
        "YOLO_VERBOSE": "false",
        "ULTRALYTICS_SAFE_LOAD": "true",
        "YOLO_CONFIG_DIR": str(cache_folder()),
    }
    os.environ.update(quiet)
    threads, omp = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    open_image, save = Pillow.open, torch.save
    from ultralytics import settings
    from ultralytics.nn import tasks
    from ultralytics.utils import SAFE_LOAD

    if not SAFE_LOAD:
        raise UserError("ultralytics was imported before with unsafe loading; set ULTRALYTICS_SAFE_LOAD=true first")
    if settings["sync"]:
        settings.update({"sync": False})
    if omp is None:
        os.environ.pop("OMP_NUM_THREADS", None)
    torch.set_num_threads(threads)
    # It puts functions of its own in their place; that of Pillow wants another package for files that are no images.
    Pillow.open, torch.save = open_image, save
    module: ModuleType = tasks
    return module
