"""Weighted AP is the AP of the literally repeated image list."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from sgz_bench.tasks.detection.metrics import average_precision, evaluate

SCRIPTS = Path(__file__).parents[4] / "benchmarks" / "speed"


def slow_form() -> ModuleType:
    """The script's module; scripts are no part of the package."""
    spec = spec_from_file_location("numpy_precision", SCRIPTS / "numpy_precision.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def draw(seed: int, images: int) -> list[int]:
    return np.random.default_rng(seed).integers(images, size=images).tolist()


@pytest.mark.parametrize("seed", range(8))
def test_weights_equal_pycocotools_on_the_repeated_images(scene, literally_repeated, pycocotools_by_hand, seed):
    truth, predictions = scene(seed, crowded=seed % 4 == 0)
    table = evaluate(truth, predictions).matches.coco
    drawn = draw(seed, len(table.image_ids))
    weights = np.bincount(drawn, minlength=len(table.image_ids))

    found = average_precision(table, weights[None])[0]

    repeated = literally_repeated(truth, predictions, table.image_ids[drawn].tolist())
    precision = pycocotools_by_hand(*repeated).eval["precision"][:, :, :, 0, 2]  # T, R, K
    oracle = np.where(precision < 0, np.nan, precision).mean(axis=1).T
    assert found.shape == (3, 10)
    np.testing.assert_allclose(found, oracle, rtol=0, atol=1e-9)


def test_heavy_weights_and_zero_weights_equal_pycocotools(scene, literally_repeated, pycocotools_by_hand):
    truth, predictions = scene(20)
    table = evaluate(truth, predictions).matches.coco
    weights = np.zeros(12, dtype=int)
    weights[[1, 4, 5]] = [7, 1, 13]
    repeated = literally_repeated(truth, predictions, np.repeat(table.image_ids, weights).tolist())
    precision = pycocotools_by_hand(*repeated).eval["precision"][:, :, :, 0, 2]
    oracle = np.where(precision < 0, np.nan, precision).mean(axis=1).T
    np.testing.assert_allclose(average_precision(table, weights[None])[0], oracle, rtol=0, atol=1e-9)


def test_a_class_that_a_weighting_lacks_is_undefined_there_and_only_there(scene):
    truth, predictions = scene(21)
    table = evaluate(truth, predictions).matches.coco
    has_cat = table.n_truth[:, 2] > 0
    result = average_precision(table, np.stack([np.ones(12, dtype=int), ~has_cat]))
    assert not np.isnan(result[0, 2]).any()
    assert np.isnan(result[1, 2]).all()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("ties", [False, True])
def test_machine_code_has_the_bits_of_the_form_in_numpy(scene, seed, ties):
    truth, predictions = scene(seed, images=30, ties=ties, crowded=seed == 0)
    matches = evaluate(truth, predictions).matches
    weights = np.random.default_rng(seed).poisson(1, size=(60, 30)).astype(np.int32)
    weights[0] = 0
    for table in (matches.coco, matches.voc):
        fast, slow = average_precision(table, weights), slow_form().average_precision(table, weights)
        assert np.isnan(fast[0]).all()
        assert np.nanmax(fast) > 0.1
        assert fast.tobytes() == slow.tobytes()


def test_many_weightings_at_once_equal_one_at_a_time_to_the_last_bit(scene):
    truth, predictions = scene(22)
    matches = evaluate(truth, predictions).matches
    weights = np.random.default_rng(0).integers(4, size=(50, 12))
    for table in (matches.coco, matches.voc):
        together = average_precision(table, weights)
        apart = np.concatenate([average_precision(table, row[None]) for row in weights])
        assert together.tobytes() == apart.tobytes()


def test_exact_recall_thresholds_are_reached_as_pycocotools_reaches_them(pycocotools_by_hand):
    # With 100 or 50 boxes every recall lies on a threshold, where rounding decides.
    for boxes in (7, 25, 50, 100):
        rng = np.random.default_rng(boxes)
        truth = {
            "images": [{"id": i} for i in range(1, boxes + 1)],
            "categories": [{"id": 1, "name": "Car"}],
            "annotations": [
                {"id": i, "image_id": i, "category_id": 1, "bbox": [0, 0, 40, 40], "area": 1600, "iscrowd": 0}
                for i in range(1, boxes + 1)
            ],
        }
        right = [{"image_id": i, "category_id": 1, "bbox": [0, 0, 40, 40]} for i in range(1, boxes + 1)]
        wrong = [each | {"bbox": [100, 100, 9, 9]} for each in right]
        predictions = [each | {"score": float(rng.random())} for each in right[: boxes * 4 // 5] + wrong]
        table = evaluate(truth, predictions).matches.coco
        oracle = pycocotools_by_hand(truth, predictions).eval["precision"][0, :, 0, 0, 2].mean()
        found = average_precision(table, np.ones((1, boxes), dtype=int))[0, 0, 0]
        assert found == pytest.approx(oracle, abs=1e-12)
