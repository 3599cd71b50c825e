"""Random scenes with everything that is awkward about scoring, and pycocotools run by hand."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Scene = tuple[dict[str, Any], list[dict[str, Any]]]


def make_scene(seed: int, *, images: int = 12, ties: bool = False, crowded: bool = False) -> Scene:
    """COCO truth and predictions on images of 640 × 640: empty images, crowds, a class without truth, duplicates.

    Image ids and category ids have gaps and are listed in no order. With ``ties`` scores have two digits; with
    ``crowded`` the first image has 150 detections of one class.
    """
    rng = np.random.default_rng(seed)
    image_ids = rng.permutation(np.arange(5, 5 + 3 * images, 3)).tolist()
    categories = [{"id": 7, "name": "Cat"}, {"id": 2, "name": "Boat"}, {"id": 4, "name": "Table"}]
    annotations: list[dict[str, Any]] = []
    predictions: list[dict[str, Any]] = []

    def predict(image_id: int, category_id: int, box: Any) -> None:
        record = {"image_id": image_id, "category_id": category_id, "bbox": [float(x) for x in box]}
        predictions.append(record | {"score": float(rng.random())})

    for number, image_id in enumerate(image_ids):
        for _ in range(0 if number % 4 == 3 else int(rng.integers(1, 9))):
            size = np.exp(rng.uniform(np.log(12), np.log(250), size=2))
            box = np.concatenate([rng.uniform(0, 640 - size), size])
            category_id = int(rng.choice([7, 2]))
            annotations.append(
                {
                    "id": len(annotations),  # starts at 0 on purpose
                    "image_id": image_id,
                    "category_id": category_id,
                    "bbox": box.tolist(),
                    "area": float(size.prod() * rng.uniform(0.6, 1)),
                    "iscrowd": int(rng.random() < 0.15),
                }
            )
            for _ in range(int(rng.integers(0, 4))):
                predict(image_id, category_id, box + rng.normal(0, 0.08, 4) * np.tile(size, 2))
        for _ in range(int(rng.integers(0, 6))):
            predict(image_id, int(rng.choice([7, 2, 4])), rng.uniform(10, 200, 4))
    if crowded:
        for _ in range(150):
            near = annotations[0]
            predict(near["image_id"], near["category_id"], np.abs(near["bbox"] + rng.normal(0, 30, 4)))
    rng.shuffle(predictions)  # type: ignore[arg-type]
    if ties:
        for each in predictions:
            each["score"] = round(each["score"], 1)
    return {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 640, "height": 640} for i in image_ids],
        "annotations": annotations,
        "categories": categories,
    }, predictions


def repeat_images(truth: dict[str, Any], predictions: list[dict[str, Any]], image_ids: list[int]) -> Scene:
    """The scene whose images are literally those of the list, each occurrence under a fresh id."""
    repeated: dict[str, Any] = {"images": [], "annotations": [], "categories": truth["categories"]}
    results = []
    for fresh, image_id in enumerate(image_ids, start=1):
        repeated["images"].append({"id": fresh, "width": 640, "height": 640})
        for each in truth["annotations"]:
            if each["image_id"] == image_id:
                number = len(repeated["annotations"]) + 1
                repeated["annotations"].append(each | {"id": number, "image_id": fresh})
        results += [each | {"image_id": fresh} for each in predictions if each["image_id"] == image_id]
    return repeated, results


def run_pycocotools(folder: Path, truth: dict[str, Any], predictions: list[dict[str, Any]]) -> Any:
    """COCOeval as anybody would run it: from two JSON files, annotation ids from 1."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    numbered = [each | {"id": number} for number, each in enumerate(truth["annotations"], start=1)]
    (folder / "truth.json").write_text(json.dumps(truth | {"annotations": numbered}))
    (folder / "results.json").write_text(json.dumps(predictions))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(folder / "truth.json"))
        run = COCOeval(coco, coco.loadRes(str(folder / "results.json")), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run


@pytest.fixture
def scene() -> Callable[..., Scene]:
    return make_scene


@pytest.fixture
def literally_repeated() -> Callable[..., Scene]:
    return repeat_images


@pytest.fixture
def pycocotools_by_hand(tmp_path: Path) -> Callable[..., Any]:
    return lambda truth, predictions: run_pycocotools(tmp_path, truth, predictions)
