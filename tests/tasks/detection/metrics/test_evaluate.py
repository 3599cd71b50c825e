"""``evaluate`` against pycocotools run by hand."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.detection.metrics import average_precision, evaluate, mean_over_classes, named_precisions

STATS = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
CLASSES = ["Boat", "Table", "Cat"]  # by category id


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ties", [False, True])
def test_every_coco_metric_is_that_of_pycocotools(scene, pycocotools_by_hand, seed, ties):
    truth, predictions = scene(seed, ties=ties, crowded=seed == 0)
    result = evaluate(truth, predictions)
    oracle = pycocotools_by_hand(truth, predictions)
    assert [result.metrics[name] for name in STATS] == pytest.approx(oracle.stats.tolist(), abs=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_every_number_has_the_bits_of_pycocotools(scene, pycocotools_by_hand, seed):
    truth, predictions = scene(100 + seed, images=20, ties=seed % 2 == 0, crowded=seed % 3 == 0)
    predictions += [each | {"score": 0.5, "bbox": [*each["bbox"][:3], 0.0]} for each in predictions[:3]]  # no area
    predictions += predictions[:4]  # the same box twice
    result = evaluate(truth, predictions)
    oracle = pycocotools_by_hand(truth, predictions)
    assert [result.metrics[name] for name in STATS] == [None if each < 0 else each for each in oracle.stats]
    precision = oracle.eval["precision"][:, :, :, 0, 2]
    for k, name in enumerate(CLASSES):
        if result.per_class[name]["boxes"]:
            assert result.curves.per_class[name] == precision[0, :, k].tolist()
            assert result.per_class[name]["AP"] == precision[:, :, k].mean()


@pytest.mark.parametrize("seed", range(6))
def test_the_matches_are_those_of_pycocotools_image_by_image(scene, pycocotools_by_hand, seed):
    truth, predictions = scene(200 + seed, ties=seed % 2 == 0, crowded=seed == 0)
    table = evaluate(truth, predictions).matches.coco
    oracle = pycocotools_by_hand(truth, predictions)
    n_images = len(table.image_ids)
    for k in range(len(CLASSES)):
        for i in range(n_images):
            record = oracle.evalImgs[k * 4 * n_images + i]  # of four areas the first is "all"
            mine = (table.class_id == k) & (table.image == i)
            if record is None:
                assert not mine.any()
                assert table.n_truth[i, k] == 0
                continue
            ignored = record["dtIgnore"].astype(bool)
            assert table.n_truth[i, k] == np.count_nonzero(np.asarray(record["gtIgnore"]) == 0)
            assert table.score[mine].tolist() == record["dtScores"]
            assert np.array_equal(table.ignored[:, mine], ignored)
            assert np.array_equal(table.tp[:, mine], (record["dtMatches"] > 0) & ~ignored)


def test_per_class_numbers_and_curves_are_those_of_pycocotools(scene, pycocotools_by_hand):
    truth, predictions = scene(5)
    result = evaluate(truth, predictions)
    precision = pycocotools_by_hand(truth, predictions).eval["precision"][:, :, :, 0, 2]
    for k, name in enumerate(CLASSES):
        if name == "Table":
            assert result.per_class[name] == {"AP": None, "AP50": None, "VOC_AP50": None, "boxes": 0}
            assert name not in result.curves.per_class
            continue
        assert result.per_class[name]["AP"] == pytest.approx(precision[:, :, k].mean(), abs=1e-9)
        assert result.per_class[name]["AP50"] == pytest.approx(precision[0, :, k].mean(), abs=1e-9)
        assert result.curves.per_class[name] == pytest.approx(precision[0, :, k].tolist(), abs=1e-9)
        labels = [each for each in truth["annotations"] if not each["iscrowd"]]
        category_id = {"Boat": 2, "Cat": 7}[name]
        assert result.per_class[name]["boxes"] == sum(each["category_id"] == category_id for each in labels)
    assert result.curves.mean == pytest.approx(precision[0][:, [0, 2]].mean(axis=1).tolist(), abs=1e-9)
    assert len(result.curves.recall) == 101


@pytest.mark.parametrize("ties", [False, True])
def test_the_cached_matches_give_the_same_numbers_as_the_evaluation(scene, ties):
    truth, predictions = scene(6, ties=ties, crowded=True)
    result = evaluate(truth, predictions)
    for table in (result.matches.coco, result.matches.voc):
        named = named_precisions(table, average_precision(table, np.ones((1, len(truth["images"])), dtype=int)))
        for metric, per_class in named.items():
            assert mean_over_classes(per_class)[0] == pytest.approx(result.metrics[metric], abs=1e-12)


def test_scoring_leaves_its_arguments_as_they_were(scene):
    truth, predictions = scene(7)
    before = copy.deepcopy((truth, predictions))
    evaluate(truth, predictions)
    assert (truth, predictions) == before


def test_no_predictions_score_zero_not_an_error(scene):
    truth, _ = scene(8)
    result = evaluate(truth, [])
    assert {result.metrics[name] for name in ("AP", "AP50", "AR100", "VOC_AP50")} == {0.0}
    assert result.per_class["Cat"]["AP"] == 0.0
    assert result.per_class["Table"]["AP"] is None


def test_without_any_truth_everything_is_undefined(scene):
    truth, predictions = scene(9)
    result = evaluate(truth | {"annotations": []}, predictions)
    assert set(result.metrics.values()) == {None}
    assert result.curves.mean == []


def test_a_truth_without_images_is_undefined_not_an_error():
    metrics = evaluate({"images": [], "annotations": [], "categories": [{"id": 1, "name": "Car"}]}, []).metrics
    assert set(metrics.values()) == {None}


def test_perfect_predictions_score_one(scene):
    truth, _ = scene(10)
    found = [
        {"image_id": each["image_id"], "category_id": each["category_id"], "bbox": each["bbox"], "score": 0.9}
        for each in truth["annotations"]
        if not each["iscrowd"]
    ]
    metrics = evaluate(truth, found).metrics
    assert metrics["AP"] == pytest.approx(1, abs=1e-12)
    assert metrics["VOC_AP50"] == pytest.approx(1, abs=1e-12)


def test_detections_on_an_image_without_truth_are_false_positives(scene):
    truth, predictions = scene(11)
    labelled = {each["image_id"] for each in truth["annotations"]}
    empty = next(image["id"] for image in truth["images"] if image["id"] not in labelled)
    wrong = [
        {"image_id": empty, "category_id": c, "bbox": [0, 0, 50, 50], "score": 1.0} for c in (2, 7) for _ in range(5)
    ]
    assert evaluate(truth, predictions + wrong).metrics["AP50"] < evaluate(truth, predictions).metrics["AP50"]


GOOD = {"image_id": 1, "category_id": 1, "bbox": [0.0, 0.0, 5.0, 5.0], "score": 0.5}


@pytest.mark.parametrize(
    ("predictions", "said"),
    [
        ({"annotations": []}, "the predictions are a dict, not a list"),
        ([GOOD, "a"], "prediction 2 is 'a'"),
        ([GOOD, {"image_id": 1, "bbox": [0, 0, 5, 5], "score": 0.5}], "prediction 2 has no category_id"),
        ([GOOD, GOOD, GOOD | {"bbox": [1, 2, 3]}], r"prediction 3 has bbox '\[1, 2, 3\]'"),
        ([GOOD | {"image_id": "1"}], "prediction 1 has image_id '1'"),
        ([GOOD | {"image_id": 2**70}], "a number is too large"),
        ([GOOD, GOOD | {"score": ".5"}], "prediction 2 has score '.5'"),
        ([GOOD | {"score": True}], "prediction 1 has score 'True'"),
    ],
)
def test_what_is_no_prediction_is_named_by_its_place(predictions, said):
    truth = {"images": [{"id": 1}], "categories": [{"id": 1, "name": "a"}], "annotations": []}
    with pytest.raises(UserError, match=said):
        evaluate(truth, predictions)
