"""Operating point: against scikit-learn on pycocotools' matches of filtered predictions, and an exhaustive search."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from sgz_bench.tasks.detection.metrics import evaluate
from sgz_bench.tasks.detection.metrics.operating import RankedBoxes, best_thresholds, beyond_limit, rates

Scenes = Callable[..., tuple[dict[str, Any], list[dict[str, Any]]]]


def ranked(truth: dict[str, Any], predictions: list[dict[str, Any]]) -> RankedBoxes:
    return RankedBoxes.of(evaluate(truth, predictions).matches.coco)


def whole(boxes: RankedBoxes, threshold: float) -> dict[str, float]:
    numbers = rates(boxes.counts(threshold).sum(axis=0, keepdims=True), [len(boxes.objects)])
    return {name: float(values[0]) for name, values in numbers.items()}


def labels(run: Any) -> tuple[list[int], list[int]]:
    """True and predicted labels of pycocotools' matches at IoU 0.5: each box that counts, then each missed object."""
    true: list[int] = []
    predicted: list[int] = []
    for image in run.evalImgs:
        if image is None or image["aRng"] != run.params.areaRng[0] or image["maxDet"] != 100:
            continue
        counted = image["dtIgnore"][0] == 0
        true += (image["dtMatches"][0][counted] > 0).astype(int).tolist()
        predicted += [1] * int(counted.sum())
        missed = int(((image["gtMatches"][0] == 0) & (image["gtIgnore"] == 0)).sum())
        true += [1] * missed
        predicted += [0] * missed
    return true, predicted


@pytest.mark.parametrize("awkward", [{}, {"ties": True}, {"crowded": True}])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7])
def test_rates_are_scikit_learns_on_the_predictions_that_remain(
    scene: Scenes, pycocotools_by_hand: Callable[..., Any], awkward: dict[str, bool], threshold: float
) -> None:
    truth, predictions = scene(1, **awkward)
    remaining = [each for each in predictions if each["score"] >= threshold]
    true, predicted = labels(pycocotools_by_hand(truth, remaining))
    precision, recall, f1, _ = precision_recall_fscore_support(true, predicted, average="binary")
    boxes = ranked(truth, predictions)
    numbers = whole(boxes, threshold)
    assert (numbers["precision"], numbers["recall"], numbers["F1"]) == pytest.approx((precision, recall, f1), abs=1e-15)
    false = sum(kind == 0 for kind in true)
    assert false > 0
    assert numbers["FPPI"] == pytest.approx(false / len(truth["images"]), abs=1e-15)
    assert boxes.f1(np.array([threshold]), np.ones((1, 12)))[0, 0] == pytest.approx(f1, abs=1e-15)


def test_weighted_sums_are_those_of_the_literal_list_of_images(scene: Scenes, literally_repeated: Scenes) -> None:
    truth, predictions = scene(2, images=10)
    ids = sorted(image["id"] for image in truth["images"])
    boxes = ranked(truth, predictions)
    for seed in range(5):
        drawn = np.random.default_rng(seed).integers(10, size=10)
        weights = np.bincount(drawn, minlength=10)
        expected = ranked(*literally_repeated(truth, predictions, [ids[index] for index in drawn]))
        assert (weights @ boxes.counts(0.4)).tolist() == expected.counts(0.4).sum(axis=0).tolist()
        thresholds = np.array([0.8, 0.5, 0.1])
        once = np.ones((1, 10))
        assert boxes.f1(thresholds, weights[None]).tolist() == expected.f1(thresholds, once).tolist()
        assert best_thresholds([boxes], weights[None]) == best_thresholds([expected], once)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_best_threshold_is_that_of_an_exhaustive_search(scene: Scenes, seed: int, ties: bool) -> None:
    truth, predictions = scene(seed, ties=ties)
    boxes = ranked(truth, predictions)
    scores = sorted({each["score"] for each in predictions}, reverse=True)

    def exact(threshold: float) -> Fraction:
        found, wrong, missed = (int(number) for number in boxes.counts(threshold).sum(axis=0))
        return Fraction(2 * found, 2 * found + wrong + missed)

    assert best_thresholds([boxes], np.ones((1, 12))) == [max(scores, key=exact)]  # the first, so the highest


def test_of_two_equally_good_thresholds_the_higher_one_is_best() -> None:
    boxes = RankedBoxes(
        objects=np.array([2]),
        image=np.zeros(4, dtype=np.int32),
        score=np.array([0.9, 0.8, 0.7, 0.6]),
        right=np.array([True, False, False, True]),
    )
    assert boxes.f1(np.array([0.9, 0.6]), np.ones((1, 1))).tolist() == [[2 / 3, 2 / 3]]
    assert best_thresholds([boxes], np.ones((1, 1))) == [0.9]


def test_seeds_share_the_threshold_that_is_best_on_average(scene: Scenes) -> None:
    truth, first = scene(3)
    rng = np.random.default_rng(0)
    second = [each | {"score": float(rng.random())} for each in first]
    members = [ranked(truth, first), ranked(truth, second)]
    scores = sorted({each["score"] for each in first + second}, reverse=True)
    means = [np.mean([whole(boxes, score)["F1"] for boxes in members]) for score in scores]
    (best,) = best_thresholds(members, np.ones((1, 12)))
    assert best == scores[int(np.argmax(means))]


def test_without_boxes_or_objects_rates_are_undefined(scene: Scenes) -> None:
    truth, predictions = scene(0)
    nothing = whole(ranked(truth, []), 0.5)
    assert np.isnan(nothing["precision"])
    assert (nothing["recall"], nothing["F1"], nothing["FPPI"]) == (0, 0, 0)
    unlabelled = whole(ranked(truth | {"annotations": []}, predictions), 0.0)
    assert np.isnan(unlabelled["recall"])
    assert (unlabelled["precision"], unlabelled["F1"]) == (0, 0)
    assert best_thresholds([ranked(truth, [])], np.ones((2, 12))) == [None, None]
    assert best_thresholds([ranked(truth, predictions)], np.zeros((1, 12))) == [None]


def test_boxes_beyond_cocos_limit_are_counted_apart(scene: Scenes) -> None:
    truth, predictions = scene(0, crowded=True)
    matches = evaluate(truth, predictions).matches
    image, category = truth["annotations"][0]["image_id"], truth["annotations"][0]["category_id"]
    crowd = [each for each in predictions if (each["image_id"], each["category_id"]) == (image, category)]
    assert beyond_limit(matches, 0.0) == len(crowd) - 100
    assert beyond_limit(matches, 0.5) == 0
