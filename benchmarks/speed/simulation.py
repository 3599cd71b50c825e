"""Simulated studies of the benchmark of the executor ray: data sets of many images, and results of real size."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
from sleepers import Work

from sgz_bench.benchmarks.config import StudyConfig
from sgz_bench.benchmarks.executors.worker import Study
from sgz_bench.benchmarks.plan import Plan, make_plan
from sgz_bench.core.images import write_image
from sgz_bench.enhancer.runtime.choice import sample_image

DETECTOR, SEGMENTER = "nightscene-yolo", "nightscene-fpn"
BOXES = 300  # per image: the most that detectors return by default


class Results(NamedTuple):
    """Results of a real size.

    Attributes:
        what: name.
        task: task whose plan takes them.
        line: line of a log after the image's id.
        label_map: PNG; empty for a detector's.
    """

    what: str
    task: str
    line: bytes
    label_map: bytes

    @property
    def size(self) -> int:
        return len(self.line) + len(self.label_map)


def detections(count: int = BOXES) -> Results:
    """Return the results of a detector, as the task writes them."""
    rng = np.random.default_rng(0)
    boxes = rng.uniform(0, 600, (count, 4)).astype(np.float32).tolist()
    records = [{"category_id": 1, "bbox": box, "score": float(rng.random(dtype=np.float32))} for box in boxes]
    return Results(f"{count} boxes", "detection", json.dumps({"detections": records}).encode()[1:] + b"\n", b"")


def label_map(height: int, width: int) -> Results:
    """Return the results of a segmenter, as the task writes them: the label map of a rendered street, enlarged."""
    import cv2
    from PIL import Image as Pillow

    from sgz_bench.tasks.catalog import create_task

    sample: Any = create_task("segmentation").load("nightscene", None, None, 1).samples[0]
    labels = np.asarray(Pillow.open(sample.labels))
    buffer = io.BytesIO()
    enlarged = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
    Pillow.fromarray(enlarged).save(buffer, format="PNG", compress_level=1)
    line = json.dumps({"confusion": np.arange(19 * 20).reshape(19, 20).tolist()}).encode()[1:] + b"\n"
    return Results(f"label map of {width} × {height}", "segmentation", line, buffer.getvalue())


def make_data(folder: Path, task: str, images: int) -> StudyConfig:
    """Write a data set of hard links to eight photographs; return a study on it."""
    picture, kind = sample_image(683, 1024), "images" if task == "segmentation" else "."
    for index in range(8):
        write_image(folder / "few" / f"{index}.jpg", np.roll(picture, 7 * index, axis=1))
    write_image(folder / "few" / "map.png", np.zeros((683, 1024, 3), np.uint8))
    (folder / "data" / kind / "val").mkdir(parents=True)
    for index in range(images):
        os.link(folder / "few" / f"{index % 8}.jpg", folder / "data" / kind / "val" / f"{index:06}.jpg")
    if task == "segmentation":
        import yaml
        from PIL import Image as Pillow

        Pillow.fromarray(np.zeros((683, 1024), np.uint8)).save(folder / "few" / "map.png")
        (folder / "data" / "masks" / "val").mkdir(parents=True)
        for index in range(images):
            os.link(folder / "few" / "map.png", folder / "data" / "masks" / "val" / f"{index:06}.png")
        content = {"images": "images/{split}", "masks": "masks/{split}", "names": ["road", "car"]}
        (folder / "data" / "data.yaml").write_text(yaml.safe_dump(content))
        return StudyConfig(task=task, dataset="folder", root=folder / "data", split="val", model=SEGMENTER)
    annotations = [
        {"id": 6 * index + box, "image_id": index, "category_id": 1, "bbox": [10 * box, 10, 100, 90], "area": 9000,
         "iscrowd": 0} for index in range(1, images + 1) for box in range(6)
    ]  # fmt: skip
    pictures = [
        {"id": index + 1, "file_name": f"{index:06}.jpg", "width": 1024, "height": 683} for index in range(images)
    ]
    categories = [{"id": 1, "name": "car"}]
    (folder / "data" / "annotations").mkdir()
    (folder / "data" / "annotations" / "instances_val.json").write_text(
        json.dumps({"images": pictures, "annotations": annotations, "categories": categories})
    )
    return StudyConfig(task=task, dataset="coco", root=folder / "data", split="val", model=DETECTOR)


def make_plans(config: StudyConfig, enhancers: int, models: int = 1) -> list[Plan]:
    """Plan studies of some enhancers and models; nothing here computes with them."""
    names = ("raw", *(f"gamma(gamma={0.2 + index / 100:.2f})" for index in range(enhancers - 1)))
    specs = [config.model if models == 1 else f"{config.model}(conf={0.001 + index / 1000})" for index in range(models)]
    return [make_plan(config.model_copy(update={"enhancers": names, "model": spec}), "cpu") for spec in specs]


@contextmanager
def simulated(results: Results, seconds: float) -> Iterator[None]:
    """Let the driver send descriptions of simulated studies in place of real ones."""

    def of(plan: Plan, device: str, *, ship: bool) -> Work:
        del device, ship
        return Work(seconds, results.line, results.label_map, {each.id: each.key for each in plan.dataset.samples})

    with patch.object(Study, "of", of):
        yield
