"""Robustness over a sweep, against lists of images evaluated again; other images at a stop are refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from sgz_bench.benchmarks.decisions.evidence import Evidence
from sgz_bench.benchmarks.decisions.sweep import (
    FILE,
    exposure,
    read_robustness,
    robustness,
    write_robustness,
)
from sgz_bench.benchmarks.intervals import interval, left_out_weights
from sgz_bench.benchmarks.statistics import resample_weights
from sgz_bench.core.errors import UserError
from sgz_bench.tasks.catalog import create_task

from .in_memory import CATEGORIES, evidence_of, matches, resampled, scene

LABELS = ["bright", "raw", "a", "b"]
IMAGES = 7


def stop(folder: Path, ev: float | None, seed: int = 0, name: str = "", images: int = IMAGES) -> tuple[Evidence, dict]:
    """Return evidence at a stop: the same truth at every stop, raw and two enhancers with other predictions."""
    truth, found = scene(0, images, 1)
    predictions = {"bright": found[0]}
    rng = np.random.default_rng([seed, int(ev or 0)])
    for label, noise in (("raw", 20), ("a", 12), ("b", 15)):
        predictions[label] = [
            each
            | {"bbox": np.abs(np.array(each["bbox"]) + rng.normal(0, noise, 4)).tolist(), "score": float(rng.random())}
            for each in found[0]
        ]
    run = folder / (name or f"ev{ev}")
    run.mkdir(parents=True, exist_ok=True)
    (run / "truth.json").write_text(json.dumps(truth))
    cells = {label: matches(truth, each) for label, each in predictions.items()}
    evidence = evidence_of("detection", cells, CATEGORIES, str(run))
    darken = f"darken(ev={ev:g})" if ev is not None else None
    rows = {
        label: dataclasses.replace(row, darken=None if label == "bright" else darken)
        for label, row in evidence.rows.items()
    }
    return dataclasses.replace(evidence, rows=rows), {"truth": truth, **predictions}


def test_means_ratios_and_intervals_are_those_of_lists_of_images_evaluated_again(tmp_path):
    stops = [stop(tmp_path, ev) for ev in (5, 1, 3)]
    sweep = robustness([evidence for evidence, _ in stops], replicates=7)
    assert sweep.stops == {"ev1": 1, "ev3": 3, "ev5": 5}
    assert [row.label for row in sweep.rows] == LABELS
    weights = np.concatenate(
        [np.ones((1, IMAGES), int), resample_weights(IMAGES, 7, seed=0), left_out_weights(IMAGES, 7, seed=0)]
    )

    def mean(label, times):
        images = np.repeat(np.arange(1, IMAGES + 1), times).tolist()
        return np.mean([resampled(each["truth"], each[label], images)["AP50"] for _, each in stops])

    values = {label: np.array([mean(label, times) for times in weights]) for label in LABELS}
    for row in sweep.rows:
        own = values[row.label]
        for expected, given in (
            (own, row.mean),
            (own / values["bright"], row.ratio),
            *([(own - values["raw"], row.delta)] if row.delta else []),
        ):
            delta = interval(expected[:8], left_out=expected[8:])  # every image has a part in the metric
            assert given.value == pytest.approx(delta["value"], abs=1e-12)
            assert given.low == pytest.approx(delta["low"], abs=1e-9)
            assert given.high == pytest.approx(delta["high"], abs=1e-9)
    assert sweep.rows[0].ratio.value == 1
    assert sweep.rows[1].delta is None


def test_the_interval_of_a_mean_over_stops_is_not_that_of_independent_stops(tmp_path):
    """The same predictions at every stop: the mean over stops is as uncertain as one stop, not less."""
    one, _ = stop(tmp_path, 1)
    three = [dataclasses.replace(one, run=tmp_path / f"s{ev}", rows=darker(one, ev)) for ev in (1, 2, 3)]
    for each in three:
        each.run.mkdir()
        (each.run / "truth.json").write_text((one.run / "truth.json").read_text())
    single = robustness(three[:2], replicates=50).rows
    several = robustness(three, replicates=50).rows
    for two, all_three in zip(single, several, strict=True):
        assert two.mean == pytest.approx(all_three.mean, abs=1e-12) or (
            [two.mean.low, two.mean.high] == pytest.approx([all_three.mean.low, all_three.mean.high], abs=1e-9)
        )


def darker(evidence: Evidence, ev: int) -> dict:
    return {label: dataclasses.replace(row, darken=f"darken(ev={ev})") for label, row in evidence.rows.items()}


def test_other_images_models_and_stops_are_refused(tmp_path):
    one, _ = stop(tmp_path, 1)
    with pytest.raises(UserError, match="needs two runs at different stops"):
        robustness([one])
    with pytest.raises(UserError, match="two runs of the sweep have 1 stops; keep one of them"):
        robustness([one, stop(tmp_path, 1, name="again")[0]])
    with pytest.raises(UserError, match=r"the images of .*recorded have no stops of darkening"):
        robustness([one, stop(tmp_path, None, name="recorded")[0]])
    with pytest.raises(UserError, match="differ in their images"):
        robustness([one, stop(tmp_path, 2, images=5)[0]])
    renamed, _ = stop(tmp_path, 3)
    truth = json.loads((renamed.run / "truth.json").read_text())
    truth["images"] = [each | {"file_name": f"other{each['id']}.png"} for each in truth["images"]]
    (renamed.run / "truth.json").write_text(json.dumps(truth))
    with pytest.raises(UserError, match="differ in their images"):
        robustness([one, renamed])
    other = dataclasses.replace(
        one,
        run=stop(tmp_path, 4)[0].run,
        rows={
            label: dataclasses.replace(row, model_fingerprint="b" * 64, darken="darken(ev=4)")
            for label, row in one.rows.items()
        },
    )
    with pytest.raises(UserError, match="differ in their model"):
        robustness([one, other])


def test_enhancers_that_a_stop_lacks_are_left_out_and_told(tmp_path):
    one, two = stop(tmp_path, 1)[0], stop(tmp_path, 2)[0]
    less = dataclasses.replace(
        two, rows={label: row for label, row in two.rows.items() if label not in {"b", "bright"}}
    )
    sweep = robustness([one, less], replicates=5)
    assert [row.label for row in sweep.rows] == ["raw", "a"]
    assert sweep.left_out == ["b"]
    assert all(row.ratio is None for row in sweep.rows)


def on_disk(evidence: Evidence) -> None:
    for label, cell in evidence.statistics.items():
        folder = evidence.run / "cells" / label
        folder.mkdir(parents=True)
        (folder / "matches.npz").write_bytes(cell.to_bytes())
    (evidence.run / "results.jsonl").write_text("".join(row.to_json() + "\n" for row in evidence.rows.values()))
    (evidence.run / "manifest.json").write_text(json.dumps({"config": {"dataset": "coco"}}))


def test_a_suites_sweeps_are_written_read_and_shown(tmp_path):
    from sgz_bench.reports.tables.robustness import robustness_tables

    runs = [stop(tmp_path, ev)[0] for ev in (1, 3)]
    for run in runs:
        on_disk(run)
    written = write_robustness(tmp_path)
    assert read_robustness(tmp_path) == written
    first = (tmp_path / FILE).read_bytes()
    write_robustness(tmp_path)
    assert (tmp_path / FILE).read_bytes() == first
    table, records = robustness_tables(tmp_path)["robustness"]
    assert table.caption == "Robustness over 1, 3 stops of darkening, 7 images."
    assert [record["enhancer"] for record in records] == LABELS
    assert records[2]["mean"] == written[0].rows[2].mean.value
    (tmp_path / FILE).write_text('{"sweeps": [{"metric": 3}]}')
    with pytest.raises(UserError, match=r"robustness\.json is damaged \(.*\); repeat the suite's command"):
        read_robustness(tmp_path)


def test_a_sweep_that_cannot_be_measured_is_said_and_costs_nothing_else(tmp_path):
    runs = [stop(tmp_path, 1)[0], stop(tmp_path, 3)[0]]
    for run in runs:
        on_disk(run)
    (runs[0].run / "cells" / "a" / "matches.npz").write_bytes(b"PK")
    said: list[str] = []
    assert write_robustness(tmp_path, said.append) == []
    assert len(said) == 1
    assert said[0].startswith("left out: robustness over ev1, ev3: the statistics of a in ")
    assert not (tmp_path / FILE).exists()
    assert read_robustness(tmp_path) == []


def test_damaged_files_are_said_and_runs_without_darkness_are_no_part(tmp_path):
    for ev in (0, 1, 3):
        on_disk(stop(tmp_path, ev)[0])
    assert write_robustness(tmp_path)[0].stops == {"ev1": 1, "ev3": 3}
    said: list[str] = []
    for content in ("[]", '{"config": 3}'):
        (tmp_path / "ev1" / "manifest.json").write_text(content)
        assert write_robustness(tmp_path, said.append) == []
    assert [line.startswith("left out of the robustness over stops: ") for line in said] == [True, True]
    assert all("manifest.json" in line for line in said)
    (tmp_path / "ev1" / "manifest.json").unlink()
    (tmp_path / "ev3" / "manifest.json").unlink()
    (tmp_path / "ev3" / "truth.json").write_text("{}")
    write_robustness(tmp_path, said.append)
    assert "truth.json is damaged (KeyError('images'))" in said[2]


def test_the_exposure_is_that_of_the_darkening_or_of_the_rendering(tmp_path):
    evidence, _ = stop(tmp_path, 2.5)
    assert exposure(evidence.run, evidence.rows["raw"]) == 2.5
    recorded, _ = stop(tmp_path, None, name="rendered")
    assert exposure(recorded.run, recorded.rows["raw"]) is None
    (recorded.run / "manifest.json").write_text(json.dumps({"config": {"dataset": "nightscene(ev=4)"}}))
    assert exposure(recorded.run, recorded.rows["raw"]) == 4
    assert create_task("detection").lead_metric == "AP50"
