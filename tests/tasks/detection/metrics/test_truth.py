"""Truth as COCO JSON, and one clear line for what is wrong with truth or predictions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.detection.metrics import coco_truth, evaluate
from sgz_bench.tasks.detection.types import DetectionDataset, Sample, Truth
from sgz_bench.tasks.task import attributes_of


def dataset() -> DetectionDataset:
    boxes = Truth(
        boxes=np.array([[10.0, 20.0, 40.0, 80.0], [0.0, 0.0, 5.5, 4.0]]),
        class_ids=np.array([1, 0]),
        areas=np.array([1700.0, 22.0]),
        crowd=np.array([False, True]),
    )
    nothing = Truth(np.zeros((0, 4)), np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0, dtype=bool))
    samples = (
        Sample(1, "Cat/a", Path("root/Cat/a.JPG"), 100, 90, boxes, {"lighting": "Low", "place": "indoor"}),
        Sample(2, "Dog/b", Path("root/Dog/b.png"), 60, 50, nothing, {"lighting": "Ambient"}),
    )
    return DetectionDataset("night", "test", ("Cat", "Dog"), samples)


def test_a_data_set_becomes_coco_json_with_ids_from_one():
    truth = json.loads(json.dumps(coco_truth(dataset())))
    assert truth["categories"] == [{"id": 1, "name": "Cat"}, {"id": 2, "name": "Dog"}]
    assert [image["file_name"] for image in truth["images"]] == ["Cat/a.JPG", "Dog/b.png"]
    assert truth["annotations"] == [
        {"id": 1, "image_id": 1, "category_id": 2, "bbox": [10, 20, 30, 60], "area": 1700, "iscrowd": 0},
        {"id": 2, "image_id": 1, "category_id": 1, "bbox": [0, 0, 5.5, 4], "area": 22, "iscrowd": 1},
    ]


def test_attributes_come_back_in_the_order_of_image_ids():
    truth = coco_truth(dataset())
    truth["images"].reverse()
    assert attributes_of(truth) == {"lighting": ["Low", "Ambient"], "place": ["indoor", None]}


GOOD = {"image_id": 1, "category_id": 2, "bbox": [10, 20, 30, 60], "score": 0.5}


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (GOOD | {"image_id": 99}, "prediction 2 has image_id 99"),
        (GOOD | {"category_id": 3}, "prediction 2 has category_id 3"),
        (GOOD | {"bbox": [0, 0, float("nan"), 5]}, "prediction 2 has the box"),
        (GOOD | {"bbox": [0, 0, -1, 5]}, "prediction 2 has the box"),
        (GOOD | {"score": float("nan")}, "prediction 2 has the score nan"),
        (GOOD | {"bbox": [0, 0, 5]}, r"prediction 2 has bbox '\[0, 0, 5\]'"),
        (GOOD | {"image_id": "1"}, "prediction 2 has image_id '1'"),
        ({"image_id": 1}, "prediction 2 has no category_id"),
    ],
)
def test_a_wrong_prediction_is_named(prediction, message):
    with pytest.raises(UserError, match=message) as caught:
        evaluate(coco_truth(dataset()), [GOOD, prediction])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "index", "change", "message"),
    [
        ("images", 1, {"id": 1}, "image id 1 2 times"),
        ("categories", 1, {"id": 1}, "category id 1 2 times"),
        ("categories", 1, {"name": "Cat"}, "class name 'Cat' 2 times"),
        ("annotations", 1, {"image_id": 9}, "truth annotation 2 has image_id 9"),
        ("annotations", 0, {"bbox": None}, "not COCO detection JSON"),
        ("annotations", 0, {"bbox": [0, 0, float("inf"), 1]}, "truth annotation 1 has the box"),
    ],
)
def test_wrong_truth_is_named(field, index, change, message):
    truth = coco_truth(dataset())
    truth[field][index] |= change
    with pytest.raises(UserError, match=message):
        evaluate(truth, [GOOD])


def test_truth_that_is_no_coco_dictionary_is_refused():
    with pytest.raises(UserError, match="not COCO detection JSON"):
        evaluate({"images": []}, [])
