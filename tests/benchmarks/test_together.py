"""Studies that show the same images are predicted together, and each ends as if it had run alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from sgz_bench.benchmarks.config import StudyConfig
from sgz_bench.benchmarks.executors import local as predicting
from sgz_bench.benchmarks.executors.job import RunJob
from sgz_bench.benchmarks.executors.local import predict
from sgz_bench.benchmarks.executors.progress import Progress
from sgz_bench.benchmarks.plan import Plan, make_plan
from sgz_bench.benchmarks.run import run_plan, run_plans
from sgz_bench.benchmarks.store import LOG, ImageLog
from sgz_bench.benchmarks.suite import together
from sgz_bench.core.errors import UserError
from sgz_bench.enhancer.classical.tone import Gamma
from sgz_bench.tasks.detection.types import Detections
from sgz_bench.tasks.types import Image

ENHANCERS = ("raw", "gamma", "he", "clahe")
DETS = {"few": 5, "many": 20}  # two models: the same weights with other settings see the same and say another thing
MakePlan = Callable[..., Plan]


@pytest.fixture(scope="module")
def plan(pictures: Path) -> MakePlan:
    def make(study: str, model: str = "nightscene-yolo(imgsz=64,conf=0.0001,{})", **more: Any) -> Plan:
        fields: dict[str, Any] = {"dataset": "yolo", "root": pictures, "split": "val"}
        fields["model"] = model.format(f"max_det={DETS[study]}")
        fields |= {"enhancers": ENHANCERS, "replicates": 100, "permutations": 100}
        return make_plan(StudyConfig(**fields | more), "cpu")

    return make


def content(run: Path) -> dict[str, bytes]:
    """Every file of a run but the measured times."""
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name != "costs.json"
    }


@pytest.fixture(scope="module")
def alone(plan: MakePlan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """What each study writes when it runs by itself."""
    folder = tmp_path_factory.mktemp("alone")
    for study in DETS:
        run_plan(plan(study), folder / study, device="cpu")
    return {study: content(folder / study) for study in DETS}


def test_two_studies_together_write_the_bytes_that_each_writes_alone(
    plan: MakePlan, alone: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    rows = run_plans([(plan(study), tmp_path / study) for study in DETS], device="cpu")
    assert [len(each) for each in rows if not isinstance(each, UserError)] == [4, 4]
    for study, wanted in alone.items():
        assert len(wanted) > 20
        assert content(tmp_path / study) == wanted
    assert alone["few"]["results.jsonl"] != alone["many"]["results.jsonl"]


def test_studies_that_are_interrupted_together_go_on_and_end_with_the_same_bytes(
    plan: MakePlan, alone: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    class Interrupt(Progress):
        def images(self, study: str, done: int, *_: int) -> None:
            if study == "many" and done == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_plans([(plan(study), tmp_path / study) for study in DETS], device="cpu", progress=Interrupt())
    kept = {study: {path: path.read_bytes() for path in (tmp_path / study).rglob(LOG)} for study in DETS}
    assert [log.count(b"\n") for logs in kept.values() for log in logs.values()] == [3] * 8
    run_plan(plan("few"), tmp_path / "few", device="cpu")  # one goes on by itself, the other with a finished one
    run_plans([(plan(study), tmp_path / study) for study in DETS], device="cpu")
    for study, wanted in alone.items():
        assert content(tmp_path / study) == wanted
        assert all(path.read_bytes().startswith(before) for path, before in kept[study].items())


def test_a_study_that_cannot_be_written_does_not_touch_the_other(
    plan: MakePlan, alone: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    (tmp_path / "few").write_text("in the way")
    few, many = run_plans([(plan(study), tmp_path / study) for study in DETS], device="cpu")
    assert isinstance(few, UserError)
    assert not isinstance(many, UserError)
    assert content(tmp_path / "many") == alone["many"]


def test_a_disk_that_is_full_for_one_study_does_not_touch_the_other(
    plan: MakePlan, alone: dict[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def append_while_there_is_room(log: ImageLog, image_id: int, line: bytes) -> None:
        if "few" in str(log._path) and image_id == 4:
            raise UserError("no space left")
        append(log, image_id, line)

    append = ImageLog.append
    monkeypatch.setattr(ImageLog, "append", append_while_there_is_room)
    few, many = run_plans([(plan(study), tmp_path / study) for study in DETS], device="cpu")
    assert str(few) == "no space left"
    assert not isinstance(many, UserError)
    assert content(tmp_path / "many") == alone["many"]
    monkeypatch.setattr(ImageLog, "append", append)
    run_plan(plan("few"), tmp_path / "few", device="cpu")
    assert content(tmp_path / "few") == alone["few"]


def test_studies_of_other_images_run_at_once_too(
    plan: MakePlan, alone: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    few, many = run_plans([(plan("few", limit=3), tmp_path / "few"), (plan("many"), tmp_path / "many")], device="cpu")
    assert not isinstance(few, UserError)
    assert {row.images for row in few} == {3}
    assert not isinstance(many, UserError)
    assert content(tmp_path / "many") == alone["many"]


def test_an_image_is_decoded_once_and_enhanced_once_for_all_models(
    plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            calls[name] += 1
            return call(*arguments)

        return counted

    calls: Counter[str] = Counter()
    monkeypatch.setattr(predicting, "read_image", count("decode", predicting.read_image))
    monkeypatch.setattr(Gamma, "enhance", count("enhance", Gamma.enhance))
    specs = ("gamma", "gamma(gamma=0.5)")  # of one class
    jobs = [RunJob(plan(study, enhancers=specs), tmp_path / study) for study in ("few", "many")]
    for job in jobs:
        job.open()
    predict(jobs, "cpu", Progress())
    assert calls == {"decode": 8, "enhance": 2 * 8}


def test_enhancing_a_picture_ahead_changes_no_byte(
    plan: MakePlan, alone: dict[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predicting, "_overlaps", lambda _device: True)  # as on a GPU
    run_plans([(plan(study), tmp_path / study) for study in DETS], device="cpu")
    for study, wanted in alone.items():
        assert content(tmp_path / study) == wanted


def test_a_model_that_takes_batches_gets_images_of_one_size(
    plan: MakePlan, small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("picture_1.png", "picture_4.png", "picture_7.png"):
        path = small_set / "images" / "val" / name
        with PIL.Image.open(path) as image:
            turned = image.transpose(PIL.Image.Transpose.ROTATE_90)
        turned.save(path)
    made = plan("few", "ssdlite320_mobilenet_v3_large(weights=random,conf=0.01,{})", root=small_set)
    run_plan(made, tmp_path / "one", device="cpu")
    batches = []
    model = made.cells[0].model
    predict_alone = type(model).predict

    def predict_batch(images: Sequence[Image]) -> list[Detections]:
        batches.append([image.shape[:2] for image in images])
        return predict_alone(model, images)

    monkeypatch.setattr(model, "batch", 2)
    monkeypatch.setattr(model, "predict", predict_batch)
    run_plan(made, tmp_path / "two", device="cpu")
    sizes = [len(shapes) for shapes in batches[:20:4]]  # of one of the four rows; costs are measured after them
    assert sizes == [2, 2, 2, 1, 1]  # five of one size, three of the other
    assert all(len(set(shapes)) == 1 for shapes in batches)
    one, two = content(tmp_path / "one"), content(tmp_path / "two")
    logs = {path for path in one if path.endswith(LOG)}
    assert {path: sorted(one.pop(path).splitlines()) for path in logs} == {
        path: sorted(two.pop(path).splitlines()) for path in logs
    }
    assert one == two


def test_images_that_find_no_others_of_their_size_do_not_fill_the_memory() -> None:
    waiting = 0

    def decode() -> Iterator[predicting.Decoded]:
        nonlocal waiting
        for place in range(100):
            waiting += 1
            assert waiting <= 4 * 3
            yield [], [({Path("a"): np.zeros((place + 1, 1, 3), dtype=np.uint8)}, None)]

    for batch in predicting._same_size(decode(), 3):
        waiting -= len(batch)
    assert waiting == 0


def test_an_enhancer_that_fails_fails_in_every_study_and_only_there(
    plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: Gamma, _image: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Gamma, "enhance", fail)
    for rows in run_plans([(plan(study), tmp_path / study) for study in DETS], device="cpu"):
        assert not isinstance(rows, UserError)
        assert [row.status for row in rows] == ["ok", "error", "ok", "ok"]
        assert rows[1].error == "picture_0: RuntimeError: out of memory"


def test_a_suite_puts_studies_together_that_show_the_same_images() -> None:
    studies = {
        "a": StudyConfig(dataset="yolo", model="one"),
        "b": StudyConfig(dataset="yolo", model="two", seed=3),
        "dark": StudyConfig(dataset="yolo", model="one", darken="ev=2"),
        "other noise": StudyConfig(dataset="yolo", model="one", darken="ev=2", seed=3),
        "c": StudyConfig(dataset="yolo", model="three"),
        "few": StudyConfig(dataset="yolo", model="one", limit=3),
    }
    assert [list(group) for group in together(studies)] == [["a", "b", "c"], ["dark"], ["other noise"], ["few"]]
