"""Train nightscene-yolo, the detector that ships with the package, on bright frames only.

The shipped weights were made by this code: ``python benchmarks/shipped_weights/nightscene_detector.py --out FOLDER``.
"""

from __future__ import annotations

import argparse
import time
from copy import deepcopy
from dataclasses import asdict, dataclass
from importlib.resources import files
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save
from torch import Tensor, nn

from sgz_bench.core.files import read_yaml, to_json, write_atomic
from sgz_bench.core.training import ema_decay, update_average, warmup_cosine
from sgz_bench.tasks.nightscene.render import render_frame
from sgz_bench.tasks.ultralytics import import_ultralytics

NAME = "nightscene-yolo"


@dataclass(frozen=True)
class Phase:
    """One pass of the schedule, from the averaged weights of the previous one, with its changes to frames."""

    epochs: int
    lr: float
    gain: tuple[float, float] = (0.7, 1.3)  # factor of the encoded values
    gamma: tuple[float, float] = (1.0, 1.0)  # exponent of the encoded values
    noise: float = 0.0  # largest standard deviation of added noise, of full scale


@dataclass(frozen=True)
class Recipe:
    """Everything that determines the weights besides the code and the machine."""

    seed: int = 1_000_003  # of frames, initialisation and order; demo and tests use other seeds
    frames: int = 5000
    width: int = 640
    height: int = 384
    batch: int = 16
    weight_decay: float = 5e-4
    warmup: int = 200  # steps
    ema: float = 0.998
    # Drawn frames are cleaner than any photograph; the second phase makes the detector robust to noise and exposure.
    phases: tuple[Phase, ...] = (
        Phase(epochs=8, lr=3e-3),
        Phase(epochs=3, lr=2e-3, gain=(0.5, 1.4), gamma=(0.7, 1.5), noise=0.06),
    )


Frame = tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.int64]]  # image, boxes xyxy, class ids


def _bright(job: tuple[Recipe, int]) -> Frame:
    recipe, index = job
    cv2.setNumThreads(1)
    frame = render_frame(recipe.seed, index, width=recipe.width, height=recipe.height)
    return frame.bright, frame.boxes, frame.class_ids


def render(recipe: Recipe, workers: int) -> list[Frame]:
    """Render all training frames into memory: 0.74 MB each at 640×384."""
    with get_context("spawn").Pool(workers) as pool:
        return pool.map(_bright, [(recipe, index) for index in range(recipe.frames)], chunksize=50)


def batch_of(frames: list[Frame], phase: Phase, rng: np.random.Generator) -> dict[str, Tensor]:
    """Return a batch for Ultralytics' loss, with random mirroring, brightness, gamma and noise."""
    images, owners, classes, boxes = [], [], [], []
    for owner, (image, xyxy, class_ids) in enumerate(frames):
        size = np.array([image.shape[1], image.shape[0]])
        centre, extent = (xyxy[:, :2] + xyxy[:, 2:]) / 2 / size, (xyxy[:, 2:] - xyxy[:, :2]) / size
        if rng.random() < 0.5:
            image, centre = image[:, ::-1], centre * [-1, 1] + [1, 0]
        changed = np.clip(image * np.float32(rng.uniform(*phase.gain) / 255), 0, 1)
        if phase.gamma != (1.0, 1.0):
            changed = changed ** np.float32(rng.uniform(*phase.gamma))
        if phase.noise:
            strength = np.float32(phase.noise * rng.random() ** 2)
            changed = changed + rng.standard_normal(changed.shape, dtype=np.float32) * strength
        images.append(np.clip(changed, 0, 1).transpose(2, 0, 1))
        owners.append(np.full(len(class_ids), owner))
        classes.append(class_ids)
        boxes.append(np.concatenate([centre, extent], axis=1))
    return {
        "img": torch.from_numpy(np.stack(images)).float(),
        "batch_idx": torch.from_numpy(np.concatenate(owners)).float(),
        "cls": torch.from_numpy(np.concatenate(classes)).float()[:, None],
        "bboxes": torch.from_numpy(np.concatenate(boxes)).float(),
    }


def train(recipe: Recipe, out: Path, workers: int, start: Path | None = None) -> None:
    """Render, train all phases, and write ``nightscene-yolo.safetensors`` (float16) and ``recipe.json`` to ``out``.

    Args:
        recipe: settings.
        out: folder; it holds the weights of the last finished epoch.
        workers: processes that render.
        start: weights of the first phase, which is then skipped.
    """
    began = time.monotonic()
    frames = render(recipe, workers)
    print(f"rendered {len(frames)} frames in {time.monotonic() - began:.0f} s", flush=True)
    out.mkdir(parents=True, exist_ok=True)
    config = read_yaml(Path(str(files("sgz_bench.tasks.nightscene").joinpath("weights", f"{NAME}.yaml"))))
    for number, phase in enumerate(recipe.phases):
        if start is not None and number == 0:
            continue
        torch.manual_seed(recipe.seed + number)
        model: Any = import_ultralytics().DetectionModel(config, ch=3, verbose=False)
        model.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5, cls_pw=0.0)  # Ultralytics' own loss weights
        if number:
            state = load_file((start if number == 1 else None) or out / f"{NAME}.safetensors")
            model.load_state_dict({key: value.float() for key, value in state.items()}, strict=False)
        print(f"phase {number + 1}", flush=True)
        _run_phase(model, frames, recipe, phase, np.random.default_rng([recipe.seed, number]), out)
    write_atomic(out / "recipe.json", to_json(asdict(recipe)))


def _run_phase(
    model: Any, frames: list[Frame], recipe: Recipe, phase: Phase, rng: np.random.Generator, out: Path
) -> None:
    average = deepcopy(model).eval()
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}], lr=phase.lr
    )
    steps = phase.epochs * (recipe.frames // recipe.batch)
    step, began = 0, time.monotonic()
    for epoch in range(phase.epochs):
        order = rng.permutation(recipe.frames)
        losses: list[float] = []
        for start in range(0, recipe.frames - recipe.batch + 1, recipe.batch):
            for group in optimizer.param_groups:
                group["lr"] = phase.lr * warmup_cosine(step, steps, recipe.warmup)
            batch = batch_of([frames[index] for index in order[start : start + recipe.batch]], phase, rng)
            with torch.autocast("cpu", torch.bfloat16):
                loss, _ = model(batch)
            total = loss.sum()
            total.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(float(total.detach()) / recipe.batch)
            update_average(average, model, ema_decay(recipe.ema, step, 200))
            step += 1
            if step % 50 == 0:
                print(
                    f"step {step}/{steps} loss {np.mean(losses[-50:]):.3f} {time.monotonic() - began:.0f} s", flush=True
                )
        print(f"epoch {epoch + 1} loss {np.mean(losses):.3f}", flush=True)
        state = {
            key: value.half().contiguous() for key, value in average.state_dict().items() if value.is_floating_point()
        }
        write_atomic(out / f"{NAME}.safetensors", save(state))


def main() -> None:
    """Run the training from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights")
    parser.add_argument("--workers", type=int, default=2, help="processes that render")
    parser.add_argument("--start", type=Path, help="weights of the first phase, which is then skipped")
    given = parser.parse_args()
    train(Recipe(), given.out, given.workers, given.start)


if __name__ == "__main__":
    main()
