"""Paired differences, their intervals and slices, against evaluations of literally resampled or restricted images."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json

import numpy as np
import pytest

from sgz_bench.benchmarks.statistics import compare, resample_weights, slice_metrics
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


def compare_one(raw, other, attributes=None, *, seed=0, replicates=50, permutations=1):
    others = {"sgz": other.matches}
    numbers = {"seed": seed, "replicates": replicates, "permutations": permutations}
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


def test_intervals_are_percentiles_over_literal_resamples(cells):
    truth, raw_found, enhanced_found, raw, enhanced = cells
    result = compare_one(raw, enhanced, seed=5, replicates=25)
    lists = np.random.default_rng([5, 0]).integers(8, size=(25, 8)) + 1
    pairs = [(resampled(truth, raw_found, row), resampled(truth, enhanced_found, row)) for row in lists.tolist()]
    for metric in ("AP", "AP50", "VOC_AP50"):
        differences = [after.metrics[metric] - before.metrics[metric] for before, after in pairs]
        low, high = np.percentile(differences, [2.5, 97.5])
        assert result.delta[metric]["low"] == pytest.approx(low, abs=1e-9)
        assert result.delta[metric]["high"] == pytest.approx(high, abs=1e-9)
    dogs = [(before.per_class["Dog"]["AP"], after.per_class["Dog"]["AP"]) for before, after in pairs]
    bounds = np.percentile([after - before for before, after in dogs if before is not None], [2.5, 97.5])
    assert [result.delta_per_class["Dog"]["AP"][end] for end in ("low", "high")] == pytest.approx(bounds, abs=1e-9)


def test_the_interval_of_a_slice_is_that_of_its_images_in_the_same_resamples(cells):
    truth, raw_found, enhanced_found, raw, enhanced = cells
    result = compare_one(raw, enhanced, PLACES, seed=6, replicates=25)
    differences = []
    for row in (np.random.default_rng([6, 0]).integers(8, size=(25, 8)) + 1).tolist():
        outside = [image_id for image_id in row if PLACES["place"][image_id - 1] == "out"]
        before, after = (resampled(truth, found, outside).metrics["AP"] for found in (raw_found, enhanced_found))
        if before is not None:
            differences.append(after - before)
    delta = result.delta_by_attribute["place"]["out"]["AP"]
    assert [delta["low"], delta["high"]] == pytest.approx(np.percentile(differences, [2.5, 97.5]), abs=1e-9)


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
    result = compare_one(raw, raw, PLACES, permutations=50)
    nothing = {"value": 0.0, "low": 0.0, "high": 0.0}
    for delta in result.delta.values():
        assert delta == nothing | {"p": 1.0, "p_holm": 1.0}
    assert result.delta_per_class["Cat"]["AP"] == nothing | {"p": None, "p_holm": None}


def test_a_class_without_truth_has_no_difference(cells):
    *_, raw, enhanced = cells
    result = compare_one(raw, enhanced)
    assert set(result.delta_per_class["Cup"]["AP"].values()) == {None}


def test_an_interval_needs_the_class_in_half_of_the_resamples():
    label = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.5}
    images = [{"id": i} for i in range(1, 9)]
    truth = {"images": images, "categories": [{"id": 1, "name": "Cat"}], "annotations": [label | {"area": 81}]}
    found, missed = evaluate(truth, [label]).matches, evaluate(truth, []).matches

    def low(resamples_with_the_image):
        counts = (np.count_nonzero(resample_weights(8, 6, seed=seed)[:, 0]) for seed in range(999))
        seed = next(seed for seed, count in enumerate(counts) if count == resamples_with_the_image)
        result = compare(missed, {"a": found}, {}, ["Cat"], seed=seed, replicates=6, permutations=1)
        return result["a"].delta_per_class["Cat"]["AP"]["low"]

    assert low(3) == pytest.approx(1)
    assert low(2) is None


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(cells):
    *_, raw, enhanced = cells

    def run(seed):
        result = compare_one(raw, enhanced, PLACES, seed=seed, permutations=40)
        return json.dumps(dataclasses.asdict(result), allow_nan=False)

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_all_rows_share_their_resamples_whatever_stands_beside_them(cells):
    *_, raw, enhanced = cells
    alone = compare(raw.matches, {"sgz": enhanced.matches}, {}, CLASSES, seed=0, replicates=30, permutations=30)
    beside = compare(
        raw.matches, {"same": raw.matches, "sgz": enhanced.matches}, {}, CLASSES, seed=0, replicates=30, permutations=30
    )
    for part in ("value", "low", "high", "p"):
        assert alone["sgz"].delta["AP"][part] == beside["sgz"].delta["AP"][part]


def test_exempt_rows_are_outside_the_family_of_the_correction(cells):
    *_, raw, enhanced = cells
    others = {"a": enhanced.matches, "b": enhanced.matches, "bright": enhanced.matches}
    result = compare(raw.matches, others, {}, CLASSES, seed=0, replicates=1, permutations=200, exempt={"bright"})
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
