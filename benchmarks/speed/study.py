"""Cost of a study: milliseconds per image of decoding, every enhancer and some models on one thread; projections.

A study takes ``images × (decoding + Σ enhancers + number of enhancers × Σ models)``, because each image is decoded
once, enhanced once per enhancer, and predicted once per enhancer and model. Times are CPU seconds of one thread, so
that other load on the machine matters little. Enhancers are those of the suite ``enhancers`` whose weights are found
(``SGZ_BENCH_WEIGHTS``, ``sgz-bench weights fetch``); the others are named.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from bench import Page, finish, options

from sgz_bench.benchmarks.finetuning.images import MEMORY
from sgz_bench.benchmarks.suite import load_suite
from sgz_bench.core.errors import UserError
from sgz_bench.core.images import read_image, write_image
from sgz_bench.core.specs import split_list
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.runtime.choice import sample_image, use_engine
from sgz_bench.tasks.catalog import create_task

SIZES = ((1024, 683), (1280, 720), (1920, 1080))


class Projection(NamedTuple):
    """Study whose cost is projected.

    Attributes:
        name: data set and split.
        images: number of images.
        size: width and height for which constants are taken.
        task: task of its models.
        models: number of models.
    """

    name: str
    images: int
    size: tuple[int, int]
    task: str
    models: int


PROJECTIONS = (
    Projection("ExDark, test", 2563, (1024, 683), "detection", 4),
    Projection("ACDC at night, val", 106, (1920, 1080), "segmentation", 1),
    Projection("BDD100K at night, val", 3929, (1280, 720), "detection", 1),
)
FINETUNED = Projection("ExDark, train", 3000, (1024, 683), "detection", 1)
SEEDS, EPOCHS = 3, 50


def milliseconds(call: Callable[[], object], seconds: float) -> float:
    """Return the median CPU milliseconds of a call, after one to warm up."""
    call()
    times: list[float] = []
    while len(times) < 3 or (sum(times) < seconds and len(times) < 20):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return 1000 * statistics.median(times)


def enhancers() -> tuple[dict[str, Any], list[str]]:
    """Return spec → enhancer of the suite ``enhancers``, and the specs whose weights are missing."""
    suite, known, missing = load_suite("enhancers", ["coco128=.", "camvid=.", "segmenter=nightscene-fpn"]), {}, []
    for spec in suite.settings["enhancers"]:
        try:
            known[spec] = use_engine(create_enhancer(spec), "cpu")
        except UserError:
            missing.append(spec)
    return known, missing


def measure(chosen: argparse.Namespace, page: Page) -> tuple[dict[tuple[int, int], dict[str, float]], list[str]]:
    """Measure constants per size; return size → name → milliseconds, and the enhancers."""
    known, missing = enhancers()
    known = dict(list(known.items())[:3]) if chosen.quick else known
    tasks = {"detection": chosen.detectors, "segmentation": chosen.segmenters}
    models = {
        spec: create_task(task).create_model(spec, "cpu") for task, specs in tasks.items() for spec in split_list(specs)
    }
    constants: dict[tuple[int, int], dict[str, float]] = {}
    for width, height in SIZES[:1] if chosen.quick else SIZES:
        # A dark photograph, with noise: methods such as LIME iterate, and detectors sort what they find.
        noise = np.random.default_rng(0).normal(0, 4, (height, width, 3))
        image = np.clip(sample_image(height, width) * 0.3 + noise, 0, 255).astype(np.uint8)
        times: dict[str, float] = {}
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "a.jpg"
            write_image(file, image)
            times["decoding"] = milliseconds(partial(read_image, file), chosen.seconds)
        for spec, enhancer in known.items():
            call = partial(enhancer.enhance_image, image, "a", "cpu")
            times[spec] = 0.0 if spec == "raw" else milliseconds(call, chosen.seconds)
        for spec, model in models.items():
            times[spec] = milliseconds(partial(model.predict, [image]), chosen.seconds)
        constants[width, height] = times
        print(f"{width} × {height}: {sum(times.values()):.0f} ms", flush=True)
    head = " | ".join(f"{width} × {height}" for width, height in constants)
    rows = [f"| CPU ms per image, one thread | {head} |", "|:--|" + "--:|" * len(constants)]
    first = next(iter(constants.values()))
    rows += [f"| {_name(name)} | " + " | ".join(f"{times[name]:,.1f}" for times in constants.values()) + " |"
             for name in first]  # fmt: skip
    page.note("\n".join(rows))
    if missing:
        page.note(f"Not measured, because the weights are not on this machine: {', '.join(missing)}.")
    return constants, list(known)


def _name(spec: str) -> str:
    """Return a spec without the folder of its file."""
    return spec.rpartition("/")[2]


def training_ms(chosen: argparse.Namespace) -> float:
    """Return the CPU milliseconds of a training per image and epoch: the difference of two short ones."""
    images, (few, many) = (4, (1, 2)) if chosen.quick else (16, (1, 4))
    taken = []
    for epochs in (few, many):
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, "-c", _TRAIN, out, str(images), str(epochs)]
            taken.append(float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.split()[-1]))
    return 1000 * (taken[1] - taken[0]) / (images * (many - few))


_TRAIN = """
import sys, time
from sgz_bench.__main__ import main
out, images, epochs = sys.argv[1:]
sys.argv = ["sgz-bench", "finetune", "--task", "detection", "--dataset", "nightscene", "--split", "test"]
sys.argv += ["--limit", images, "--model", "nightscene-yolo", "--enhancers", "raw", "--seeds", "0"]
sys.argv += ["--epochs", epochs, "--out", out]
start = time.process_time()
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(time.process_time() - start)
"""


def project(
    constants: Mapping[tuple[int, int], Mapping[str, float]],
    names: Sequence[str],
    chosen: argparse.Namespace,
    page: Page,
) -> None:
    """Print the projections."""
    models = {"detection": split_list(chosen.detectors)[0], "segmentation": split_list(chosen.segmenters)[0]}
    rows = ["| study | images × enhancers × models | decoding | enhancing | models | CPU-core hours |",
            "|:--|--:|--:|--:|--:|--:|"]  # fmt: skip
    for study in PROJECTIONS:
        if study.size not in constants:
            continue
        times = constants[study.size]
        hours = study.images / 3.6e6
        decode = hours * times["decoding"]
        enhance = hours * sum(times[name] for name in names)
        predict = hours * len(names) * study.models * times[models[study.task]]
        rows.append(
            f"| {study.name} | {study.images:,} × {len(names)} × {study.models} ({_name(models[study.task])}) | "
            f"{decode:.2f} h | {enhance:.1f} h | {predict:.1f} h | **{decode + enhance + predict:.1f}** |"
        )
    page.note("\n".join(rows))
    train, times, images, size = training_ms(chosen), constants[FINETUNED.size], FINETUNED.images, FINETUNED.size
    kept = min(1.0, MEMORY / (2 * images * size[0] * size[1] * 3))
    once = images * (len(names) * times["decoding"] + sum(times[name] for name in names)) / 3.6e6
    again = once * SEEDS * EPOCHS * (1 - kept)
    steps = SEEDS * len(names) * EPOCHS * images * train / 3.6e6
    work = f"{images:,} images, {len(names)} enhancers, {SEEDS} seeds, {EPOCHS} epochs"
    page.note(
        f"Finetuning nightscene-yolo on {FINETUNED.name} ({work}), in CPU-core hours: all images enhanced once "
        f"{once:.0f}; the {1 - kept:.0%} that do not fit into memory, again in each epoch and seed, {again:,.0f}; "
        f"training, {train:.0f} ms per image of 640 × 384, {steps:,.0f}. Sum: {once + again + steps:,.0f}."
    )


def main() -> None:
    """Measure and project."""
    parser = options(__doc__)
    parser.add_argument("--detectors", default="nightscene-yolo", help="specs with commas; the first is projected")
    parser.add_argument("--segmenters", default="nightscene-fpn", help="specs with commas; the first is projected")
    parser.add_argument("--seconds", type=float, default=1.0, help="time per constant")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    page = Page("Cost of a study")
    constants, names = measure(chosen, page)
    project(constants, names, chosen, page)
    finish(page, chosen)


if __name__ == "__main__":
    main()
