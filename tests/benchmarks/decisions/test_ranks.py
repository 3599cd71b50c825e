"""Ranks over resamples, against sorting lists of images evaluated again; ties are shared."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sgz_bench.benchmarks.decisions.ranks import Ranks, places, rank, read_ranks, summary
from sgz_bench.benchmarks.statistics import resample_weights
from sgz_bench.core.errors import UserError

from .in_memory import accuracies, detection, resampled


def test_ranks_are_those_of_lists_of_images_evaluated_again():
    labels = ["raw", "a", "b", "c"]
    evidence, truth, found = detection(1, 8, labels)
    ranks = rank(evidence, resamples=12)
    scores = []
    for times in np.concatenate([np.ones((1, 8), int), resample_weights(8, 12, seed=0)]):
        images = np.repeat(np.arange(1, 9), times).tolist()
        scores.append([resampled(truth, found[label], images)["AP50"] for label in labels])
    each = np.array([[1 + sum(other > own for other in row) for own in row] for row in scores])
    assert list(ranks.rank) == each[0].tolist()
    winners = (each[1:] == 1) / (each[1:] == 1).sum(axis=1, keepdims=True)
    assert ranks.best == pytest.approx(winners.mean(axis=0))
    for index in range(4):
        ordered = sorted(each[1:, index])
        assert ranks.low[index] == ordered[0]  # the first of 12 is the 2.5 % quantile
        assert ranks.high[index] >= ordered[-1]


def test_equal_scores_share_the_better_rank_and_reach_to_the_worse():
    better, worse = places(np.array([[0.3, 0.1], [0.5, 0.1 + 1e-15], [0.3, 0.1], [0.1, 0.2]]))
    assert better.tolist() == [[2, 2], [1, 2], [2, 2], [4, 1]]
    assert worse.tolist() == [[3, 4], [1, 4], [3, 4], [4, 1]]
    values = np.random.default_rng(0).uniform(0.4, 0.6, 20)
    ranks = rank(accuracies({"raw": values, "same": values, "worse": values - 0.2}), resamples=50)
    assert ranks.best == (0.5, 0.5, 0)
    assert (ranks.rank, ranks.low, ranks.high) == ((1, 1, 3), (1, 1, 3), (2, 2, 3))


def test_alike_enhancers_are_best_equally_often():
    rng = np.random.default_rng(3)
    shares = []
    for _ in range(60):
        values = {name: rng.uniform(0.4, 0.6, 40) for name in ("raw", "a", "b", "c")}
        shares.append(rank(accuracies(values), resamples=50).best)
    error = np.std(shares, axis=0) / np.sqrt(60)
    assert (np.abs(np.mean(shares, axis=0) - 0.25) < 4 * error).all()


def test_ranks_are_read_from_the_decision(tmp_path):
    evidence, *_ = detection(0, 8, ["raw", "a"])
    content = summary(evidence)
    assert read_ranks(tmp_path) is None
    (tmp_path / "decision.json").write_text(json.dumps({"ranks": content}))
    assert read_ranks(tmp_path) == Ranks.from_dict(content)
    assert read_ranks(tmp_path).to_dict() == content
    (tmp_path / "decision.json").write_text(json.dumps({"ranks": {"rows": 3}}))
    with pytest.raises(UserError, match=r"decision\.json is damaged"):
        read_ranks(tmp_path)


def test_one_image_is_refused():
    with pytest.raises(UserError, match="nothing can be chosen on one image"):
        rank(accuracies({"raw": np.array([0.5]), "a": np.array([0.6])}))
