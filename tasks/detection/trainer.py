"""Training of detectors by Ultralytics' own trainer, without network access and with the weights as its only output."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import load_file

from sgz_bench.core.device import cpu_threads
from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_yaml, write_atomic
from sgz_bench.core.images import write_image
from sgz_bench.core.scratch import scratch_folder

from ..models import require_file
from ..training import Progress, TrainedModel
from ..training_state import TrainingState
from ..types import Image
from ..ultralytics import import_ultralytics
from .models import SHIPPED
from .quiet_trainer import quiet_trainer
from .types import Truth

Pair = tuple[Image, Truth]
Optimizer = Literal["auto", "SGD", "AdamW", "Adam", "Adamax", "NAdam", "RAdam", "RMSprop", "MuSGD"]


class DetectionRecipe(BaseModel):
    """Training settings of a detector, with Ultralytics' names and defaults (see its documentation).

    Attributes:
        threads: CPU threads; their number affects the last bits. This setting is ours, all others are Ultralytics'.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(100, ge=1)
    batch: int = Field(16, ge=1)
    imgsz: int = Field(640, ge=32, multiple_of=32)
    optimizer: Optimizer = "auto"  # chooses the learning rate too, by the number of steps
    lr0: float = Field(0.01, gt=0, le=1)
    lrf: float = Field(0.01, gt=0, le=1)
    weight_decay: float = Field(0.0005, ge=0, le=1)
    warmup_epochs: float = Field(3.0, ge=0)
    freeze: int = Field(0, ge=0)
    mosaic: float = Field(1.0, ge=0, le=1)
    close_mosaic: int = Field(10, ge=0)
    hsv_h: float = Field(0.015, ge=0, le=1)
    hsv_s: float = Field(0.7, ge=0, le=1)
    hsv_v: float = Field(0.4, ge=0, le=1)
    translate: float = Field(0.1, ge=0, le=1)
    scale: float = Field(0.5, ge=0, le=1)
    fliplr: float = Field(0.5, ge=0, le=1)
    threads: int = Field(1, ge=1)


def train_detector(
    pairs: Sequence[Pair],
    classes: Sequence[str],
    start: str,
    recipe: DetectionRecipe,
    seed: int,
    path: Path,
    *,
    provenance: Mapping[str, Any] | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    state: TrainingState | None = None,
) -> TrainedModel:
    """Train an Ultralytics detector and write its averaged weights after the last epoch, in float16.

    There is no validation, and only ``pairs`` affects the weights. The file contains neither paths nor dates, so the
    same images, recipe and seed give the same bytes on a CPU, interrupted or not.

    Args:
        pairs: RGB ``(H, W, 3)`` uint8 images as the detector sees them, with their boxes; crowd boxes are left out.
        classes: names by class id.
        start: a ``.pt`` checkpoint, an architecture such as ``yolov8n.yaml`` (random weights), or ``nightscene-yolo``.
        recipe: all other settings that affect the weights.
        seed: of initialisation, order and augmentation; the process's own random state is unchanged.
        path: ``.pt`` file, written atomically.
        provenance: plain values, stored in the checkpoint.
        device: ``cpu`` or ``cuda:N``.
        progress: called after each step.
        state: log of the training, and the checkpoint that it resumes from; None: neither is written.

    Raises:
        UserError: no labelled boxes, a ``start`` that is no detector, or a loss that is not finite.
    """
    if not any(len(truth) for _, truth in pairs):
        raise UserError("no labelled box to train on; check --dataset, --split and --limit")
    with scratch_folder("train") as folder, _own_randomness(), cpu_threads(recipe.threads):
        weights, plan = _start(start)
        _write_folder(pairs, folder / "data")
        fixed = {
            "task": "detect",
            "model": "model.yaml",  # never read: the network is passed in
            "data": "data.yaml",
            "project": str(folder),
            "name": "run",
            "exist_ok": True,
            "seed": seed,
            "deterministic": True,
            "device": device.removeprefix("cuda:"),
            "workers": 0,
            "amp": False,  # its check would download a model
            "plots": False,
            "val": False,
            "save": False,
            "verbose": False,
            "patience": 0,
            "augmentations": [],  # otherwise those of an optional package
        }
        data = {"train": f"{folder}/data/images", "names": dict(enumerate(classes)), "nc": len(classes), "channels": 3}
        data["val"] = data["train"]
        settings = fixed | recipe.model_dump(exclude={"threads"})
        trainer = quiet_trainer()(settings, data, (weights, plan), progress, state)
        torch.set_num_threads(recipe.threads)  # Ultralytics set it to the machine's cores
        trainer.train()
    write_atomic(path, _checkpoint(trainer.ema.ema, recipe, dict(provenance or {})))
    return TrainedModel(path, trainer.final_loss, trainer.taken)


def _start(start: str) -> tuple[Any, Any]:
    """Return a network with start weights, if any, and the architecture."""
    library = import_ultralytics()
    if start.endswith((".yaml", ".yml")):
        return None, start
    if start in SHIPPED:
        start = str(files("sgz_bench.tasks").joinpath(SHIPPED[start][1]))
    path = require_file(start, "model file")
    try:
        if path.suffix.lower() == ".safetensors":
            plan = read_yaml(path.with_suffix(".yaml"))
            weights = library.DetectionModel(plan, ch=3, verbose=False)
            weights.load_state_dict({key: value.float() for key, value in load_file(path).items()}, strict=False)
            weights.names = dict(enumerate(plan["names"]))
            return weights, plan
        weights = library.load_checkpoint(str(path))[0]
        plan = weights.yaml
    except Exception as error:  # damage raises any of a dozen classes
        raise UserError(
            f"{path} is not an Ultralytics checkpoint that can be read safely ({type(error).__name__}); use an "
            "official or self-trained YOLO .pt file"
        ) from error
    if weights.task != "detect" or isinstance(weights, library.RTDETRDetectionModel):
        raise UserError(f"{path} is not a YOLO detection model; start from one")
    return weights, plan


def _write_folder(pairs: Sequence[Pair], folder: Path) -> None:
    """Write images as PNG and labels as YOLO text: class, centre and size as fractions of the image."""
    (folder / "labels").mkdir(parents=True)
    for index in range(len(pairs)):
        image, truth = pairs[index]
        write_image(folder / "images" / f"{index:06d}.png", image)
        size = np.array([image.shape[1], image.shape[0]], dtype=np.float64)
        boxes = np.clip(truth.boxes, 0, np.tile(size, 2))
        centre, extent = (boxes[:, :2] + boxes[:, 2:]) / 2 / size, (boxes[:, 2:] - boxes[:, :2]) / size
        keep = ~truth.crowd & (extent > 0).all(axis=1)
        lines = [
            f"{class_id} {x:.9g} {y:.9g} {w:.9g} {h:.9g}\n"
            for class_id, (x, y), (w, h) in zip(truth.class_ids[keep], centre[keep], extent[keep], strict=True)
        ]
        (folder / "labels" / f"{index:06d}.txt").write_text("".join(lines), encoding="ascii")


def _checkpoint(network: Any, recipe: DetectionRecipe, provenance: dict[str, Any]) -> bytes:
    """Return a checkpoint in Ultralytics' format, without data of the machine and the date."""
    kept = {"task": "detect", "imgsz": recipe.imgsz}
    network.args, network.criterion = kept, None
    if "yaml_file" in network.yaml:
        network.yaml["yaml_file"] = Path(network.yaml["yaml_file"]).name
    buffer = BytesIO()
    content = {"epoch": -1, "model": network.half().cpu(), "train_args": kept, "provenance": provenance}
    torch.save(content, buffer)
    return buffer.getvalue()


@contextmanager
def _own_randomness() -> Iterator[None]:
    """Restore the process's random generators, which Ultralytics seeds."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
