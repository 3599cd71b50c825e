"""Paired differences, their intervals and slices, against evaluations of literally resampled or restricted images."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json

import numpy as np
import pytest

from sgz_bench.benchmarks.intervals import left_out_weights
from sgz_bench.benchmarks.statistics import compare, interval, resample_weights, slice_metrics
from sgz_bench.core.errors import UserError
from sgz_bench.tasks.detection.metrics import evaluate

CLASSES = ["Cat", "Dog", "Cup"]
PLACES = {"place": ["in", "out", "out", "in", "out", None, "in", "out"]}


def resampled(truth, predictions, image_ids):
    """The metrics of the list of images, each occurrence under a fresh id."""
    annotations, found = [], []
    for fresh, image_id in enumerate(image_ids, start=1):
        annotations += [each | {"image_id": fresh} for each in truth["annotations"] if each["image_id"] == image_id]
        found += [each | {"image_id": fresh} for each in predictions if each["image_id"] == image_id]
    images = [{"id": fresh} for fresh in range(1, len(image_ids) + 1)]
    return evaluate(truth | {"images": images, "annotations": annotations}, found)


def compare_one(raw, other, attributes=None, *, seed=0, replicates=50):
    others = {"sgz": other.matches}
    numbers = {"seed": seed, "replicates": replicates}
    return compare(raw.matches, others, attributes or {}, CLASSES, **numbers)["sgz"]


@pytest.fixture
def cells(pair):
    truth, raw, enhanced = pair(0, 8)
    return truth, raw, enhanced, evaluate(truth, raw), evaluate(truth, enhanced)


def test_weights_count_the_literal_lists():
    lists = np.random.default_rng([3, 0]).integers(7, size=(20, 7))
    weights = resample_weights(7, 20, seed=3)
    assert weights.shape == (20, 7)
    for row, drawn in zip(weights, lists, strict=True):
        assert np.repeat(np.arange(7), row).tolist() == sorted(drawn.tolist())


def test_the_difference_is_that_of_the_two_rows(cells):
    *_, raw, enhanced = cells
    result = compare_one(raw, enhanced)
    for metric in ("AP", "AP50", "VOC_AP50"):
        expected = enhanced.metrics[metric] - raw.metrics[metric]
        assert result.delta[metric]["value"] == pytest.approx(expected, abs=1e-12)
    for name in ("Cat", "Dog"):
        expected = enhanced.per_class[name]["AP50"] - raw.per_class[name]["AP50"]
        assert result.delta_per_class[name]["AP50"]["value"] == pytest.approx(expected, abs=1e-12)


def test_intervals_and_p_are_those_of_literal_resamples_and_of_lists_without_each_image(cells, student):
    truth, raw_found, enhanced_found, raw, enhanced = cells
    result = compare_one(raw, enhanced, seed=5, replicates=25)

    def pairs(lists):
        return [(resampled(truth, raw_found, row), resampled(truth, enhanced_found, row)) for row in lists]

    drawn = pairs((np.random.default_rng([5, 0]).integers(8, size=(25, 8)) + 1).tolist())
    without = pairs([[i for i in range(1, 9) if i != left_out] for left_out in range(1, 9)])
    for metric in ("AP", "AP50", "VOC_AP50"):
        whole = enhanced.metrics[metric] - raw.metrics[metric]
        low, high, p = student(
            whole,
            *([after.metrics[metric] - before.metrics[metric] for before, after in part] for part in (drawn, without)),
        )
        assert result.delta[metric]["low"] == pytest.approx(low, abs=1e-9)
        assert result.delta[metric]["high"] == pytest.approx(high, abs=1e-9)
        assert result.delta[metric]["p"] == pytest.approx(p, abs=1e-9)
        assert (p < 0.05) == (low > 0 or high < 0)
    whole = enhanced.per_class["Dog"]["AP"] - raw.per_class["Dog"]["AP"]
    dogs = [[(before.per_class["Dog"]["AP"], after.per_class["Dog"]["AP"]) for before, after in part]
            for part in (drawn, without)]  # fmt: skip
    images = len({each["image_id"] for each in truth["annotations"] if each["category_id"] == 2})
    bounds = student(
        whole, *([after - before for before, after in part if before is not None] for part in dogs), images
    )
    found = [result.delta_per_class["Dog"]["AP"][end] for end in ("low", "high")]
    assert found == pytest.approx(bounds[:2], abs=1e-9)
    assert result.delta_per_class["Dog"]["AP"]["p"] is None


def test_the_interval_of_a_slice_is_that_of_its_images_in_the_same_resamples(cells, student):
    truth, raw_found, enhanced_found, raw, enhanced = cells
    result = compare_one(raw, enhanced, PLACES, seed=6, replicates=25)

    def differences(lists):
        values = []
        for row in lists:
            outside = [image_id for image_id in row if PLACES["place"][image_id - 1] == "out"]
            before, after = (resampled(truth, found, outside).metrics["AP"] for found in (raw_found, enhanced_found))
            if before is not None:
                values.append(after - before)
        return values

    everything = list(range(1, 9))
    (whole,) = differences([everything])
    drawn = differences((np.random.default_rng([6, 0]).integers(8, size=(25, 8)) + 1).tolist())
    outside = [i for i, place in enumerate(PLACES["place"], start=1) if place == "out"]
    without = differences([[i for i in everything if i != left_out] for left_out in outside])
    delta = result.delta_by_attribute["place"]["out"]["AP"]
    assert [delta["low"], delta["high"]] == pytest.approx(student(whole, drawn, without)[:2], abs=1e-9)


def test_slices_are_pycocotools_restricted_to_their_images(cells, tmp_path):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, raw_found, _, raw, _ = cells
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    slices = slice_metrics(raw.matches, PLACES)
    assert {value: part["images"] for value, part in slices["place"].items()} == {"in": 3, "out": 4}
    for value, part in slices["place"].items():
        image_ids = [i for i, place in enumerate(PLACES["place"], start=1) if place == value]
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(tmp_path / "truth.json")
            oracle = COCOeval(coco, coco.loadRes([dict(each) for each in raw_found]), "bbox")
            oracle.params.imgIds = image_ids
            oracle.evaluate()
            oracle.accumulate()
            oracle.summarize()
        assert [part["AP"], part["AP50"]] == pytest.approx(oracle.stats[:2].tolist(), abs=1e-9)
        assert part["boxes"] == sum(each["image_id"] in image_ids for each in truth["annotations"])


def test_differences_by_attribute_are_those_of_the_slices(cells):
    *_, raw, enhanced = cells
    result = compare_one(raw, enhanced, PLACES)
    before, after = slice_metrics(raw.matches, PLACES), slice_metrics(enhanced.matches, PLACES)
    for value in ("in", "out"):
        for metric in ("AP", "AP50"):
            delta = result.delta_by_attribute["place"][value][metric]
            assert delta["value"] == after["place"][value][metric] - before["place"][value][metric]
            assert delta["low"] <= delta["high"]
            assert delta["p"] is None


def test_identical_systems_differ_by_nothing_with_p_one(cells):
    *_, raw, _ = cells
    result = compare_one(raw, raw, PLACES)
    nothing = {"value": 0.0, "low": 0.0, "high": 0.0}
    for delta in result.delta.values():
        assert delta == nothing | {"p": 1.0, "p_holm": 1.0}
    assert result.delta_per_class["Cat"]["AP"] == nothing | {"p": None, "p_holm": None}


def test_a_class_without_truth_has_no_difference(cells):
    *_, raw, enhanced = cells
    result = compare_one(raw, enhanced)
    assert set(result.delta_per_class["Cup"]["AP"].values()) == {None}


def one_class(images, of, found_on):
    """Matches of one class on the first ``images`` of ``of`` images, found on the first ``found_on`` of them."""
    label = {"category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.5}
    labels = [label | {"image_id": i, "id": i, "area": 81, "iscrowd": 0} for i in range(1, images + 1)]
    truth = {
        "images": [{"id": i} for i in range(1, of + 1)],
        "categories": [{"id": 1, "name": "Cat"}],
        "annotations": labels,
    }
    return evaluate(truth, [label | {"image_id": i} for i in range(1, found_on + 1)]).matches


def test_an_interval_needs_the_class_on_two_images():
    for images, defined in ((1, False), (2, True)):
        missed, found = one_class(images, 8, 0), one_class(images, 8, 1)
        delta = compare(missed, {"a": found}, {}, ["Cat"], seed=0, replicates=200)["a"].delta_per_class["Cat"]["AP"]
        assert delta["value"] == pytest.approx(1 / images, abs=0.01)
        assert (delta["low"] is not None) is defined
        assert (delta["high"] is not None) is defined


def test_an_interval_needs_the_class_in_half_of_the_resamples():
    missed, found = one_class(2, 8, 0), one_class(2, 8, 1)

    def low(resamples_with_the_class):
        counts = (np.count_nonzero(resample_weights(8, 6, seed=seed)[:, :2].any(axis=1)) for seed in range(99999))
        seed = next(seed for seed, count in enumerate(counts) if count == resamples_with_the_class)
        result = compare(missed, {"a": found}, {}, ["Cat"], seed=seed, replicates=6)
        return result["a"].delta_per_class["Cat"]["AP"]["low"]

    assert low(3) is not None
    assert low(2) is None


def test_without_left_out_images_an_interval_is_the_percentile_interval_of_the_defined_replicates():
    replicates = np.random.default_rng(0).normal(size=40)
    delta = interval(np.concatenate([[0.1], replicates, [np.nan] * 40]))
    assert [delta["low"], delta["high"]] == pytest.approx(np.percentile(replicates, [2.5, 97.5]))
    assert interval(np.concatenate([[0.1], replicates, [np.nan] * 41])) == {
        "value": 0.1, "low": None, "high": None, "p": None, "p_holm": None,
    }  # fmt: skip


def test_many_images_are_left_out_in_groups_of_equal_size():
    assert np.array_equal(left_out_weights(4, 4, seed=0), 1 - np.eye(4))
    weights = left_out_weights(1003, 100, seed=3)
    assert weights.shape == (100, 1003)
    assert set(np.count_nonzero(weights == 0, axis=1)) == {10, 11}
    assert np.array_equal(np.count_nonzero(weights == 0, axis=0), np.ones(1003))
    assert not np.array_equal(weights, left_out_weights(1003, 100, seed=4))


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(cells):
    *_, raw, enhanced = cells

    def run(seed):
        result = compare_one(raw, enhanced, PLACES, seed=seed)
        return json.dumps(dataclasses.asdict(result), allow_nan=False)

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_all_rows_share_their_resamples_whatever_stands_beside_them(cells):
    *_, raw, enhanced = cells
    alone = compare(raw.matches, {"sgz": enhanced.matches}, {}, CLASSES, seed=0, replicates=30)
    beside = compare(raw.matches, {"same": raw.matches, "sgz": enhanced.matches}, {}, CLASSES, seed=0, replicates=30)
    for part in ("value", "low", "high", "p"):
        assert alone["sgz"].delta["AP"][part] == beside["sgz"].delta["AP"][part]


def test_exempt_rows_are_outside_the_family_of_the_correction(cells):
    *_, raw, enhanced = cells
    others = {"a": enhanced.matches, "b": enhanced.matches, "bright": enhanced.matches}
    result = compare(raw.matches, others, {}, CLASSES, seed=0, replicates=100, exempt={"bright"})
    p = result["a"].delta["AP"]["p"]
    assert 0 < p < 0.5
    assert result["a"].delta["AP"]["p_holm"] == pytest.approx(2 * p)
    assert result["bright"].delta["AP"]["p"] == p
    assert result["bright"].delta["AP"]["p_holm"] is None


def test_cells_on_other_images_or_other_labels_are_refused(cells):
    truth, raw_found, _, raw, _ = cells
    fewer = truth | {"images": truth["images"] + [{"id": 99}]}
    with pytest.raises(UserError, match="sgz was scored on 9 images, raw on 8"):
        compare_one(raw, evaluate(fewer, raw_found))
    relabelled = truth | {"annotations": truth["annotations"][1:]}
    with pytest.raises(UserError, match="different labels"):
        compare_one(raw, evaluate(relabelled, raw_found))
