"""The match table: its bytes, its order, and what is counted from it."""

from __future__ import annotations

import io
import zipfile
from dataclasses import fields

import numpy as np
import pytest

from sgz_bench.tasks.detection.metrics import CellMatches, MatchTable, average_precision, evaluate, net_true_positives


def test_matches_survive_the_file_and_the_same_content_gives_the_same_bytes(scene):
    matches = evaluate(*scene(0)).matches
    data = matches.to_bytes()
    back = CellMatches.from_bytes(data)
    for rule in ("coco", "voc"):
        for field in fields(MatchTable):
            ours, theirs = getattr(getattr(matches, rule), field.name), getattr(getattr(back, rule), field.name)
            assert np.array_equal(ours, theirs)
            if field.name != "rule":
                assert ours.dtype == theirs.dtype
    assert back.to_bytes() == data
    dates = {member.date_time for member in zipfile.ZipFile(io.BytesIO(data)).infolist()}
    assert dates == {(1980, 1, 1, 0, 0, 0)}  # not the clock's


def test_equal_scores_are_ordered_by_image_then_by_the_detectors_own_order():
    table = MatchTable.ordered(
        "voc",
        np.array([3, 5]),
        np.array([[1], [1]], dtype=np.int32),
        image=np.array([1, 1, 0, 0], dtype=np.int32),
        class_id=np.zeros(4, dtype=np.int32),
        score=np.array([0.5, 0.9, 0.5, 0.5]),
        tp=np.array([[False, True, False, True]]),
        ignored=np.array([[False, False, False, False]]),
    )
    assert table.image.tolist() == [1, 0, 0, 1]
    assert table.tp.tolist() == [[True, False, True, False]]


def test_net_true_positives_by_hand():
    table = MatchTable.ordered(
        "coco",
        np.array([1, 2, 3]),
        np.ones((3, 1), dtype=np.int32),
        image=np.array([0, 0, 0, 1, 1, 1], dtype=np.int32),
        class_id=np.zeros(6, dtype=np.int32),
        score=np.array([0.9, 0.25, 0.24, 0.8, 0.7, 0.6]),
        tp=np.array([[True, True, True, False, False, False]]),
        ignored=np.array([[False, False, False, False, True, False]]),
    )
    assert net_true_positives(table).tolist() == [2, -2, 0]


@pytest.mark.parametrize("weights", [[[1, 1]], [1] * 12, [[-1] + [1] * 11]])
def test_weights_of_another_shape_or_sign_are_refused(scene, weights):
    table = evaluate(*scene(1)).matches.coco
    with pytest.raises(ValueError, match="weights"):
        average_precision(table, weights)
