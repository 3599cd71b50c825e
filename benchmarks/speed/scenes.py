"""Synthetic detections of the size of ExDark's test split: truth, predictions, and pycocotools on them."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np

from sgz_bench.tasks.classes import EXDARK_CLASSES

Records = list[dict[str, Any]]
IMAGES = 2563
SIZE = np.array([1024, 683])


def make_truth(images: int, seed: int = 0) -> dict[str, Any]:
    """Create COCO truth: one to six objects per image, one in thirty a crowd."""
    rng = np.random.default_rng([seed, 0])
    annotations: Records = []
    for image in range(1, images + 1):
        for _ in range(int(rng.integers(1, 7))):
            size = np.exp(rng.uniform(np.log(12), np.log(300), 2))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(rng.integers(1, len(EXDARK_CLASSES) + 1)),
                    "bbox": [*(rng.uniform(0, 1, 2) * (SIZE - size)).tolist(), *size.tolist()],
                    "area": float(size.prod()),
                    "iscrowd": int(rng.random() < 1 / 30),
                }
            )
    return {
        "images": [{"id": image, "width": int(SIZE[0]), "height": int(SIZE[1])} for image in range(1, images + 1)],
        "annotations": annotations,
        "categories": [{"id": index, "name": name} for index, name in enumerate(EXDARK_CLASSES, 1)],
    }


def make_predictions(truth: dict[str, Any], each: int, seed: int = 0) -> Records:
    """Create COCO results, ``each`` per image: three in ten near an object, the others at random."""
    rng = np.random.default_rng([seed, 1])
    objects: dict[int, Records] = {image["id"]: [] for image in truth["images"]}
    for annotation in truth["annotations"]:
        objects[annotation["image_id"]].append(annotation)
    results: Records = []
    for image, known in objects.items():
        for _ in range(each):
            if rng.random() < 0.3:
                near = known[int(rng.integers(len(known)))]
                box = np.array(near["bbox"]) + rng.normal(0, 0.1, 4) * np.tile(near["bbox"][2:], 2)
                category, score = near["category_id"], rng.random() ** 2
            else:
                box = np.concatenate([rng.uniform(0, SIZE), rng.uniform(5, 200, 2)])
                category, score = int(rng.integers(1, len(EXDARK_CLASSES) + 1)), rng.random() ** 4
            results.append(
                {"image_id": image, "category_id": category, "bbox": np.abs(box).tolist(), "score": float(score)}
            )
    return results


def run_pycocotools(truth: dict[str, Any], predictions: Records, *, faster: bool = False) -> Any:
    """Evaluate, accumulate and summarise with pycocotools or faster-coco-eval; return the COCOeval."""
    if faster:
        from faster_coco_eval import COCO
        from faster_coco_eval import COCOeval_faster as COCOeval
    else:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = truth
        known.createIndex()
        run = COCOeval(known, known.loadRes(predictions), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run
