"""Swept gates are those that a run would score: raw's predictions on bright images, the enhancer's on dark ones."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from sgz_bench.benchmarks.decisions.choice import choose
from sgz_bench.benchmarks.decisions.evidence import Evidence
from sgz_bench.benchmarks.decisions.gate_sweep import deciles, with_gates
from sgz_bench.benchmarks.statistics import gated
from sgz_bench.core.errors import UserError
from sgz_bench.enhancer.composites import Gate

from .in_memory import accuracies, detection, matches

WEIGHTS = np.random.default_rng(0).integers(0, 3, size=(20, 12)).astype(np.int32)


def bright(evidence: Evidence, folder: Path, values: np.ndarray) -> Evidence:
    """Give the images of evidence their luma."""
    folder.mkdir(exist_ok=True)
    ids = evidence.raw.image_ids.tolist()
    images = {str(each): {"luma": float(value)} for each, value in zip(ids, values, strict=True)}
    (folder / "images.json").write_text(json.dumps({"images": images}))
    return dataclasses.replace(evidence, run=folder)


def test_a_gates_scores_are_those_of_the_mixed_predictions(tmp_path):
    evidence, truth, found = detection(2, 12, ["raw", "gamma(gamma=0.5)"])
    values = np.random.default_rng(1).uniform(5, 90, 12)
    wider = with_gates(bright(evidence, tmp_path, values), [40.0])
    assert list(wider.rows) == ["raw", "gamma(gamma=0.5)", "gate(gamma(gamma=0.5),luma<40)"]
    dark = {image_id for image_id, value in enumerate(values, start=1) if value < 40}
    mixed = [each for each in found["gamma(gamma=0.5)"] if each["image_id"] in dark]
    mixed += [each for each in found["raw"] if each["image_id"] not in dark]
    expected = matches(truth, mixed).ap50(WEIGHTS)
    np.testing.assert_array_equal(wider.scores("gate(gamma(gamma=0.5),luma<40)", WEIGHTS), expected)
    delta = wider.rows["gate(gamma(gamma=0.5),luma<40)"].delta["AP50"]
    everything = np.ones((1, 12), np.int32)
    gain = matches(truth, mixed).ap50(everything)[0] - evidence.scores("raw", everything)[0]
    assert delta["value"] == pytest.approx(gain)
    assert delta["p"] is None


def test_open_and_shut_gates_are_the_enhancer_and_raw():
    evidence, *_ = detection(4, 12, ["raw", "a"])
    pooled = evidence.raw.pooled(evidence.statistics["a"])
    for opened, label in ((True, "a"), (False, "raw")):
        scores = gated(pooled, np.full(12, opened)).ap50(WEIGHTS)
        np.testing.assert_array_equal(scores, evidence.scores(label, WEIGHTS))


def test_labels_are_those_of_the_specs(tmp_path):
    evidence = accuracies({"raw": np.linspace(0.5, 0.6, 9), "gamma(gamma=0.45)": np.linspace(0.4, 0.7, 9)})
    wider = with_gates(bright(evidence, tmp_path, np.arange(9.0)), [0.0523, 4, 7.5])
    for label in wider.enhancers[1:]:
        inner, _, condition = label.removeprefix("gate(").removesuffix(")").rpartition(",")
        assert Gate(inner, condition).spec == label


def test_thresholds_are_deciles_that_tell_images_apart(tmp_path):
    evidence = accuracies({"raw": np.linspace(0.5, 0.6, 21), "he": np.linspace(0.4, 0.7, 21)})
    assert deciles(bright(evidence, tmp_path / "a", np.arange(21.0))) == (2, 4, 6, 8, 10, 12, 14, 16, 18)
    few = np.repeat([3.0, 50.0], [12, 9])  # one threshold is enough
    assert deciles(bright(evidence, tmp_path / "b", few)) == (50,)


def test_a_gate_that_pays_in_the_dark_alone_is_chosen(tmp_path):
    rng = np.random.default_rng(0)
    values, raw = rng.uniform(0, 100, 80), rng.uniform(0.5, 0.7, 80)
    effect = np.where(values < 50, 0.1, -0.1)
    evidence = accuracies({"raw": raw, "he": raw + effect + rng.normal(0, 0.01, 80)})
    choice = choose(bright(evidence, tmp_path, values), gates=True, splits=20, resamples=40)
    assert choice.best.startswith("gate(he,luma<")
    assert 40 < float(choice.best.rpartition("<")[2].rstrip(")")) < 60
    assert choice.verdict.text == f"deploy {choice.best}"
    assert choose(evidence, splits=20, resamples=40).verdict.kind == "undecided"


def test_the_luck_of_the_threshold_is_taken_out(tmp_path):
    """Without any effect the best of nine thresholds of several enhancers looks good, and its honest gain does not."""
    naive, honest = [], []
    for trial in range(16):
        rng = np.random.default_rng([3, trial])
        raw = rng.uniform(0.5, 0.7, 30)
        evidence = accuracies({"raw": raw, **{f"e{k}": raw + rng.normal(0, 0.05, 30) for k in range(4)}})
        folder = bright(evidence, tmp_path / str(trial), rng.uniform(0, 100, 30))
        choice = choose(folder, gates=True, splits=20, resamples=1)
        naive.append(choice.find(choice.best).difference.value)
        honest.append(choice.gain.value)
    error = np.std(honest) / np.sqrt(len(honest))
    assert abs(np.mean(honest)) < 3 * error
    assert np.mean(naive) > np.mean(honest) + 3 * error


def test_runs_without_brightness_and_trained_models_are_refused(tmp_path):
    evidence = accuracies({"raw": np.linspace(0.5, 0.6, 9), "he": np.linspace(0.4, 0.7, 9)})
    with pytest.raises(UserError, match=r"--gates: .* has no statistics of its images \(images\.json\)"):
        choose(dataclasses.replace(evidence, run=tmp_path / "none"), gates=True)
    with pytest.raises(UserError, match=r"--gates: the images of .* are equally bright"):
        choose(bright(evidence, tmp_path / "same", np.full(9, 3.0)), gates=True)
    trained = {label: dataclasses.replace(row, protocol="finetune") for label, row in evidence.rows.items()}
    with pytest.raises(UserError, match="has a model trained for it"):
        choose(dataclasses.replace(bright(evidence, tmp_path / "t", np.arange(9.0)), rows=trained), gates=True)
    (tmp_path / "same" / "images.json").write_text("{")
    with pytest.raises(UserError, match=r"images\.json"):
        choose(dataclasses.replace(evidence, run=tmp_path / "same"), gates=True)
