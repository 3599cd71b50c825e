"""Shipped files, on workers of this process that do not see the driver's disk."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

from sgz_bench.benchmarks.config import StudyConfig
from sgz_bench.benchmarks.executors import shipping
from sgz_bench.benchmarks.executors.messages import Outcome, Shard
from sgz_bench.benchmarks.executors.ray import RayExecutor
from sgz_bench.benchmarks.executors.settings import Execution
from sgz_bench.benchmarks.plan import make_plan
from sgz_bench.benchmarks.run import run_plans
from sgz_bench.core.scratch import scratch_folder

from .conftest import NodeWorker, Run, content, detection, segmentation
from .fakes import Heard


class Elsewhere(NodeWorker):
    """Worker that sees none of the driver's files, because its working folder and its disk are others."""

    hidden: Path

    def _with_other_disk(self, call: Callable[..., Any], argument: object) -> Any:
        before = Path.cwd()
        away = self.hidden.with_name("away")
        self.hidden.rename(away)
        os.chdir("/")
        try:
            return call(argument)
        finally:
            away.rename(self.hidden)
            os.chdir(before)

    def prepare(self, studies: Any) -> str:
        return str(self._with_other_disk(super().prepare, studies))

    def run(self, shard: Shard) -> Outcome:
        outcome: Outcome = self._with_other_disk(super().run, shard)
        return outcome


@pytest.fixture
def disk(tmp_path: Path, sets: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The driver's working folder, with a copy of the sets, that workers do not see; scratch files have their own."""
    root = tmp_path / "disk"
    shutil.copytree(sets, root / "sets")
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    monkeypatch.setattr(Elsewhere, "hidden", root, raising=False)
    monkeypatch.setattr(Elsewhere, "folder", str(root))
    monkeypatch.chdir(root)
    return root


ENHANCER = '''
from sgz_bench.enhancer.base import Enhancer

class Half(Enhancer):
    """Halve the brightness."""

    name = "half"

    def __init__(self, boom: bool = False):
        super().__init__(boom=boom)
        self.boom = boom

    def enhance(self, image):
        if self.boom:
            raise RuntimeError(f"{__file__} fails")
        return image / 2
'''


@pytest.fixture
def own_files(disk: Path) -> dict[str, StudyConfig]:
    """Studies whose models, weights, class and enhanced images are files named by relative paths."""
    (disk / "half.py").write_text(ENHANCER)
    (disk / "models").mkdir()
    weights = files("sgz_bench.tasks.nightscene") / "weights"
    for name in ("nightscene-yolo", "nightscene-fpn"):
        for suffix in ("yaml", "safetensors"):
            (disk / "models" / f"{name}.{suffix}").write_bytes((weights / f"{name}.{suffix}").read_bytes())
    own = files("sgz_bench.enhancer") / "weights" / "zero-dce-pp-ours.safetensors"
    (disk / "dce.safetensors").write_bytes(own.read_bytes())
    for path in (disk / "sets").glob("boxes/images/val/*.png"):
        (disk / "lit").mkdir(exist_ok=True)
        with Image.open(path) as image:
            ImageOps.autocontrast(image).save(disk / "lit" / path.name)
    (disk / "raw").mkdir()  # named as an enhancer; not to be sent
    enhancers = ("raw", "half.py:Half", "zero-dce-pp(weights=dce.safetensors)")
    yolo = "ultralytics:models/nightscene-yolo.safetensors(imgsz=64,conf=0.0001,max_det=20)"
    here = Path("sets")
    return {
        "boxes": detection(here, model=yolo, enhancers=(*enhancers, "folder:lit")),
        "maps": segmentation(here, model="smp:../disk/models/nightscene-fpn.safetensors", enhancers=enhancers),
    }


@pytest.mark.slow
def test_shipped_files_give_the_same_bytes_where_no_disk_is_shared(
    run: Run, own_files: dict[str, StudyConfig], tmp_path: Path, heard: Heard
) -> None:
    """Images, label maps, models, an enhancer's weights, a custom class and a folder of enhanced images are sent."""
    plans = [(make_plan(config, "cpu"), tmp_path / "local" / name) for name, config in own_files.items()]
    assert all(isinstance(rows, list) for rows in run_plans(plans, device="cpu"))
    run(own_files, "a", "b", kind=Elsewhere, ship=True)
    for name in own_files:
        assert content(tmp_path / name) == content(tmp_path / "local" / name)
    assert heard.lines == []
    assert list((tmp_path / "scratch").glob("sgz-bench*")) == []
    for name, config in own_files.items():
        (error,) = run({name: config}, "a", kind=Elsewhere, out=tmp_path / "alone")
        assert str(error).startswith("no worker can run the study: node machine-a is refused: ")


def test_twins_are_shipped_and_messages_have_the_original_paths(
    join: Callable[..., None], disk: Path, tmp_path: Path, heard: Heard
) -> None:
    (disk / "half.py").write_text(ENHANCER)
    broken = disk / "sets" / "boxes" / "images" / "val" / "picture_3.png"
    config = detection(Path("sets"), enhancers=("raw", "half.py:Half(boom=true)"), darken="ev=2")
    plan = make_plan(config, "cpu")
    broken.write_bytes(broken.read_bytes()[:200])  # damaged after the study was planned
    (wanted,) = run_plans([(plan, tmp_path / "local")], device="cpu")

    join("a")
    with RayExecutor(Execution(executor="ray", ship=True), "cpu", Elsewhere) as executor:
        (rows,) = run_plans([(plan, tmp_path / "run")], device="cpu", executor=executor.predict, progress=heard)
    assert isinstance(rows, list)
    assert [replace(row, error=None) for row in rows] == [replace(row, error=None) for row in wanted]
    assert "sets/boxes/images/val/picture_3.png" in rows[0].skipped[0]["reason"]
    assert "scratch" not in (tmp_path / "run" / "results.jsonl").read_text()
    assert rows[2].error == "picture_0: RuntimeError: half.py fails"


@pytest.mark.slow
def test_finetuned_models_are_shipped(run: Run, disk: Path, tmp_path: Path) -> None:
    weights = (files("sgz_bench.tasks.nightscene") / "weights" / "nightscene-yolo.safetensors").read_bytes()
    plan = make_plan(detection(Path("sets"), enhancers=("raw", "gamma")), "cpu")
    entries = []
    for cell in plan.cells:
        path = disk / "tuned" / cell.label.partition("(")[0] / "model.safetensors"
        path.parent.mkdir(parents=True)
        path.write_bytes(weights)
        description = (files("sgz_bench.tasks.nightscene") / "weights" / "nightscene-yolo.yaml").read_bytes()
        path.with_suffix(".yaml").write_bytes(description)
        entry = {"enhancer": cell.label, "enhancer_fingerprint": cell.view.enhancer.fingerprint, "seed": 0}
        model = f"ultralytics:{path.relative_to(disk / 'tuned')}"
        entries.append(entry | {"model": model, "sha256": hashlib.sha256(weights).hexdigest()})
    (disk / "tuned" / "finetuned.json").write_text(json.dumps({"task": "detection", "images": [], "models": entries}))
    config = detection(Path("sets"), model="tuned", enhancers=("raw", "gamma"))
    (wanted,) = run_plans([(make_plan(config, "cpu"), tmp_path / "local" / "boxes")], device="cpu")
    assert isinstance(wanted, list)
    run({"boxes": config}, "a", kind=Elsewhere, ship=True)
    assert content(tmp_path / "boxes") == content(tmp_path / "local" / "boxes")


def test_files_that_cannot_be_sent_end_their_study_alone(
    run: Run, disk: Path, local: dict[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (disk / "half.py").write_text(ENHANCER)
    monkeypatch.setattr(shipping, "_MOST", 10)
    configs = {"boxes": detection(Path("sets"), enhancers=("raw", "half.py:Half")), "maps": segmentation(Path("sets"))}
    error, _ = run(configs, "a", kind=Elsewhere, ship=True)
    assert str(error).endswith("too many for --ship; share a disk among the nodes")
    assert (tmp_path / "maps" / "results.jsonl").read_bytes() == local["maps"]["results.jsonl"]


@pytest.mark.usefixtures("disk")
def test_a_scratch_folder_that_cannot_be_written_refuses_its_node(
    run: Run, tmp_path: Path, local: dict[str, dict[str, bytes]], heard: Heard
) -> None:
    class Full(Elsewhere):
        def _with_other_disk(self, call: Callable[..., Any], argument: object) -> Any:
            with pytest.MonkeyPatch.context() as patch:
                if self.node == "full":
                    patch.setattr(Path, "write_bytes", no_space)
                return super()._with_other_disk(call, argument)

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    run({"boxes": detection(Path("sets"))}, "full", "good", kind=Full, ship=True)
    assert (tmp_path / "boxes" / "results.jsonl").read_bytes() == local["boxes"]["results.jsonl"]
    (line,) = heard.lines
    assert line.startswith("node machine-full is refused: shipped files cannot be written to ")
    assert line.endswith(" (No space left on device)")


WORDS = ("mine.py", "home.pt", "classes.txt", "lab", "gamma")  # the last two only look like the words of a spec
MODELS = {
    "smp:smp/model.safetensors": ["smp/model.safetensors", "smp/model.yaml"],  # a folder named as the family
    "exported": ["exported/model.bin", "exported/model.xml"],  # a folder of OpenVINO
    "ultralytics:exported": ["exported/model.bin", "exported/model.xml"],
    "exported/model.xml(names=classes.txt)": ["exported/model.bin", "exported/model.xml", "classes.txt"],
    "{here}/exported/model.xml": ["{here}/exported/model.bin", "{here}/exported/model.xml"],
    "~/home.pt": ["{here}/home.pt"],
    "mine.py:Model(depth=lab)": ["mine.py"],
    "package.module:lab": [],
    "nightscene-yolo": [],
}


@pytest.mark.parametrize("model", MODELS)
def test_the_files_that_a_model_names_are_found_and_renamed(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (*["smp/model.safetensors", "smp/model.yaml", "exported/model.xml", "exported/model.bin"], *WORDS):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    model = model.format(here=tmp_path)
    config = StudyConfig(dataset="yolo", model=model, enhancers=("raw", "gamma", "clahe"))
    package = shipping.pack(config)
    wanted = {name.format(here=tmp_path) for name in MODELS[model.replace(str(tmp_path), "{here}")]}
    assert set(package.contents) == wanted
    copies = shipping.Copies(package.contents, tmp_path / "scratch", str(tmp_path))
    renamed = shipping.moved(config, package.names, copies)
    assert renamed.enhancers == config.enhancers
    for name in package.names.values():
        copy = tmp_path / "scratch" / str(tmp_path / name).lstrip("/")
        assert copy.exists()
        assert str(copy) in renamed.model
        assert copies.original(f"{copy} is damaged") == f"{name} is damaged"
    assert package.names or renamed.model == model


def test_copies_stay_below_their_folder(tmp_path: Path) -> None:
    shipping.Copies({"../../../../../up.png": b"", "/top.png": b"", "here.png": None}, tmp_path / "copies", "/a/b")
    found = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(found) == ["copies/top.png", "copies/up.png"]


def test_scratch_folders_of_killed_workers_are_removed_and_those_of_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed = tmp_path / "sgz-bench-worker-killed"
    killed.mkdir()
    (killed / ".lock").touch()
    os.utime(killed / ".lock", (0, 0))
    with scratch_folder("worker") as kept, scratch_folder("worker") as shard:
        assert {path for path in tmp_path.iterdir() if path.is_dir()} == {kept, shard}
    assert list(tmp_path.iterdir()) == []
