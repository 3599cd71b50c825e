"""Grid of enhancers and detectors: time beyond the bare networks, and against a conventional loop.

``python benchmarks/speed/grid.py`` uses rendered images and the shipped detector;
``--root DIR --split val2017 --weights yolov8n.pt`` uses a data set in YOLO's layout and an Ultralytics checkpoint.
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
import yaml
from bench import Line, Page, finish, in_turn, options
from PIL import Image as Pillow

from sgz_bench.benchmarks.config import StudyConfig
from sgz_bench.benchmarks.executors.job import RunJob
from sgz_bench.benchmarks.executors.local import predict
from sgz_bench.benchmarks.executors.progress import Progress
from sgz_bench.benchmarks.plan import Plan, make_plan
from sgz_bench.benchmarks.store import LOG, cell_folder, read_log
from sgz_bench.core.images import read_image, to_tensor
from sgz_bench.core.specs import split_list
from sgz_bench.tasks.images import letterbox
from sgz_bench.tasks.ultralytics import import_ultralytics

ENHANCERS = ("raw", "gamma", "clahe", "constant-curve", "sgz(scale=12)", "sgz(scale=1)")
SIZES = (640, 416)  # input sizes: two detectors


class Grid:
    """Plans for one set of images, enhancers and detectors."""

    def __init__(self, chosen: argparse.Namespace, enhancers: Sequence[str], models: Sequence[str], images: int):
        data: dict[str, Any] = {"dataset": f"nightscene(frames={chosen.images})"}
        if chosen.root:
            data = {"dataset": "yolo", "root": chosen.root, "split": chosen.split}
        self.plans = [
            make_plan(StudyConfig(**data, model=model, enhancers=tuple(enhancers), limit=images), "cpu")
            for model in models
        ]

    def run(self) -> list[float]:
        """Predict everything as a run does, score it, and return each cell's AP50."""
        scores = []
        with tempfile.TemporaryDirectory() as scratch:
            for job in self._predict(Path(scratch)):
                if job.fault or job.failures.cells or job.failures.unread:
                    raise SystemExit(f"failed: {job.fault or job.failures}")
                truth = job.plan.task.truth(job.plan.space, set())
                for cell in job.plan.cells:
                    scored = job.plan.task.score(truth, read_log(cell_folder(job.run, cell.key) / LOG))
                    scores.append(float(scored.metrics["AP50"] or 0))
        return scores

    def predict(self) -> None:
        """Predict everything as a run does."""
        with tempfile.TemporaryDirectory() as scratch:
            self._predict(Path(scratch))

    def _predict(self, scratch: Path) -> list[RunJob]:
        jobs = [RunJob(plan, scratch / str(number)) for number, plan in enumerate(self.plans)]
        for job in jobs:
            job.open()
        predict(jobs, "cpu", Progress())
        for job in jobs:
            job.close()
        return jobs

    def bare_enhancers(self) -> Callable[[], None]:
        """Return a function of all forward passes of the enhancers alone, on images or tensors in memory."""
        images = [read_image(sample.path) for sample in self.plans[0].dataset.samples]
        tensors = [to_tensor(image) for image in images]

        def forward() -> None:
            for cell in self.plans[0].cells:
                engine = cell.view.enhancer.engine
                for dark in images if engine else tensors:
                    engine(dark) if engine else cell.view.enhancer(dark)

        return forward

    def bare_models(self) -> Callable[[], None]:
        """Return a function of all forward passes of the detectors alone."""
        images = [read_image(sample.path) for sample in self.plans[0].dataset.samples]
        fitted = [[_fitted(image, size(plan)) for image in images] for plan in self.plans]

        @torch.inference_mode()
        def forward() -> None:
            for plan, tensors in zip(self.plans, fitted, strict=True):
                network = net(plan)
                for _ in plan.cells:
                    for tensor in tensors:
                        network(tensor)

        return forward


def size(plan: Plan) -> int:
    """Return the longer side of the detector's input."""
    return int(cast(int, plan.cells[0].model.settings["imgsz"]))


def net(plan: Plan) -> torch.nn.Module:
    """Return the network of a plan's Ultralytics detector."""
    return cast(torch.nn.Module, cast(Any, plan.cells[0].model)._net.model)


def _fitted(image: Any, side: int) -> torch.Tensor:
    fit = letterbox(image, (side, side), stride=32).image
    return torch.from_numpy(fit).permute(2, 0, 1)[None].contiguous().float().div(255)


def export(plan: Plan, folder: Path) -> Path:
    """Export the plan's detector as ONNX for images of any size, with the metadata that Ultralytics writes."""
    import onnx

    network = copy.deepcopy(net(plan))
    head: Any = cast(Any, network).model[-1]
    head.dynamic, head.export, head.format = True, True, "onnx"
    path = folder / "detector.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing
        torch.onnx.export(
            network, (torch.zeros(1, 3, 320, 320),), str(path), input_names=["images"], output_names=["output0"],
            dynamic_axes={"images": {2: "height", 3: "width"}, "output0": {2: "anchors"}}, dynamo=False,
        )  # fmt: skip
    model = onnx.load(str(path))
    names = repr(dict(enumerate(plan.cells[0].model.class_names)))
    onnx.helper.set_model_props(model, {"names": names, "stride": "32", "task": "detect"})
    onnx.save(model, str(path))
    return path


def _apart(one: Sequence[float], other: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def conventional_loop(grid: Grid, threads: int) -> list[float]:
    """Enhance image by image to PNG folders with Pillow, run ``YOLO.val`` on each; return each cell's AP50."""
    plan, scores = grid.plans[0], []
    with tempfile.TemporaryDirectory() as scratch:
        folders = []
        for number, cell in enumerate(plan.cells):
            folder = Path(scratch) / str(number)
            (folder / "images").mkdir(parents=True)
            (folder / "labels").mkdir()
            for sample in plan.dataset.samples:
                name = f"{sample.id:06d}"
                if cell.label == "raw":
                    shutil.copy(sample.path, folder / "images" / f"{name}{sample.path.suffix}")
                else:
                    pixels = np.array(Pillow.open(sample.path).convert("RGB"))
                    enhanced = cell.view.enhancer(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255)
                    rounded = (enhanced[0].permute(1, 2, 0) * 255).round().byte().numpy()
                    Pillow.fromarray(rounded).save(folder / "images" / f"{name}.png")
                (folder / "labels" / f"{name}.txt").write_text(_label(plan, sample))
            names = dict(enumerate(plan.cells[0].model.class_names))
            content = {"path": str(folder), "train": "images", "val": "images", "names": names}
            (folder / "data.yaml").write_text(yaml.safe_dump(content))
            folders.append(folder)
        for each in grid.plans:
            scores += [_val(each, folder, threads) for folder in folders]
    return scores


def _label(plan: Plan, sample: Any) -> str:
    """Return a label file in the model's class ids."""
    model_class = {int(number): index for index, number in enumerate(plan.space.class_map) if number >= 0}
    height, width = read_image(sample.path).shape[:2]
    lines = []
    for (x1, y1, x2, y2), number in zip(sample.truth.boxes, sample.truth.class_ids, strict=True):
        if int(number) in model_class:
            box = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
            lines.append(" ".join([str(model_class[int(number)]), *(f"{value:.9f}" for value in box)]))
    return "\n".join(lines) + "\n"


def _val(plan: Plan, folder: Path, threads: int) -> float:
    import_ultralytics()
    from ultralytics import YOLO
    from ultralytics.data import utils

    utils.check_font = lambda *_: None  # it downloads a font, for plots that are off
    model = YOLO("yolov8n.yaml", task="detect", verbose=False)
    model.model = copy.deepcopy(net(plan))
    torch.set_num_threads(threads)
    results = model.val(
        data=str(folder / "data.yaml"), imgsz=size(plan), device="cpu", plots=False, verbose=False,
        project=str(folder), workers=0,
    )  # fmt: skip
    return float(results.box.map50)


def main() -> None:
    """Time the grid, the bare forward passes and the conventional loop in turn."""
    parser = options(__doc__)
    parser.add_argument("--root", type=Path, help="folder of a data set in YOLO's layout; default: rendered images")
    parser.add_argument("--split", help="split of the data set")
    parser.add_argument("--weights", default="nightscene-yolo", help="Ultralytics checkpoint; default: the shipped one")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--enhancers", default=",".join(ENHANCERS), help="specs with commas, raw first")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.images = 4
    os.environ.setdefault("YOLO_VERBOSE", "false")
    torch.set_num_threads(chosen.threads)
    cv2.setNumThreads(chosen.threads)
    page = Page("Grid: enhancers × detectors")
    settings = "multi_label=true"  # as YOLO.val counts
    models = [f"{chosen.weights}(imgsz={side},{settings})" for side in SIZES]
    enhancers_of = split_list(chosen.enhancers)
    grid = Grid(chosen, enhancers_of, models, chosen.images)
    images = len(grid.plans[0].dataset.samples)
    what = f"{len(enhancers_of)} enhancers × {len(SIZES)} detectors, {images} images, {chosen.threads} threads"
    page.note(
        f"Enhancers {chosen.enhancers}; detectors {Path(chosen.weights).stem} at {' and '.join(map(str, SIZES))}"
        f" pixels; images of {grid.plans[0].dataset.name} {grid.plans[0].dataset.split}. Bare forward passes and ours"
        " use the same engines; the conventional loop uses eager PyTorch."
    )

    ours, theirs = grid.run(), conventional_loop(grid, chosen.threads)
    least = 1 if chosen.quick else 2
    predicted, enhancers, detectors = in_turn(
        grid.predict, grid.bare_enhancers(), grid.bare_models(), seconds=1, least=least
    )
    bare = enhancers + detectors
    page.add(Line(f"{what}, from files to records", "bare forward passes", bare, predicted, "", round(1 / 1.1, 3)))
    page.note(
        f"The grid takes {predicted / bare:.3f} × the sum of the bare forward passes (goal 1.10), which are "
        f"{enhancers:.2f} s of enhancers and {detectors:.2f} s of detectors: decoding, 8-bit rounding, letterbox, NMS "
        "and records included."
    )
    with tempfile.TemporaryDirectory() as scratch:
        file = export(grid.plans[0], Path(scratch))
        fast = {}
        for precision in ("fp32", "bf16"):
            engine = f"{settings},engine=openvino,precision={precision}"
            specs = [f"ultralytics:{file}(imgsz={side},{engine})" for side in SIZES]
            fast[precision] = Grid(chosen, enhancers_of, specs, chosen.images)
        scores = {precision: each.run() for precision, each in fast.items()}
        seconds = in_turn(
            lambda: conventional_loop(grid, chosen.threads),
            grid.run,
            *(each.run for each in fast.values()),
            seconds=1,
            least=least,
        )
    today, scored = seconds[:2]
    rival, cells = "enhance to PNG with Pillow, YOLO.val on each", len(ours)
    same = f"AP50 of the {cells} cells within {_apart(ours, theirs):.4f} (val pads differently)"
    page.add(Line(f"{what}, from files to AP", rival, today, scored, same, 3.0))
    for (precision, fast_scores), taken in zip(scores.items(), seconds[2:], strict=True):
        same = f"AP50 of the {cells} cells within {_apart(ours, fast_scores):.4f} of torch's"
        page.add(Line(f"the same, detectors by OpenVINO ({precision})", rival, today, taken, same, 3.0))
        page.add(Line(f"the same, detectors by OpenVINO ({precision})", "the grid with torch", scored, taken, same))
    page.note(_slopes(chosen))
    finish(page, chosen)


def _slopes(chosen: argparse.Namespace) -> str:
    """Measure the time of grids that grow in one dimension, as a table."""
    steps, images = (1, 2, 4), max(chosen.images // 4, 1)
    model = f"{chosen.weights}(imgsz=320"

    def grid(enhancers: int, models: int, factor: int) -> Grid:
        names = ["raw", *(f"gamma(gamma={0.3 + 0.1 * index:.1f})" for index in range(enhancers - 1))]
        return Grid(chosen, names, [f"{model},conf={0.001 + index / 1000})" for index in range(models)], factor)

    lines = ["| grows | " + " | ".join(f"×{step}" for step in steps) + " | slope |", "|---|" + "--:|" * 4]
    for name, grids in {
        "enhancers": [grid(step, 1, images) for step in steps],
        "models": [grid(1, step, images) for step in steps],
        "images": [grid(1, 1, images * step) for step in steps],
    }.items():
        seconds = in_turn(*(each.predict for each in grids), seconds=1)
        slope = math.log(seconds[-1] / seconds[0]) / math.log(steps[-1] / steps[0])
        lines.append(f"| {name} | " + " | ".join(f"{each * 1000:.0f} ms" for each in seconds) + f" | {slope:.2f} |")
    return "Time against the size of the grid, slope of log time over log size:\n\n" + "\n".join(lines)


if __name__ == "__main__":
    main()
