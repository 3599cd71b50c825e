"""Finetuning on Ray: same bytes as local, whichever process dies, and one line for every refusal."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sgz_bench.benchmarks.executors.cluster import Cluster
from sgz_bench.benchmarks.executors.messages import Host
from sgz_bench.benchmarks.executors.progress import Progress
from sgz_bench.benchmarks.executors.settings import Execution
from sgz_bench.benchmarks.executors.training_worker import Answer, DriverGoneError, State, TrainingStudy, TrainingWorker
from sgz_bench.benchmarks.executors.trainings import RayTrainings, _marked, _Trainings
from sgz_bench.benchmarks.finetuning.loop import FinetuneConfig, finetune
from sgz_bench.benchmarks.finetuning.preparation import Callbacks, ModelJob, ModelResult, Preparation
from sgz_bench.benchmarks.finetuning.store import MARK, remove_marks
from sgz_bench.core.errors import UserError
from sgz_bench.tasks.training import TrainedModel
from sgz_bench.tasks.types import Problem

MODEL = (
    "smp:fpn(encoder=tu-tf_mobilenetv3_small_minimal_100,decoder_pyramid_channels=32,decoder_segmentation_channels=32)"
)
SETTINGS = {"height": "32", "width": "64", "batch": "2", "epochs": "3"}  # two steps per epoch

# A driver with workers that write checkpoints after every epoch. The first one that has trained two epochs of raw, seed
# 0, dies; once this model is finished all the same, the first one that has trained two epochs of gamma, seed 1, kills
# the driver.
SCRIPT = """
import json, os, signal, sys, time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from sgz_bench.benchmarks.executors.progress import Progress
from sgz_bench.benchmarks.executors.settings import Execution
from sgz_bench.benchmarks.executors.training_worker import TrainingWorker
from sgz_bench.benchmarks.executors.trainings import RayTrainings
from sgz_bench.benchmarks.finetuning.loop import FinetuneConfig, finetune
from sgz_bench.tasks import training_state

config, out, driver = FinetuneConfig.model_validate_json(sys.argv[1]), Path(sys.argv[2]), os.getpid()

class Dying(TrainingWorker):
    def __init__(self, *args):
        super().__init__(*args)
        training_state.EVERY = training_state._SHARE = 0

    @contextmanager
    def _bar(self, title):
        with super()._bar(title) as update:
            def step(done, total):
                update(done, total)
                for name, victim in (("raw: seed 0", os.getpid()), ("gamma(gamma=0.45): seed 1", driver)):
                    dead = out.with_name(f"dead {name}")
                    if title == name and done == 10 and not dead.exists():
                        dead.touch()
                        while victim == driver and not (out / "raw-seed0" / "entry.json").exists():
                            time.sleep(0.1)
                        os.kill(victim, signal.SIGKILL)
                        time.sleep(60)  # until Ray ends this worker of a dead driver
            yield step

class Told(Progress):
    def say(self, line):
        print("said:", line, flush=True)

if __name__ == "__main__":
    trainings = RayTrainings(Execution(executor="ray", workers=2), "cpu", Told(), Dying)
    bar = lambda title: nullcontext(lambda done, total: None)
    for model in finetune(config, out, "cpu", bar, print, lambda line: print("said:", line, flush=True), trainings):
        print(json.dumps([model.enhancer, model.seed, model.loss is not None, model.failure]), flush=True)
"""


def _config(root: Path, **changes: object) -> FinetuneConfig:
    usual = {"task": "segmentation", "dataset": "camvid", "root": root, "enhancers": ("raw", "gamma"), "seeds": (0, 1)}
    return FinetuneConfig.model_validate(usual | {"model": MODEL, "settings": SETTINGS} | changes)


def _bytes(folder: Path) -> dict[str, bytes]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def _locally(config: FinetuneConfig, out: Path) -> None:
    list(finetune(config, out, "cpu", lambda _: nullcontext(lambda _done, _total: None), print))


@pytest.mark.slow
def test_workers_and_the_driver_may_be_killed(tmp_path: Path, camvid_folder: Path) -> None:
    pytest.importorskip("ray")
    config, out = _config(camvid_folder), tmp_path / "ray"
    command = [sys.executable, "-c", SCRIPT, config.model_dump_json(), str(out)]
    killed = subprocess.run(command, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "raw, seed 0 goes to another worker and resumes" in killed.stdout
    assert "note: gamma(gamma=0.45), seed 1: resumes after step 4 of 6" in again.stdout
    _locally(config, tmp_path / "local")
    assert _bytes(out) == _bytes(tmp_path / "local")


class _Fake:
    """Ray in one thread: a task is a callable that ``get`` calls; an error that it raises is that of the task."""

    class exceptions:  # noqa: N801 - as in Ray
        class RayError(Exception):
            pass

        class RayTaskError(RayError):
            cause: Exception

        class LocalRayletDiedError(RayError):
            pass

        class ActorDiedError(RayError):
            pass

        class ObjectLostError(RayError):
            pass

        class ActorUnavailableError(RayError):
            pass

    def __init__(self, refused: int = 0, dies: dict[tuple[str, int], int] | None = None) -> None:
        self.refused, self.dies = refused, dies or {}
        self.asked: list[tuple[int, tuple[str, int]]] = []  # number of the actor, and model
        self.options: list[dict[str, Any]] = []
        self.made = 0

    def remote(self, _kind: type) -> Any:
        return SimpleNamespace(options=self._chosen)

    def _chosen(self, **options: Any) -> Any:
        self.options.append(options)
        return SimpleNamespace(remote=self._actor)

    def _actor(self, *_args: Any) -> Any:
        self.made += 1
        number = self.made
        return SimpleNamespace(
            host=_method(lambda: Host("node", f"node {number}", "a CPU")),
            prepare=_method(lambda _study: "no data" if number <= self.refused else ""),
            train=_method(lambda job, mark: self._train(number, job, mark)),
            state=_method(lambda: State(("c", 0), "c: seed 0", 1, 2, ("note: of another model",))),
        )

    def _train(self, number: int, job: ModelJob, mark: Path) -> Answer:
        assert mark.exists()
        self.asked.append((number, job.key))
        if self.dies.get(job.key, 0) > 0:
            self.dies[job.key] -= 1
            raise self.exceptions.ActorDiedError("it was killed")
        if job.seed == 8:
            error = self.exceptions.RayTaskError()
            error.cause = RuntimeError("CUDA error: an illegal memory access")
            raise error
        if job.seed == 9:
            return Answer(None, "the loss is nan", (), ())
        problem = Problem("street_1", "it cannot be read", lost=True)
        trained = TrainedModel(job.folder / "model.safetensors", 0.5, (0, 1))
        return Answer(ModelResult({"seed": job.seed}, trained, 3, 1.0), "", ("note: it resumes",), (problem,))

    def nodes(self) -> list[dict[str, Any]]:
        return [{"NodeID": "node", "Alive": True}]

    def kill(self, actor: Any) -> None:
        pass

    def wait(self, tasks: list[Any], timeout: float, num_returns: int = 1) -> tuple[list[Any], list[Any]]:
        del timeout, num_returns
        oldest, *others = sorted(tasks, key=lambda task: task.number)
        return [oldest], others

    def get(self, task: Any) -> Any:
        return task()


_ORDER = count()


def _method(work: Any) -> Any:
    def remote(*args: Any) -> Any:
        def task() -> Any:
            return work(*args)

        task.number = next(_ORDER)  # type: ignore[attr-defined]
        return task

    return SimpleNamespace(remote=remote)


class _Told(Progress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def _on_fake(
    fake: _Fake, jobs: list[ModelJob], **share: Any
) -> tuple[dict[tuple[str, int], Any], list[str], list[str]]:
    """Return the result of each model, events, and reported problems and notes."""
    told, heard = _Told(), list[str]()
    executor = RayTrainings(Execution(executor="ray"), "cpu", told)
    callbacks = Callbacks(
        lambda _: nullcontext(lambda _done, _total: None), lambda problem: heard.append(str(problem)), heard.append
    )
    cluster = Cluster(**({"ray": fake, "workers": 2, "threads": 1, "gpus": 0.0} | share))
    out = jobs[0].folder.parent
    trainings = _Trainings(executor, cluster, None, jobs, out, callbacks)
    results = list(trainings.run())
    trainings.dismiss()
    assert len(results) == len({job.key for job, _ in results})
    assert not list(out.glob(f"{MARK}*"))
    return {job.key: result for job, result in results}, told.lines, heard


def _jobs(tmp_path: Path, *seeds: int) -> list[ModelJob]:
    return [ModelJob(enhancer, seed, tmp_path / f"{enhancer}-seed{seed}") for enhancer in "ab" for seed in seeds]


def test_a_worker_keeps_to_the_enhancer_whose_images_it_has(tmp_path: Path) -> None:
    fake = _Fake()
    results, told, heard = _on_fake(fake, _jobs(tmp_path, 0, 1, 2))
    assert set(results) == {(label, seed) for label in "ab" for seed in (0, 1, 2)}
    assert all(
        result.trained.path == tmp_path / f"{label}-seed{seed}" / "model.safetensors"
        for (label, seed), result in results.items()
    )
    assert {(number, key[0]) for number, key in fake.asked} == {(1, "a"), (2, "b")}
    assert told == []
    assert heard.count("street_1: it cannot be read") == 1
    assert heard.count("note: it resumes") == 6
    assert "note: of another model" not in heard


def test_a_model_is_given_up_after_three_retries_and_the_others_go_on(tmp_path: Path) -> None:
    results, told, _ = _on_fake(_Fake(dies={("a", 0): 4, ("b", 1): 3}), _jobs(tmp_path, 0, 1))
    errors = {key: str(result) for key, result in results.items() if isinstance(result, UserError)}
    assert len(results) == 4
    assert errors == {("a", 0): "its worker was lost 4 times (out of memory, a crash in a native library, or killed)"}
    assert sum("a, seed 0 goes to another worker and resumes" in line for line in told) == 3
    assert sum("a, seed 0 is given up" in line for line in told) == 1
    assert sum("b, seed 1 goes to another worker and resumes" in line for line in told) == 3


def test_a_model_that_cannot_be_trained_is_named_and_not_repeated(tmp_path: Path) -> None:
    fake = _Fake()
    results, _, _ = _on_fake(fake, _jobs(tmp_path, 0, 9))
    errors = {key: str(result) for key, result in results.items() if isinstance(result, UserError)}
    assert errors == {("a", 9): "the loss is nan", ("b", 9): "the loss is nan"}
    assert len(results) == len(fake.asked) == 4


def test_a_worker_that_fails_is_replaced_as_its_device_may_be_unusable(tmp_path: Path) -> None:
    fake = _Fake()
    results, told, _ = _on_fake(fake, _jobs(tmp_path, 8)[:1])
    assert str(results["a", 8]) == "its worker was lost 4 times (RuntimeError: CUDA error: an illegal memory access)"
    assert [number for number, _ in fake.asked] == [1, 2, 3, 4]
    assert "worker 1 on node 1 failed (RuntimeError: CUDA error" in told[0]


def test_a_refused_node_is_named_and_without_any_other_the_command_ends(tmp_path: Path) -> None:
    results, told, _ = _on_fake(_Fake(refused=1), _jobs(tmp_path, 0))
    assert len(results) == 2
    assert told == ["node node 1 is refused: no data"]
    with pytest.raises(UserError, match="no worker can train: node node 1 is refused: no data; node node 2 is refused"):
        _on_fake(_Fake(refused=2), _jobs(tmp_path, 0))


def test_workers_have_their_share_of_gpus_and_are_no_more_than_the_models(tmp_path: Path) -> None:
    fake = _Fake()
    _on_fake(fake, _jobs(tmp_path, 0), workers=8, gpus=0.5)
    assert [(each["num_gpus"], each["max_restarts"]) for each in fake.options] == [(0.5, 0)] * 2


def test_a_worker_names_what_differs_on_its_node(tmp_path: Path, camvid_folder: Path) -> None:
    study = TrainingStudy.of(Preparation(_config(camvid_folder), "cpu"), tmp_path / "mark")
    worker = TrainingWorker(torch.get_num_threads(), "cpu", str(Path.cwd()), [])
    elsewhere = tmp_path / "elsewhere"
    assert worker.prepare(replace(study, mark=elsewhere / "mark")) == (
        f"it does not see {elsewhere} of the driver; choose an --out on a disk that all nodes share"
    )
    study.mark.touch()
    assert worker.prepare(study) == ""
    for changes, words in (
        ({"versions": dict(study.versions) | {"torch": "1.0"}}, "the version of torch is .* there and 1.0 here"),
        ({"index": dict(study.index) | {"dataset_fingerprint": "x"}}, "the images or labels of the data set differ"),
        ({"index": dict(study.index) | {"start": {"name": "x"}}}, "start is .* there and .* here; make them the same"),
        ({"fingerprints": {"raw": "x"}}, "the enhancer raw has other weights or code there"),
        ({"config": _config(tmp_path / "missing")}, "missing"),
    ):
        assert re.search(words, worker.prepare(replace(study, **changes)))


def test_a_worker_stops_once_its_driver_is_gone(
    tmp_path: Path, camvid_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a repeated command and a worker of the killed one do not write the same files."""
    for name in ("_CHECK", "_PATIENCE"):
        monkeypatch.setattr(f"sgz_bench.benchmarks.executors.training_worker.{name}", 0)
    worker = TrainingWorker(torch.get_num_threads(), "cpu", str(Path.cwd()), [])
    out = tmp_path / "out"
    out.mkdir()
    study = TrainingStudy.of(Preparation(_config(camvid_folder), "cpu"), out / ".running-old")
    study.mark.touch()
    assert worker.prepare(study) == ""
    remove_marks(out)
    with _marked(out) as new:
        assert list(out.iterdir()) == [new]
        with pytest.raises(DriverGoneError):
            worker.train(ModelJob("raw", 0, out / "raw-seed0"), study.mark)
    assert list(out.iterdir()) == []
