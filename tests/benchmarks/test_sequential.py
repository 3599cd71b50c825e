"""Early stopping: bounds against their definition and simulation; runs that stop, resume and complete, byte by byte."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sgz_bench.benchmarks import sequential
from sgz_bench.benchmarks.config import StudyConfig, half_width
from sgz_bench.benchmarks.executors.job import Job
from sgz_bench.benchmarks.executors.local import predict
from sgz_bench.benchmarks.executors.progress import Progress
from sgz_bench.benchmarks.intervals import left_out_weights
from sgz_bench.benchmarks.plan import Plan, make_plan
from sgz_bench.benchmarks.run import run_plan
from sgz_bench.benchmarks.sequential import anytime_p, bounded, critical_value, is_decided
from sgz_bench.benchmarks.suite import together
from sgz_bench.cli.study_options import StudyOptions, study_config
from sgz_bench.core.errors import UserError

FRAMES, LOOK = 12, 4


# The bound


@pytest.mark.parametrize("level", [0.05, 0.05 / 28])
def test_the_bound_is_where_the_mixture_of_likelihood_ratios_reaches_one_over_alpha(level: float) -> None:
    # Ville's inequality for the mixture over normal alternatives, integrated numerically.
    rho_squared = (-2 * math.log(level) + math.log(1 - 2 * math.log(level))) / 500
    drift = np.linspace(-12, 12, 400_001) * math.sqrt(rho_squared)
    density = np.exp(-(drift**2) / (2 * rho_squared)) / math.sqrt(2 * math.pi * rho_squared)
    for images in (100, 500, 3000):
        walk = critical_value(images, level) * math.sqrt(images)  # sum of unit-variance differences at the bound
        mixture = np.trapezoid(density * np.exp(drift * walk - drift**2 * images / 2), drift)
        assert mixture == pytest.approx(1 / level, rel=1e-6)
        assert anytime_p(walk / math.sqrt(images), images, level) == pytest.approx(level)


def test_the_bound_is_narrowest_near_500_images_among_its_own_kind() -> None:
    def at(images: int, narrowest: int) -> float:
        return critical_value(round(images * 500 / narrowest), 0.05)

    assert at(500, 500) < min(at(500, 250), at(500, 1000))


def test_walks_cross_the_bound_at_any_of_25_looks_in_fewer_than_5_percent() -> None:
    rng = np.random.default_rng(0)
    looks = 100 * np.arange(1, 26)
    walks = rng.normal(0, 10, (20_000, 25)).cumsum(axis=1) / np.sqrt(looks)
    crossed = (np.abs(walks) > [critical_value(n, 0.05) for n in looks]).any(axis=1).mean()
    fixed = (np.abs(walks) > 1.96).any(axis=1).mean()
    assert crossed < 0.05
    assert fixed > 0.25  # what looking 25 times at a fixed interval costs


def test_early_stopping_misses_the_true_difference_in_at_most_5_percent() -> None:
    # Skewed differences per image, two rows, stopping at the first look at which both are decided.
    rng = np.random.default_rng(1)
    worlds, missed = 60, 0
    for world in range(worlds):
        true = np.array([0.0, 0.02 * (world % 2)])
        images = true + 0.15 * (rng.exponential(size=(600, 2)) - 1)
        for n in range(100, 601, 100):
            weights = np.concatenate([np.ones((1, n)), rng.poisson(1, (100, n)), left_out_weights(n, 50, seed=0)])
            resampled = weights @ images[:n] / weights.sum(axis=1, keepdims=True)
            deltas = [bounded(resampled[:101, row], resampled[101:, row], n, rows=2) for row in range(2)]
            wrong = [not (each["low"] or 0) <= t <= (each["high"] or 0) for each, t in zip(deltas, true, strict=True)]
            missed += any(wrong)
            if any(wrong) or all(is_decided(each, 0.02) for each in deltas):
                break
    assert missed / worlds <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / worlds)
    assert missed / worlds <= 0.05  # it is conservative


def test_a_row_is_decided_by_its_sign_or_its_width() -> None:
    def delta(low: float | None, high: float | None) -> Any:
        return {"value": 0.0, "low": low, "high": high, "p": None, "p_holm": None}

    assert is_decided(delta(0.001, 0.5), 0.01)
    assert is_decided(delta(-0.5, -0.001), 0.01)
    assert is_decided(delta(-0.009, 0.009), 0.01)
    assert is_decided(delta(-0.001, 0.019), 0.01)
    assert not is_decided(delta(-0.001, 0.0191), 0.01)
    assert not is_decided(delta(None, None), 0.01)
    assert not is_decided(bounded(np.zeros(101), np.zeros(100), 100, 1), 0.01)  # no image differs yet


# Settings


@pytest.mark.parametrize("text", ["1.0", "±1.0", "+-1", "+/-1", " 1 ", 1, 1.0])
def test_points_may_have_a_sign_for_both_sides(text: object) -> None:
    assert half_width(text) == 1.0


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "101", "x", "±", "", True])
def test_points_are_above_0_and_up_to_100(text: object) -> None:
    with pytest.raises(ValueError, match="give points above 0, up to 100, such as ±1"):
        half_width(text)


def test_until_and_limit_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="until and limit exclude each other"):
        StudyConfig(dataset="exdark", model="yolo11n.pt", until=1.0, limit=50)
    with pytest.raises(UserError, match=r"--until ±1\.0 with --limit 50: until and limit exclude each other"):
        study_config("detection", "nightscene", None, StudyOptions(until="±1.0", limit=50), shipped="m", example="m")


def test_studies_with_other_looks_do_not_run_together() -> None:
    one = StudyConfig(dataset="exdark", model="yolo11n.pt")
    assert len(together({"all": one, "some": one.model_copy(update={"until": 1.0})})) == 2


# Runs


@pytest.fixture(autouse=True)
def _short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequential, "LOOK", LOOK)


def study(until: float | None = None, **changes: Any) -> Plan:
    settings = {
        "dataset": f"nightscene(frames={FRAMES})",
        "model": "nightscene-yolo",
        "enhancers": ("raw", "gamma", "clahe"),
    }
    config = StudyConfig(**settings | {"replicates": 100, "permutations": 100, "until": until} | changes)
    return make_plan(config, "cpu")


def files(run: Path) -> dict[str, bytes]:
    """Files of a run but costs, which are times."""
    paths = (path for path in run.rglob("*") if path.is_file() and path.name not in {"costs.json", ".lock"})
    return {str(path.relative_to(run)): path.read_bytes() for path in paths}


def rows_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run without ``until``."""
    run = tmp_path_factory.mktemp("until") / "run"
    run_plan(study(), run, device="cpu")
    return run


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that any first look decides."""
    run = tmp_path_factory.mktemp("until") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sequential, "LOOK", LOOK)
        said: list[str] = []
        run_plan(study(100.0), run, device="cpu", say=said.append)
    (run / "said").write_text("\n".join(said))
    return run


def test_a_stopped_run_is_marked_and_has_bounds(stopped: Path) -> None:
    rows = rows_of(stopped)
    assert [row["enhancer"] for row in rows] == ["bright", "raw", "gamma(gamma=0.45)", "clahe(clip=2,tiles=8)"]
    images = rows[0]["images"]
    assert images < FRAMES
    assert images % LOOK == 0
    for row in rows:
        assert row["partial"]
        assert row["until"] == {
            "half_width": 100.0, "images": images, "of": FRAMES, "every": LOOK, "rows": 3, "decided": True,
            "method": sequential.METHOD,
        }  # fmt: skip
    note = (stopped / "said").read_text()
    assert f"stopped early at {images} of {FRAMES} images: every row is decided (--until ±100)" in note
    for row in rows[2:]:
        for delta in row["delta"].values():
            half = delta["high"] - delta["value"]
            assert half == pytest.approx(delta["value"] - delta["low"])
            z = delta["value"] / (half / critical_value(images, 0.05 / 3))
            assert delta["p"] == pytest.approx(anytime_p(z, images, 0.05 / 3))
            assert delta["p"] <= delta["p_holm"] <= 2 * delta["p"]


def test_a_stopped_run_gives_the_metrics_of_its_images_alone(stopped: Path) -> None:
    from sgz_bench.tasks.detection.metrics import evaluate

    truth = json.loads((stopped / "truth.json").read_text())
    for row in rows_of(stopped):
        predictions = json.loads((stopped / "cells" / row["key"] / "predictions.json").read_text())
        assert {each["image_id"] for each in predictions} <= {image["id"] for image in truth["images"]}
        assert evaluate(truth, predictions).metrics == row["metrics"]
    assert len(truth["images"]) == rows_of(stopped)[0]["images"]


def test_its_data_have_another_fingerprint_and_its_cells_the_same_keys(stopped: Path, whole: Path) -> None:
    some, every = rows_of(stopped), rows_of(whole)
    assert [row["key"] for row in some] == [row["key"] for row in every]
    assert some[0]["dataset_fingerprint"] != every[0]["dataset_fingerprint"]
    assert "until" not in every[0]


@pytest.mark.slow
def test_the_full_set_after_until_has_the_bytes_of_a_run_without(stopped: Path, whole: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(stopped, tmp_path / "run"))
    (run / "said").unlink()
    predicted: list[int] = []

    class Counting(Progress):
        def images(self, study: str, done: int, total: int, failed: int = 0) -> None:
            del study, total, failed
            predicted.append(done)

    run_plan(study(), run, device="cpu", progress=Counting())
    assert predicted[0] == rows_of(stopped)[0]["images"]  # these are not predicted again
    after, before = files(run), files(whole)
    unused = {name for name in after if name.startswith("gallery/")} - set(before)  # pictures of the stopped run
    assert {name: after[name] for name in after if name not in unused} == before


@pytest.mark.slow
def test_a_run_that_is_killed_and_repeated_ends_with_the_same_bytes(stopped: Path, tmp_path: Path) -> None:
    class Killed(Progress):
        calls = 0

        def images(self, study: str, done: int, total: int, failed: int = 0) -> None:
            del study, done, total, failed
            self.calls += 1
            if self.calls == 3:
                raise KeyboardInterrupt

    run, plan = tmp_path / "run", study(100.0)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run_plan(plan, run, device="cpu", progress=Killed())
    run_plan(plan, run, device="cpu")
    expected = files(stopped)
    del expected["said"]
    assert files(run) == expected


@pytest.mark.slow
def test_rows_that_images_do_not_decide_use_all_of_them(tmp_path: Path) -> None:
    looks: list[int] = []

    def executor(jobs: Sequence[Job], device: str, progress: Progress) -> None:
        looks.append(len(jobs[0].samples))
        predict(jobs, device, progress)

    said: list[str] = []
    plan = study(0.001, enhancers=("raw", "gamma(gamma=0.95)"))
    rows = run_plan(plan, tmp_path / "run", device="cpu", executor=executor, say=said.append)
    assert looks == [4, 8, 12]
    assert not rows[1].partial
    assert rows[1].until is not None
    assert not rows[1].until["decided"]
    assert rows[1].dataset_fingerprint == plan.dataset_fingerprint
    assert f"all {FRAMES} images are used, and not every row is decided" in "\n".join(said)


def test_the_order_depends_on_the_seed_alone(tmp_path: Path) -> None:
    orders = []
    for seed in (0, 0, 1):
        job = sequential.RunJob(study(1.0, seed=seed), tmp_path / "run")
        orders.append([sample.id for sample in sequential.Sampling(job).seen])
        assert orders[-1] == sorted(orders[-1])
    assert orders[0] == orders[1] != orders[2]


def test_a_set_smaller_than_one_look_is_used_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequential, "LOOK", 100)
    job, said, looks = sequential.RunJob(study(1.0), tmp_path / "run"), list[str](), list[int]()

    def executor(jobs: Sequence[Job], device: str, progress: Progress) -> None:
        del device, progress
        looks.append(len(jobs[0].samples))

    assert sequential.predict_in_looks([job], executor, "cpu", Progress(), said.append) == {}  # no bounds, no marks
    assert looks == [FRAMES]
    assert said == ["note: --until looks every 100 images; run has 12 images, so all are used"]


@pytest.mark.slow
def test_segmentation_stops_too(tmp_path: Path) -> None:
    plan = study(
        100.0, task="segmentation", model="nightscene-fpn", enhancers=("raw", "gamma"), dataset="nightscene(frames=24)"
    )
    rows = run_plan(plan, tmp_path / "run", device="cpu")
    gamma = rows[-1]
    assert gamma.until is not None
    assert gamma.images == gamma.until["images"] < gamma.until["of"]
    assert gamma.delta["mIoU"]["low"] is not None


def test_raw_alone_is_nothing_to_decide() -> None:
    with pytest.raises(UserError, match="--until needs an enhancer to compare with raw"):
        study(1.0, enhancers=("raw",))
