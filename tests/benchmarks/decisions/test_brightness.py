"""Gain over brightness against scoring each window again, and the limits over all windows against simulation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sgz_bench.benchmarks.decisions import brightness
from sgz_bench.benchmarks.decisions.brightness import Curve, Point, Range, curve, summary, window_images
from sgz_bench.benchmarks.decisions.evidence import Evidence
from sgz_bench.benchmarks.image_statistics import read_image_statistics
from sgz_bench.benchmarks.intervals import interval, left_out_weights, p_value
from sgz_bench.benchmarks.results import Delta
from sgz_bench.benchmarks.statistics import compare, resample_weights
from sgz_bench.benchmarks.store import LOG, cell_folder, read_log
from sgz_bench.core.errors import UserError


@pytest.mark.parametrize(("kind", "size"), [("detection_run", 10), ("segmentation_run", 4)])
def test_points_are_the_window_scored_again_from_the_predictions(
    kind: str, size: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: Path = request.getfixturevalue(kind)  # before the patch: other tests use it too
    monkeypatch.setattr(brightness, "LEAST", size)
    evidence, statistics = Evidence.read(run), read_image_statistics(run)
    label = evidence.enhancers[0]
    found = curve(evidence, statistics, label, replicates=100)
    order = sorted(statistics, key=lambda image: statistics[image]["luma"])
    assert len(found.points) == len(order) - size + 1 == 3
    for begin, point in enumerate(found.points):
        window = order[begin : begin + size]
        lumas = sorted(statistics[image]["luma"] for image in window)
        assert (point.low, point.high, point.images) == (lumas[0], lumas[-1], size)
        assert point.centre == pytest.approx((lumas[size // 2 - 1] + lumas[size // 2]) / 2)
        truth = {
            name: [each for each in part if each.get("image_id", each.get("id")) in window]
            if name in {"images", "annotations"}
            else part
            for name, part in evidence.truth.items()
        }
        lead = [
            evidence.task.score(truth, _records(run, evidence.rows[each].key, window)).metrics[evidence.lead]
            for each in ("raw", label)
        ]
        assert None not in lead
        assert point.delta["value"] == pytest.approx(lead[1] - lead[0], abs=1e-12)  # type: ignore[operator]


def _records(run: Path, key: str, images: list[int]) -> dict[int, dict[str, Any]]:
    return {image: record for image, record in read_log(cell_folder(run, key) / LOG).items() if image in images}


def test_intervals_are_those_of_an_attribute_of_the_same_images(detection_run: Path) -> None:
    evidence, statistics = Evidence.read(detection_run), read_image_statistics(detection_run)
    label = evidence.enhancers[0]
    values = [statistics[int(image)]["noise"] for image in evidence.raw.image_ids]
    found = curve(evidence, statistics, label, statistic="noise", replicates=100, seed=3)
    for images, point in zip(window_images(values), found.points, strict=True):
        inside = ["yes" if index in images else None for index in range(len(values))]
        others = {label: evidence.statistics[label]}
        classes = evidence.rows["raw"].classes
        compared = compare(evidence.raw, others, {"inside": inside}, classes, seed=3, replicates=100)
        wanted = compared[label].delta_by_attribute["inside"]["yes"][evidence.lead]
        assert point.delta == {name: pytest.approx(value, abs=1e-12) for name, value in wanted.items()}


@pytest.mark.parametrize(("images", "size", "count"), [(10, 10, 1), (12, 10, 3), (60, 18, 10), (128, 38, 10)])
def test_windows_cover_all_images_from_dark_to_bright(images: int, size: int, count: int) -> None:
    values = np.random.default_rng(images).permutation(images) // 2  # ties
    windows = window_images(values.tolist())
    assert (len(windows), {len(each) for each in windows}) == (count, {size})
    assert sorted(set(np.concatenate(windows).tolist())) == list(range(images))
    middles = [np.median(values[each]) for each in windows]
    assert middles == sorted(middles)
    assert all((np.diff(each) > 0).all() for each in windows)


def test_the_summary_is_json_and_the_same_again(detection_run: Path) -> None:
    evidence, statistics = Evidence.read(detection_run), read_image_statistics(detection_run)
    content = summary(evidence, statistics)
    assert json.dumps(content, allow_nan=False) == json.dumps(summary(evidence, statistics), allow_nan=False)
    assert (content["metric"], content["statistic"], content["images"], content["window"]) == ("AP50", "luma", 12, 10)
    assert list(content["enhancers"]) == evidence.enhancers
    for label, each in content["enhancers"].items():
        full = curve(evidence, statistics, label, replicates=200)
        wanted = [[p.centre, p.delta["value"], p.delta["low"], p.delta["high"]] for p in full.points]
        assert each["points"] == wanted
        assert each["pays"] == (None if full.pays is None else vars(full.pays))


def _curve(*shown: int) -> Curve:
    nothing = Delta(value=0.0, low=None, high=None, p=None, p_holm=None)
    points = [Point(10.0 * k, 10.0 * k + 5, 10.0 * k + 9, 10, nothing, sign) for k, sign in enumerate(shown)]
    return Curve("gamma", "AP50", "luma", tuple(points))


@pytest.mark.parametrize(
    ("shown", "pays", "costs"),
    [
        ((0, 0, 0), None, None),
        ((1, 1, 0, 0), Range("below", 5.0, 15.0), None),
        ((1, 1, 0, -1), Range("below", 5.0, 15.0), Range("above", 35.0, 35.0)),
        ((0, 1, 1, 0), Range("between", 15.0, 25.0), None),
        ((-1, -1, -1), None, Range("everywhere", 5.0, 25.0)),
        ((1, 0, 1, 1, 1), Range("above", 25.0, 45.0), None),
    ],
)
def test_where_it_pays_is_the_longest_run_of_windows(
    shown: tuple[int, ...], pays: Range | None, costs: Range | None
) -> None:
    assert (_curve(*shown).pays, _curve(*shown).costs) == (pays, costs)


def test_a_gain_is_rarely_shown_where_there_is_none_and_often_where_there_is_one() -> None:
    rng, images, replicates, worlds = np.random.default_rng(5), 80, 200, 250
    windows = window_images(list(range(images)))
    ones = np.ones((1, images), dtype=np.int32)
    weights = np.concatenate(
        [ones, resample_weights(images, replicates, seed=0), left_out_weights(images, replicates, seed=0)]
    )
    head = 1 + replicates

    def signs(values: np.ndarray[Any, Any]) -> tuple[list[int], bool]:
        deltas, p_values, deviations = [], [], []
        for window in windows:
            own = weights[:, window]
            means = (own @ values[window]) / own.sum(axis=1)
            count = int((means[head:] != means[0]).sum())
            deltas.append(interval(means[:head], left_out=means[head:], images=count))
            p_values.append(p_value(means[:head], means[head:], count))
            deviations.append(means[1:head] - means[0])
        alone = any(d["low"] is not None and d["high"] is not None and d["low"] * d["high"] > 0 for d in deltas)
        return brightness._shown(deltas, p_values, deviations), alone

    null = [signs(rng.normal(0, 1, images)) for _ in range(worlds)]
    false, alone = np.mean([any(each) for each, _ in null]), np.mean([one for _, one in null])
    assert false <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / worlds)
    assert alone > 0.15  # intervals one by one would show something far too often
    dark = [signs(rng.normal(0, 1, images) + 1.5 * (np.arange(images) < 40))[0] for _ in range(20)]
    assert np.mean([each[0] == 1 for each in dark]) > 0.9
    assert np.mean([each[-1] == 0 for each in dark]) > 0.9


def test_what_has_no_curve_says_why(detection_run: Path) -> None:
    evidence, statistics = Evidence.read(detection_run), read_image_statistics(detection_run)
    few = replace(evidence, statistics={name: each.subset(np.arange(9)) for name, each in evidence.statistics.items()})
    reason = "9 images are too few for a curve over brightness; it takes 10 or more"
    assert summary(few, statistics) == {
        **{"metric": "AP50", "statistic": "luma", "images": 9, "window": 0, "reason": reason, "enhancers": {}}
    }
    with pytest.raises(UserError, match=reason):
        curve(few, statistics, evidence.enhancers[0])
    assert "12 images of 12 without statistics in images.json; repeat" in summary(evidence, {})["reason"]
    with pytest.raises(UserError, match="there is no statistic 'colour' of an image; use one of luma, dark, noise"):
        curve(evidence, statistics, evidence.enhancers[0], statistic="colour")
    for label in ("raw", "lime"):
        with pytest.raises(UserError, match=rf"has no scored row of '{label}'; it has gamma"):
            curve(evidence, statistics, label)
