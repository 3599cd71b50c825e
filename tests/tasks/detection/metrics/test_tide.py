"""TIDE's errors: hand-made cases of every kind, sums, and a plain reading of the definitions on random scenes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sgz_bench.tasks.detection.metrics import evaluate
from sgz_bench.tasks.detection.metrics.tide import TYPES, Errors, find_errors

Record = dict[str, Any]
CAT, DOG = 1, 2
OBJECT = [10.0, 10.0, 20.0, 20.0]
IOU_ONE_THIRD = [20.0, 10.0, 20.0, 20.0]  # 200 of 600 pixels
IOU_TWO_THIRDS = [14.0, 10.0, 20.0, 20.0]  # 320 of 480
ELSEWHERE = [100.0, 100.0, 20.0, 20.0]


def scene(*objects: tuple[int, list[float]], images: int = 1) -> Record:
    return {
        "images": [{"id": number, "width": 200, "height": 200} for number in range(1, images + 1)],
        "categories": [{"id": CAT, "name": "cat"}, {"id": DOG, "name": "dog"}],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": kind, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for number, (kind, box) in enumerate(objects, start=1)
        ],
    }


def said(*predictions: tuple[int, list[float], float]) -> list[Record]:
    return [{"image_id": 1, "category_id": kind, "bbox": box, "score": score} for kind, box, score in predictions]


def kinds(errors: Errors) -> list[str]:
    """Of the predictions, best first."""
    return [TYPES[v] if v >= 0 else {-1: "right", -2: "ignored"}[v] for v in errors.verdict.tolist()]


def number(errors: Errors) -> dict[str, int]:
    return {name: count for name, count in zip(TYPES, errors.counts().sum(axis=0).tolist(), strict=True) if count}


@pytest.mark.parametrize(
    ("predictions", "expected", "missed"),
    [
        (said((CAT, OBJECT, 0.9)), ["right"], 0),
        (said((CAT, IOU_TWO_THIRDS, 0.9)), ["right"], 0),
        (said((DOG, IOU_TWO_THIRDS, 0.9)), ["classification"], 0),
        (said((CAT, IOU_ONE_THIRD, 0.9)), ["localisation"], 0),
        (said((DOG, IOU_ONE_THIRD, 0.9)), ["both"], 1),
        (said((CAT, OBJECT, 0.9), (CAT, IOU_TWO_THIRDS, 0.8)), ["right", "duplicate"], 0),
        (said((CAT, ELSEWHERE, 0.9)), ["background"], 1),
        ([], [], 1),
    ],
)
def test_each_kind_of_error_has_its_case(predictions: list[Record], expected: list[str], missed: int) -> None:
    errors = find_errors(scene((CAT, OBJECT)), predictions)
    assert kinds(errors) == expected
    assert int(errors.missed.sum()) == missed
    assert number(errors) == {
        name: count for name in TYPES if (count := missed if name == "missed" else expected.count(name))
    }


def test_place_goes_before_class_and_class_before_duplicate() -> None:
    two = scene((CAT, OBJECT), (DOG, IOU_TWO_THIRDS))
    beside_the_cat_and_on_the_dog = [18.0, 10.0, 20.0, 20.0]  # 12 of 28 columns, 16 of 24
    assert kinds(find_errors(two, said((CAT, beside_the_cat_and_on_the_dog, 0.9)))) == ["localisation"]
    twice = said((CAT, OBJECT, 0.9), (CAT, IOU_TWO_THIRDS, 0.8))
    assert kinds(find_errors(two, twice)) == ["right", "classification"], "it would have been a right dog"


def test_what_lies_on_a_crowd_of_its_class_is_neither_right_nor_wrong() -> None:
    crowd = scene((CAT, [0.0, 0.0, 200.0, 200.0]))
    crowd["annotations"][0]["iscrowd"] = 1
    errors = find_errors(crowd, said((CAT, OBJECT, 0.9), (DOG, OBJECT, 0.8)))
    assert kinds(errors) == ["ignored", "background"]
    assert len(errors.found) == 0


def test_an_object_that_another_error_is_of_is_not_missed_too() -> None:
    errors = find_errors(scene((CAT, OBJECT), (CAT, ELSEWHERE)), said((DOG, OBJECT, 0.9)))
    assert errors.found.tolist() == [False, False]
    assert errors.missed.tolist() == [False, True]


def test_mending_one_of_two_objects_halves_what_is_lost() -> None:
    truth = scene((CAT, OBJECT), (CAT, ELSEWHERE))
    found = ("cat found", (CAT, OBJECT, 0.9))
    half = 51 / 101  # COCO's 101 recalls, of which 0 to .50 are reached
    for name, other, cost in (
        ("missed", None, 1 - half),
        ("localisation", (CAT, [110.0, 100.0, 20.0, 20.0], 0.8), 1 - half),
        ("classification", (DOG, ELSEWHERE, 0.8), 1 - half),
    ):
        errors = find_errors(truth, said(*([found[1], other] if other else [found[1]])))
        assert errors.ap50() == pytest.approx(half)
        costs = errors.costs()
        assert costs[name] == pytest.approx(cost), name
        assert sum(value or 0 for key, value in costs.items() if key != name) == pytest.approx(0), name


def test_false_predictions_cost_what_they_push_down() -> None:
    errors = find_errors(scene((CAT, OBJECT)), said((CAT, ELSEWHERE, 0.9), (CAT, OBJECT, 0.8)))
    assert errors.ap50() == pytest.approx(0.5)
    assert errors.costs()["background"] == pytest.approx(0.5)


def test_of_two_errors_of_one_object_the_better_is_mended_and_the_other_removed() -> None:
    errors = find_errors(scene((CAT, OBJECT)), said((DOG, OBJECT, 0.9), (DOG, IOU_TWO_THIRDS, 0.8)))
    assert kinds(errors) == ["classification", "classification"]
    assert errors.costs()["classification"] == pytest.approx(1.0)


def test_without_truth_nothing_has_a_cost() -> None:
    assert set(find_errors(scene(), said((CAT, OBJECT, 0.9))).costs().values()) == {None}


def random_scene(seed: int) -> tuple[Record, list[Record]]:
    """Eight images of objects of four classes, some crowds, and predictions near, on and away from them."""
    rng = np.random.default_rng(seed)
    truth: Record = {
        "images": [{"id": number, "width": 100, "height": 100} for number in range(1, 9)],
        "categories": [{"id": number, "name": f"class {number}"} for number in range(1, 5)],
        "annotations": [],
    }
    predictions: list[Record] = []
    for image in range(1, 9):
        for _ in range(rng.integers(0, 6)):
            box = [*rng.integers(0, 60, 2).tolist(), *rng.integers(8, 40, 2).tolist()]
            kind = int(rng.integers(1, 5))
            truth["annotations"].append(
                {"id": len(truth["annotations"]) + 1, "image_id": image, "category_id": kind, "bbox": box}
                | {"area": box[2] * box[3], "iscrowd": int(rng.random() < 0.1)}
            )
            for _ in range(rng.integers(0, 4)):
                moved = (np.array(box) + rng.normal(0, rng.choice([1, 6]), 4)).clip(1).tolist()
                other = kind if rng.random() < 0.7 else int(rng.integers(1, 5))
                score = float(rng.integers(1, 20) / 20)
                predictions.append({"image_id": image, "category_id": other, "bbox": moved, "score": score})
        for _ in range(rng.integers(0, 3)):
            box = [*rng.integers(0, 60, 2).tolist(), *rng.integers(8, 40, 2).tolist()]
            predictions.append(
                {"image_id": image, "category_id": int(rng.integers(1, 5)), "bbox": box, "score": float(rng.random())}
            )
    return truth, predictions


@pytest.mark.parametrize("seed", range(30))
def test_sums_hold_and_matching_is_that_of_average_precision(seed: int) -> None:
    truth, predictions = random_scene(seed)
    errors, scored = find_errors(truth, predictions), evaluate(truth, predictions)
    table = scored.matches.coco
    assert errors.ap50() == pytest.approx(scored.metrics["AP50"], abs=1e-12)
    assert int((errors.verdict == -1).sum()) == int(table.tp[0].sum()) == int(errors.found.sum())
    assert int((errors.verdict == -2).sum()) == int(table.ignored[0].sum())
    wrong = int((~table.tp[0] & ~table.ignored[0]).sum())
    assert int(errors.counts()[:, :-1].sum()) == wrong, "every false prediction has one kind"
    covered = set(errors.object[np.isin(errors.verdict, (0, 1))].tolist()) - set(np.flatnonzero(errors.found).tolist())
    assert errors.found.sum() + errors.missed.sum() + len(covered) == len(errors.found) == table.n_truth.sum()
    assert all(cost is None or cost >= 0 for cost in errors.costs().values())


@pytest.mark.parametrize("seed", range(30))
def test_kinds_are_those_of_a_plain_reading(seed: int) -> None:
    truth, predictions = random_scene(seed)
    errors = find_errors(truth, predictions)
    for image in range(1, 9):
        objects = [each for each in truth["annotations"] if each["image_id"] == image and not each["iscrowd"]]
        ranked = sorted((each for each in predictions if each["image_id"] == image), key=lambda each: -each["score"])
        of_image = np.flatnonzero(errors.image == image - 1)
        assert [errors.score[place] for place in of_image] == [each["score"] for each in ranked]
        for place, prediction in zip(of_image.tolist(), ranked, strict=True):
            if errors.verdict[place] < 0:
                continue
            same = [iou(prediction, each) for each in objects if each["category_id"] == prediction["category_id"]]
            other = [iou(prediction, each) for each in objects if each["category_id"] != prediction["category_id"]]
            if 0.1 <= max(same, default=0) < 0.5:
                expected = "localisation"
            elif max(other, default=0) >= 0.5:
                expected = "classification"
            elif max(same, default=0) >= 0.5:
                expected = "duplicate"
            elif max(same + other, default=0) <= 0.1:
                expected = "background"
            else:
                expected = "both"
            assert TYPES[errors.verdict[place]] == expected


def iou(a: Record, b: Record) -> float:
    (ax, ay, aw, ah), (bx, by, bw, bh) = a["bbox"], b["bbox"]
    shared = max(0.0, min(ax + aw, bx + bw) - max(ax, bx)) * max(0.0, min(ay + ah, by + bh) - max(ay, by))
    return float(shared / (aw * ah + bw * bh - shared))


def test_low_scores_can_be_left_out() -> None:
    truth = scene((CAT, OBJECT))
    assert kinds(find_errors(truth, said((CAT, OBJECT, 0.2), (DOG, ELSEWHERE, 0.5))).above(0.25)) == ["background"]


@pytest.mark.parametrize("stranger", [{"image_id": 9}, {"category_id": 9}])
def test_a_box_of_an_image_or_class_that_there_is_not_is_refused(stranger: Record) -> None:
    predictions = [each | stranger for each in said((CAT, OBJECT, 0.9))]
    with pytest.raises(ValueError, match="that the truth lacks"):
        find_errors(scene((CAT, OBJECT)), predictions)
