"""Statistics of a run's images, and its results by their quartiles."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sgz_bench.__main__ import app
from sgz_bench.benchmarks.config import StudyConfig
from sgz_bench.benchmarks.decisions.evidence import Evidence
from sgz_bench.benchmarks.executors.job import Job
from sgz_bench.benchmarks.executors.progress import Progress
from sgz_bench.benchmarks.image_statistics import FILE, image_statistics, read_image_statistics
from sgz_bench.benchmarks.plan import Plan, make_plan
from sgz_bench.benchmarks.quartiles import quartile_labels
from sgz_bench.benchmarks.run import run_plan
from sgz_bench.benchmarks.suite import Suite
from sgz_bench.core.errors import UserError
from sgz_bench.core.images import read_image
from sgz_bench.enhancer.darken import parse_darken
from sgz_bench.enhancer.image_statistics import STATISTICS


def _plan(run: Path, **changes: Any) -> Plan:
    config = json.loads((run / "manifest.json").read_text())["config"]
    return make_plan(StudyConfig(**config | changes), "cpu")


def _predict_nothing(jobs: Sequence[Job], _device: str, _progress: Progress) -> None:
    assert all(not job.pending(sample) for job in jobs for sample in job.samples)


def test_every_run_keeps_the_statistics_of_its_raw_images(detection_run: Path) -> None:
    samples = _plan(detection_run).dataset.samples
    assert read_image_statistics(detection_run) == {
        sample.id: {name: each.of(read_image(sample.path)) for name, each in STATISTICS.items()} for sample in samples
    }


def test_kept_statistics_are_used_again_and_damaged_or_foreign_ones_are_not(
    detection_run: Path, tmp_path: Path
) -> None:
    plan = _plan(detection_run)
    wanted, kept = image_statistics(plan, tmp_path), (tmp_path / FILE).read_bytes()
    assert kept == (detection_run / FILE).read_bytes()
    changed = json.loads(kept)
    changed["images"]["1"]["luma"] = 1.5
    (tmp_path / FILE).write_text(json.dumps(changed))
    assert image_statistics(plan, tmp_path)[1]["luma"] == 1.5  # read, not measured
    del changed["images"]["2"], changed["images"]["3"]["noise"]
    (tmp_path / FILE).write_text(json.dumps(changed))
    assert image_statistics(plan, tmp_path) == wanted | {1: wanted[1] | {"luma": 1.5}}
    damaged = [changed | {"version": 0}, changed | {"images": {"1": {"luma": "dark"}}}, {}, []]
    for content in [*map(json.dumps, damaged), "{", json.dumps(changed | {"dataset_fingerprint": "0"})]:
        (tmp_path / FILE).write_text(content)
        assert image_statistics(plan, tmp_path) == wanted
        assert (tmp_path / FILE).read_bytes() == kept


def test_images_that_are_needed_later_are_added_in_the_order_of_the_data_set(
    detection_run: Path, tmp_path: Path
) -> None:
    plan = _plan(detection_run)
    samples = plan.dataset.samples
    wanted = read_image_statistics(detection_run)
    assert image_statistics(plan, tmp_path, samples[6:8]) == {each.id: wanted[each.id] for each in samples[6:8]}
    assert set(read_image_statistics(tmp_path)) == {each.id for each in samples[6:8]}
    assert image_statistics(plan, tmp_path, samples[:2]) == {each.id: wanted[each.id] for each in samples[:2]}
    assert image_statistics(plan, tmp_path) == wanted
    assert (tmp_path / FILE).read_bytes() == (detection_run / FILE).read_bytes()


def test_statistics_are_those_of_the_darkened_image(detection_run: Path, tmp_path: Path) -> None:
    plan, darken = _plan(detection_run, darken="ev=2"), parse_darken("ev=2", seed=0)
    image_statistics(_plan(detection_run), tmp_path)  # of the undarkened ones, not to be used
    sample = plan.dataset.samples[0]
    dark = darken(read_image(sample.path), sample.key)
    assert image_statistics(plan, tmp_path)[sample.id]["luma"] == STATISTICS["luma"].of(dark)


def test_unreadable_images_have_none(detection_run: Path, tmp_path: Path) -> None:
    plan = _plan(detection_run)
    first, *others = plan.dataset.samples
    dataset = replace(plan.dataset, samples=(replace(first, path=tmp_path / "none.png"), *others))  # type: ignore[type-var]
    less = replace(plan, space=replace(plan.space, dataset=dataset))
    assert set(image_statistics(less, tmp_path)) == {sample.id for sample in others}


@pytest.mark.parametrize("kind", ["detection_run", "segmentation_run"])
def test_by_scores_a_finished_run_again_without_predicting(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run = tmp_path / "run"
    shutil.copytree(request.getfixturevalue(kind), run)
    before = {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}

    def score(by: Sequence[str]) -> None:
        run_plan(_plan(run, by=by), run, device="cpu", executor=_predict_nothing)

    score(["luma", "dark"])
    evidence, statistics = Evidence.read(run), read_image_statistics(run)
    raw, gamma = evidence.rows["raw"], evidence.rows[evidence.enhancers[0]]
    for name in ("luma", "dark"):
        labels = quartile_labels({image: each[name] for image, each in statistics.items()})
        ids = evidence.raw.image_ids.tolist()
        assert list(raw.by_attribute[name]) == sorted(set(labels.values()))
        for value, scores in raw.by_attribute[name].items():
            weights = [[int(labels[image] == value) for image in ids]]
            metric = evidence.raw.scores(weights).overall[evidence.lead][0]
            enhanced = evidence.statistics[gamma.enhancer].scores(weights).overall[evidence.lead][0]
            assert scores[evidence.lead] == pytest.approx(metric, abs=1e-12)
            assert scores["images"] == sum(weights[0])
            delta = gamma.delta_by_attribute[name][value][evidence.lead]["value"]
            assert delta == pytest.approx(enhanced - metric, abs=1e-12)
    truth = json.loads((run / "truth.json").read_text())
    assert all(image["attributes"]["luma"].startswith("Q") for image in truth["images"])
    score([])  # the same command without --by gives the bytes of the first run
    after = {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}
    timed = {run / "costs.json"}
    assert {path: data for path, data in after.items() if path not in timed} == {
        path: data for path, data in before.items() if path not in timed
    }


def test_an_attribute_of_the_same_name_is_refused(detection_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = _plan(detection_run)
    samples = tuple(replace(sample, attributes={"luma": "dim"}) for sample in plan.dataset.samples)  # type: ignore[type-var]
    monkeypatch.setattr(type(plan.task), "load", lambda *_: replace(plan.dataset, samples=samples))  # type: ignore[type-var]
    assert _plan(detection_run).cells
    with pytest.raises(
        UserError, match=r"^--by luma: the images of nightscene have an attribute 'luma' of their own, "
    ):
        _plan(detection_run, by=["luma"])


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("xyz", "--by xyz: unknown statistic 'xyz' of an image; known: luma, dark, noise"),
        ("luma,drak", "--by luma,drak: unknown statistic 'drak' of an image; did you mean 'dark'?"),
        (",", "--by is empty; name at least one statistic, such as luma, or leave it out"),
        ("", "--by is empty; name at least one statistic, such as luma, or leave it out"),
    ],
)
@pytest.mark.parametrize("command", ["detect", "segment"])
def test_by_takes_statistics(command: str, by: str, message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [command, "--by", by, "--out", str(tmp_path / "run")])
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == message
    assert not (tmp_path / "run").exists()


def test_by_is_a_setting_of_suites() -> None:
    def studies(by: Any) -> StudyConfig:
        matrix = {"dataset": ["nightscene"], "model": ["nightscene-yolo"]}
        (study,) = Suite(settings={"by": by}, matrix=matrix).studies().values()
        return study

    assert studies("luma, noise").by == studies(["luma", "noise", "luma"]).by == ("luma", "noise")
    with pytest.raises(UserError, match="by: unknown statistic 'lume' of an image; did you mean 'luma'"):
        studies(["lume"])
    with pytest.raises(UserError, match="by: 3 is no list of statistics"):
        studies(3)
