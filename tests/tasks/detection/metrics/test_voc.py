"""VOC AP50 against a plain implementation written from the definition in the VOC devkit."""

from __future__ import annotations

import numpy as np
import pytest

from sgz_bench.tasks.detection.metrics import average_precision, evaluate


def iou(a, b):
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (a[2] * a[3] + b[2] * b[3] - width * height)


def voc_ap50(truth, predictions, category_id):
    boxes = [each for each in truth["annotations"] if each["category_id"] == category_id]
    positives = sum(not each["iscrowd"] for each in boxes)
    if positives == 0:
        return None
    taken = set()
    true, false = 0, 0
    recall, precision = [0.0], [0.0]
    for found in sorted((p for p in predictions if p["category_id"] == category_id), key=lambda p: -p["score"]):
        best, best_iou = None, -1.0
        for number, box in enumerate(boxes):
            if box["image_id"] == found["image_id"] and iou(found["bbox"], box["bbox"]) > best_iou:
                best, best_iou = number, iou(found["bbox"], box["bbox"])
        if best is not None and best_iou >= 0.5:
            if boxes[best]["iscrowd"]:
                continue
            if best in taken:
                false += 1
            else:
                taken.add(best)
                true += 1
        else:
            false += 1
        recall.append(true / positives)
        precision.append(true / (true + false))
    recall.append(1.0)
    precision.append(0.0)
    for i in reversed(range(len(precision) - 1)):
        precision[i] = max(precision[i], precision[i + 1])
    return sum((recall[i] - recall[i - 1]) * precision[i] for i in range(1, len(recall)))


@pytest.mark.parametrize("seed", range(6))
def test_voc_ap50_is_that_of_the_definition(scene, seed):
    truth, predictions = scene(seed, crowded=seed == 0)  # with 150 detections of one class: VOC has no limit of 100
    result = evaluate(truth, predictions)
    cat, boat = voc_ap50(truth, predictions, 7), voc_ap50(truth, predictions, 2)
    assert result.per_class["Cat"]["VOC_AP50"] == pytest.approx(cat, abs=1e-9)
    assert result.per_class["Boat"]["VOC_AP50"] == pytest.approx(boat, abs=1e-9)
    assert result.metrics["VOC_AP50"] == pytest.approx((cat + boat) / 2, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_weighted_voc_ap50_is_that_of_the_repeated_images(scene, literally_repeated, seed):
    truth, predictions = scene(seed)
    table = evaluate(truth, predictions).matches.voc
    drawn = np.random.default_rng(seed).integers(12, size=12)
    found = average_precision(table, np.bincount(drawn, minlength=12)[None])[0, :, 0]
    repeated = literally_repeated(truth, predictions, table.image_ids[drawn].tolist())
    oracle = [voc_ap50(*repeated, category_id) for category_id in (2, 4, 7)]
    assert oracle[1] is None
    assert found.tolist() == pytest.approx([np.nan if ap is None else ap for ap in oracle], abs=1e-9, nan_ok=True)


def test_a_second_detection_on_a_taken_box_is_wrong_even_beside_a_free_one():
    box = {"image_id": 1, "category_id": 1, "area": 1e4, "iscrowd": 0}
    truth = {
        "images": [{"id": 1}],
        "categories": [{"id": 1, "name": "Car"}],
        "annotations": [box | {"bbox": [0, 0, 100, 100]}, box | {"bbox": [20, 0, 100, 100]}],
    }
    # Both detections overlap the first box most (IoU 1 and .905) and the second one by more than half as well.
    found = [
        {"image_id": 1, "category_id": 1, "bbox": [0, 0, 100, 100], "score": 0.9},
        {"image_id": 1, "category_id": 1, "bbox": [5, 0, 100, 100], "score": 0.8},
    ]
    metrics = evaluate(truth, found).metrics
    assert metrics["VOC_AP50"] == pytest.approx(0.5)  # COCO gives the second detection to the free box
    assert metrics["AP50"] == pytest.approx(1.0)
