"""Operating point of a run: against scikit-learn on literally repeated or halved lists of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from sgz_bench.benchmarks.decisions.evidence import Evidence
from sgz_bench.benchmarks.decisions.operating import Change, operating_point, summary
from sgz_bench.benchmarks.decisions.tuning import FALLBACK, SPLITS
from sgz_bench.benchmarks.intervals import interval, left_out_weights
from sgz_bench.benchmarks.statistics import SeedMean, resample_weights
from sgz_bench.tasks.catalog import create_task
from sgz_bench.tasks.detection.metrics import CellMatches, evaluate
from sgz_bench.tasks.task import Statistics

N = 12


def evidence_of(**statistics: Statistics) -> Evidence:
    rows: Any = {label: SimpleNamespace(key=f"key of {label}", seed=0) for label in statistics}
    return Evidence(Path("run"), create_task("detection"), rows, statistics)


def matched(pair: Any, seed: int = 0, images: int = N) -> tuple[CellMatches, CellMatches]:
    truth, raw, enhanced = pair(seed, images)
    return evaluate(truth, raw).matches, evaluate(truth, enhanced).matches


def labels(cell: CellMatches, images: Sequence[int], threshold: float) -> tuple[list[int], list[int]]:
    """True and predicted labels of the boxes and missed objects on a list of images, one by one."""
    table = cell.coco
    true: list[int] = []
    predicted: list[int] = []
    for image in images:
        kept = (table.image == image) & (table.score >= threshold) & ~table.ignored[0]
        found = table.tp[0, kept].astype(int).tolist()
        missed = int(table.n_truth[image].sum()) - sum(found)
        true += found + [1] * missed
        predicted += [1] * len(found) + [0] * missed
    return true, predicted


def f1(cell: CellMatches, images: Sequence[int], threshold: float) -> float:
    return f1_of(*labels(cell, images, threshold))


def f1_of(true: list[int], predicted: list[int]) -> float:
    both = sum(a and b for a, b in zip(true, predicted, strict=True))
    return 2 * both / (sum(true) + sum(predicted))


def best(cell: CellMatches, images: Sequence[int]) -> float:
    scores = np.unique(cell.coco.score)[::-1].tolist()
    return float(max(scores, key=lambda score: f1(cell, images, score)))


def values(change: Change | None) -> list[float | None]:
    assert change is not None
    return [change.value, change.low, change.high]


def test_differences_and_intervals_are_those_of_repeated_lists(pair: Any) -> None:
    raw, other = matched(pair)
    rows = operating_point(evidence_of(raw=raw, sgz=other), 0.4, replicates=30).rows
    weights = [np.ones(N, dtype=int), *resample_weights(N, 30, seed=0), *left_out_weights(N, 30, seed=0)]
    lists = [np.repeat(np.arange(N), row) for row in weights]

    def rates(cell: CellMatches, threshold: float) -> dict[str, np.ndarray]:
        pairs = [labels(cell, images, threshold) for images in lists]
        each = [precision_recall_fscore_support(*pair, average="binary")[:3] for pair in pairs]
        numbers = dict(zip(("precision", "recall", "F1"), np.array(each, dtype=float).T, strict=True))
        return numbers | {
            "FPPI": np.array(
                [sum(kind == 0 for kind in true) / len(images) for (true, _), images in zip(pairs, lists, strict=True)]
            )
        }

    def expected(before: np.ndarray, after: np.ndarray) -> list[float | None]:
        delta = interval((after - before)[:31], left_out=(after - before)[31:])
        return [delta["value"], delta["low"], delta["high"]]

    before, after = rates(raw, 0.4), rates(other, 0.4)
    own = rows["key of sgz"]
    for name in before:
        assert getattr(rows["key of raw"], name) == pytest.approx(before[name][0], abs=1e-12)
        assert getattr(own, name) == pytest.approx(after[name][0], abs=1e-12)
        assert values(own.delta[name]) == pytest.approx(expected(before[name], after[name]), abs=1e-12)
    threshold = best(other, range(N))
    assert own.threshold == threshold
    tuned = rates(other, threshold)["F1"]
    assert own.best_f1 == pytest.approx(tuned[0], abs=1e-12)
    assert values(own.retuning) == pytest.approx(expected(after["F1"], tuned), abs=1e-12)
    assert own.curve[20] == pytest.approx(f1(other, range(N), 0.4), abs=5e-5)


@pytest.mark.parametrize("conf", [None, 0.3])
def test_crossfitted_thresholds_are_chosen_on_the_other_half(pair: Any, conf: float | None) -> None:
    raw, other = matched(pair, seed=1)
    point = operating_point(evidence_of(raw=raw, sgz=other), conf, replicates=30)
    generator = np.random.default_rng([0, 7])
    joined: dict[str, tuple[list[int], list[int]]] = {name: ([], []) for name in ("tuned", "kept", "raw")}
    for _ in range(SPLITS):
        order = generator.permutation(N)
        for chooses, counts in ((order[: N // 2], order[N // 2 :]), (order[N // 2 :], order[: N // 2])):
            of_raw = best(raw, chooses.tolist())
            for name, cell, threshold in (
                ("tuned", other, best(other, chooses.tolist())),
                ("kept", other, of_raw if conf is None else conf),
                ("raw", raw, of_raw),
            ):
                true, predicted = labels(cell, counts.tolist(), threshold)
                joined[name][0].extend(true)
                joined[name][1].extend(predicted)
    scores = {name: f1_of(*both) for name, both in joined.items()}
    own = point.rows["key of sgz"]
    assert point.splits == SPLITS
    assert own.retuning_crossfitted is not None
    assert own.retuning_crossfitted.value == pytest.approx(scores["tuned"] - scores["kept"], abs=1e-12)
    assert own.gain_retuned is not None
    assert own.gain_retuned.value == pytest.approx(scores["tuned"] - scores["raw"], abs=1e-12)
    own_of_raw = point.rows["key of raw"]
    assert own_of_raw.gain_retuned is None
    assert own_of_raw.retuning_crossfitted is not None
    assert (own_of_raw.retuning_crossfitted.value == 0) is (conf is None)
    assert own.retuning.value is not None
    assert own.retuning.value > own.retuning_crossfitted.value  # luck


def test_the_default_is_raws_best_f1(pair: Any) -> None:
    raw, other = matched(pair)
    point = operating_point(evidence_of(raw=raw, sgz=other), replicates=30)
    assert (point.chosen, point.conf) == ("raw", best(raw, range(N)))
    assert point.rows["key of raw"].best_f1 == point.rows["key of raw"].F1
    assert point.rows["key of raw"].delta == {}


def test_seeds_are_averaged(pair: Any) -> None:
    raw, other = matched(pair)
    _, second = matched(pair, seed=0)
    truth, *_ = pair(0, N)
    third = evaluate(truth, pair(0, N)[1][::2]).matches  # half the boxes of the raw predictions
    mean = operating_point(evidence_of(raw=raw, sgz=SeedMean((other, third))), 0.4, replicates=30)
    each = [operating_point(evidence_of(raw=raw, sgz=one), 0.4, replicates=30) for one in (second, third)]
    for name in ("precision", "recall", "F1", "FPPI", "true", "false", "missed"):
        expected = np.mean([getattr(one.rows["key of sgz"], name) for one in each])
        assert getattr(mean.rows["key of sgz"], name) == pytest.approx(expected, abs=1e-12)


def test_a_raw_row_that_finds_nothing_has_no_best_threshold(pair: Any) -> None:
    truth, _, enhanced = pair(0, N)
    raw, other = evaluate(truth, []).matches, evaluate(truth, enhanced).matches
    point = operating_point(evidence_of(raw=raw, sgz=other), replicates=30)
    assert (point.conf, point.chosen) == (FALLBACK, "fallback")
    own, enhanced_row = point.rows["key of raw"], point.rows["key of sgz"]
    assert (own.precision, own.recall, own.F1, own.threshold, own.best_f1) == (None, 0, 0, None, 0)
    assert enhanced_row.delta["precision"] == Change(value=None, low=None, high=None)
    assert enhanced_row.delta["F1"].value == enhanced_row.F1


def test_one_image_cannot_be_halved(pair: Any) -> None:
    raw, other = matched(pair, images=1)
    point = operating_point(evidence_of(raw=raw, sgz=other), replicates=30)
    assert point.splits == 0
    assert point.rows["key of sgz"].retuning_crossfitted is None
    assert point.rows["key of sgz"].gain_retuned is None


def test_a_runs_summary_is_plain_json_and_the_same_again(detection_run: Path, segmentation_run: Path) -> None:
    import json

    evidence = Evidence.read(detection_run)
    one, two = (json.dumps(summary(evidence, replicates=30), allow_nan=False) for _ in range(2))
    assert one == two
    assert set(json.loads(one)["rows"]) == {row.key for row in evidence.rows.values()}
    assert summary(Evidence.read(segmentation_run)) == {}
