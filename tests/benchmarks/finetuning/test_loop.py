"""The loop over enhancers and seeds: what models see, and that a killed training goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sgz_bench.benchmarks.config import StudyConfig
from sgz_bench.benchmarks.finetuning.images import EnhancedImages
from sgz_bench.benchmarks.finetuning.index import FinetunedModels
from sgz_bench.benchmarks.finetuning.loop import FinetuneConfig, FinetunedModel, finetune
from sgz_bench.benchmarks.plan import make_plan
from sgz_bench.benchmarks.view import bright_view, enhanced_view
from sgz_bench.core.errors import UserError
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.darken import parse_darken
from sgz_bench.tasks.segmentation.datasets import load_dataset
from sgz_bench.tasks.training_state import CHECKPOINT
from sgz_bench.tasks.types import Problem

MODEL = (
    "smp:fpn(encoder=tu-tf_mobilenetv3_small_minimal_100,decoder_pyramid_channels=32,decoder_segmentation_channels=32)"
)
SETTINGS = {"height": "32", "width": "64", "batch": "2", "epochs": "1"}


@contextmanager
def _no_bar(_title: str) -> Iterator[Any]:
    yield lambda _done, _total: None


def _config(root: Path, **changes: Any) -> FinetuneConfig:
    usual: dict[str, Any] = {
        "task": "segmentation",
        "dataset": "camvid",
        "root": root,
        "enhancers": ("raw", "gamma"),
        "seeds": (0, 1),
        "model": MODEL,
        "settings": SETTINGS,
    }
    return FinetuneConfig(**(usual | changes))


def _run(config: FinetuneConfig, out: Path, problems: list[Problem] | None = None) -> Iterator[FinetunedModel]:
    return finetune(config, out, "cpu", _no_bar, (problems if problems is not None else []).append)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def test_a_killed_training_goes_on_and_ends_the_same(tmp_path: Path, camvid_folder: Path) -> None:
    whole = list(_run(_config(camvid_folder), tmp_path / "whole"))
    assert [(each.enhancer, each.seed) for each in whole] == [
        ("raw", 0), ("raw", 1), ("gamma(gamma=0.45)", 0), ("gamma(gamma=0.45)", 1),
    ]  # fmt: skip
    killed = _run(_config(camvid_folder), tmp_path / "killed")
    next(killed)
    next(killed)
    killed.close()
    index = json.loads((tmp_path / "killed" / "finetuned.json").read_text())
    assert len(index["models"]) == 2
    again = list(_run(_config(camvid_folder), tmp_path / "killed"))
    assert [each.loss is None for each in again] == [True, True, False, False]
    assert _bytes(tmp_path / "killed") == _bytes(tmp_path / "whole")


@pytest.mark.slow
def test_a_training_killed_in_the_middle_resumes_and_leaves_no_checkpoint(
    tmp_path: Path, camvid_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sgz_bench.tasks.training_state.EVERY", 0)
    monkeypatch.setattr("sgz_bench.tasks.training_state._SHARE", 0)
    config = _config(camvid_folder, enhancers=("raw",), settings=SETTINGS | {"epochs": "3"})
    out, notes = tmp_path / "out", []

    @contextmanager
    def killing(title: str) -> Iterator[Any]:
        def update(done: int, _total: int) -> None:
            if title == "raw: seed 1" and done == 10:  # images, four per epoch
                raise KeyboardInterrupt

        yield update

    with pytest.raises(KeyboardInterrupt):
        list(finetune(config, out, "cpu", killing, [].append, notes.append))
    checkpoint = out / "raw-seed1" / CHECKPOINT
    left = checkpoint.read_bytes()
    list(finetune(config, out, "cpu", _no_bar, [].append, notes.append))
    assert notes == ["note: raw, seed 1: resumes after step 4 of 6"]
    list(_run(config, tmp_path / "whole"))
    assert _bytes(out) == _bytes(tmp_path / "whole")
    assert "raw-seed1/log.csv" in _bytes(out)
    checkpoint.write_bytes(left)  # as a kill between the index and its removal leaves it
    list(_run(config, out))
    assert _bytes(out) == _bytes(tmp_path / "whole")


def test_a_model_that_is_finished_and_not_yet_in_the_index_is_not_trained_again(
    tmp_path: Path, camvid_folder: Path
) -> None:
    """As a kill between both files leaves it, or models that were finished before an earlier one."""
    out, config = tmp_path / "out", _config(camvid_folder)
    list(_run(config, out))
    whole = _bytes(out)
    index = json.loads(whole["finetuned.json"])
    del index["models"][0], index["models"][2]
    (out / "finetuned.json").write_text(json.dumps(index))
    assert [each.loss for each in _run(config, out)] == [None] * 4
    entries = json.loads((out / "finetuned.json").read_text())["models"]
    assert {(each["enhancer"], each["seed"]) for each in entries} == set(product(("raw", "gamma(gamma=0.45)"), (0, 1)))
    (out / "finetuned.json").unlink()
    (out / "raw-seed0" / "model.safetensors").write_bytes(b"damaged")
    assert sum(each.loss is not None for each in _run(config, out)) == 1
    (out / "gamma_gamma=0.45-seed1" / "entry.json").write_text("{")
    assert [each.loss for each in _run(config, out)] == [None] * 4


def test_models_that_were_finished_out_of_order_come_into_the_index_in_order(
    tmp_path: Path, camvid_folder: Path
) -> None:
    """As trainings on several workers leave them that end before the first model is finished."""
    out, config = tmp_path / "out", _config(camvid_folder)
    list(_run(config, out))
    whole = _bytes(out)
    (out / "finetuned.json").unlink()
    (out / ".running-old").touch()  # of a killed driver, whose workers look for it
    rmtree(out / "raw-seed0")
    trained = [(each.enhancer, each.seed) for each in _run(config, out) if each.loss is not None]
    assert trained == [("raw", 0)]
    assert _bytes(out) == whole


def test_engines_are_created_for_missing_models_only(
    tmp_path: Path, camvid_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sgz_bench.enhancer.runtime.choice import use_engine

    created: list[str] = []

    def counted(enhancer: Any, *args: Any) -> Any:
        created.append(enhancer.spec)
        return use_engine(enhancer, *args)

    monkeypatch.setattr("sgz_bench.benchmarks.finetuning.preparation.use_engine", counted)
    config = _config(camvid_folder, seeds=(0,))
    list(_run(config, tmp_path / "out"))
    assert created == ["raw", "gamma(gamma=0.45)"]
    list(_run(config.model_copy(update={"enhancers": ("gamma", "raw", "clahe")}), tmp_path / "out"))
    assert [spec.partition("(")[0] for spec in created[2:]] == ["clahe"]
    with pytest.raises(UserError, match="runs sgz and zero-dce-pp, not sci"):
        list(_run(_config(camvid_folder, enhancers=("raw", "sci(weights=ours)"), engine="fused"), tmp_path / "other"))
    assert len(created) == 3


def test_the_index_says_what_each_model_is(tmp_path: Path, camvid_folder: Path) -> None:
    list(_run(_config(camvid_folder, seeds=(4,), darken="ev=1"), tmp_path / "out"))
    index = json.loads((tmp_path / "out" / "finetuned.json").read_text())
    assert (index["task"], index["dataset"], index["split"]) == ("segmentation", "camvid", "train")
    assert index["darken"] == parse_darken("ev=1").spec
    assert index["recipe"]["batch"] == 2
    for entry, spec in zip(index["models"], ("raw", "gamma"), strict=True):
        enhancer = create_enhancer(spec)
        assert (entry["enhancer"], entry["enhancer_fingerprint"]) == (enhancer.spec, enhancer.fingerprint)
        family, _, path = entry["model"].partition(":")
        weights = tmp_path / "out" / path
        assert family == "smp"
        assert hashlib.sha256(weights.read_bytes()).hexdigest() == entry["sha256"]
        assert str(tmp_path) not in weights.with_suffix(".yaml").read_text()


def test_a_model_that_was_damaged_is_trained_anew(tmp_path: Path, camvid_folder: Path) -> None:
    config = _config(camvid_folder, enhancers=("raw",), seeds=(0,))
    first = next(iter(_run(config, tmp_path / "out")))
    content = first.file.read_bytes()
    first.file.write_bytes(content[:-10])
    again = next(iter(_run(config, tmp_path / "out")))
    assert again.loss is not None
    assert first.file.read_bytes() == content


def test_a_folder_of_another_study_is_refused(tmp_path: Path, camvid_folder: Path) -> None:
    config = _config(camvid_folder, enhancers=("raw",), seeds=(0,))
    list(_run(config, tmp_path / "out"))
    for changes, words in (
        ({"settings": SETTINGS | {"lr": "0.1"}}, "another recipe: lr 0.001, not 0.1"),
        ({"split": "test"}, "another split"),
        ({"darken": "ev=2"}, "another darken"),
        ({"limit": 2}, "another dataset_fingerprint"),
        ({"model": MODEL.replace("fpn", "unet").split("(")[0] + "(encoder=resnet18)"}, "another start"),
    ):
        with pytest.raises(UserError, match=words):
            list(_run(config.model_copy(update=changes), tmp_path / "out"))


def test_an_image_that_cannot_be_read_is_named_and_passed_over(tmp_path: Path, camvid_folder: Path) -> None:
    broken = camvid_folder / "train" / "street_1.png"
    broken.write_bytes(broken.read_bytes()[:200])
    problems: list[Problem] = []
    done = list(_run(_config(camvid_folder, enhancers=("raw",), seeds=(0,)), tmp_path / "out", problems))
    assert done[0].images == 3
    assert any("street_1" in str(problem) for problem in problems)


def test_a_model_learns_from_what_it_will_be_shown(camvid_folder: Path) -> None:
    """The 8-bit boundary: the same pixels as those of a darkened, enhanced image saved as PNG."""
    from sgz_bench.core.images import to_tensor, to_uint8

    dataset = load_dataset("camvid", camvid_folder, "train")
    darken = parse_darken("ev=2")
    view = enhanced_view("gamma", darken, "cpu", "auto", "fp32")
    images = EnhancedImages(dataset.samples, view, lambda sample: sample.key, "cpu", lambda *_: None)
    for sample, (image, key) in zip(dataset.samples, images, strict=True):
        stored = np.array(Image.open(sample.path).convert("RGB"))
        expected = to_uint8(create_enhancer("gamma")(to_tensor(darken(stored, sample.key))))
        np.testing.assert_array_equal(image, expected)
        assert key == sample.key


def test_images_that_do_not_fit_in_memory_are_made_anew(camvid_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = load_dataset("camvid", camvid_folder, "train")
    view = enhanced_view("gamma", None, "cpu", "auto", "fp32")

    def images() -> list[bytes]:
        return [
            image.tobytes() for image, _ in EnhancedImages(dataset.samples, view, lambda _: 0, "cpu", lambda *_: None)
        ]

    kept = images()
    monkeypatch.setattr("sgz_bench.benchmarks.finetuning.images.MEMORY", 3 * 48 * 64 * 3)
    assert images() == kept


def test_bright_is_the_undarkened_image_and_needs_one(tmp_path: Path, camvid_folder: Path) -> None:
    dataset = load_dataset("camvid", camvid_folder, "train")
    assert bright_view(dataset, None) is None
    with pytest.raises(UserError, match="no well-lit"):
        list(_run(_config(camvid_folder, enhancers=("bright",)), tmp_path / "out"))
    view = bright_view(dataset, parse_darken("ev=3"))
    assert view is not None
    stored = np.array(Image.open(dataset.samples[0].path).convert("RGB"))
    np.testing.assert_array_equal(view.read(dataset.samples[0], "cpu"), stored)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"lrr": "1"}, "did you mean 'lr'"), ({"lr": "fast"}, "--set lr: .* got 'fast'"), ({"scale": "2,1"}, "LOW,HIGH")],
)
def test_a_strange_setting_is_named(tmp_path: Path, camvid_folder: Path, settings: dict[str, str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        list(_run(_config(camvid_folder, settings=settings), tmp_path / "out"))
    assert not (tmp_path / "out" / "finetuned.json").exists()


def test_the_index_records_the_engine_of_each_enhancer(tmp_path: Path, camvid_folder: Path) -> None:
    config = _config(camvid_folder, enhancers=("raw", "sgz"), seeds=(0,), engine="eager")
    list(_run(config, tmp_path / "out"))
    index = json.loads((tmp_path / "out" / "finetuned.json").read_text())
    assert [entry["engine"] for entry in index["models"]] == ["", "eager fp32"]


def test_a_folder_of_models_of_another_engine_is_refused(tmp_path: Path, camvid_folder: Path) -> None:
    config = _config(camvid_folder, enhancers=("sgz",), seeds=(0,), engine="eager")
    list(_run(config, tmp_path / "out"))
    with pytest.raises(UserError, match="through the engine eager fp32, not torch fp32"):
        list(_run(config.model_copy(update={"engine": "torch"}), tmp_path / "out"))


def test_a_model_is_trained_and_tested_through_the_same_engine(tmp_path: Path, camvid_folder: Path) -> None:
    """Training pixels are the test's pixels, and a study with another engine is refused."""
    out = tmp_path / "out"
    list(_run(_config(camvid_folder, enhancers=("raw", "sgz"), seeds=(0,), engine="torch"), out))
    study = StudyConfig(
        task="segmentation",
        dataset="camvid",
        root=camvid_folder,
        split="test",
        model=str(out),
        enhancers=("sgz",),
        engine="torch",
    )
    plan = make_plan(study, "cpu")
    tested = next(cell.view for cell in plan.cells if cell.label.startswith("sgz"))
    assert tested.engine == "torch fp32"
    trained = enhanced_view("sgz", None, "cpu", "torch", "fp32")
    sample = load_dataset("camvid", camvid_folder, "test").samples[0]
    np.testing.assert_array_equal(tested.read(sample, "cpu"), trained.read(sample, "cpu"))
    for engine in ("auto", "eager"):
        with pytest.raises(UserError, match="trained through the engine torch fp32, this study runs"):
            make_plan(study.model_copy(update={"engine": engine}), "cpu")


def test_a_folder_without_recorded_engines_was_trained_through_the_default_one(
    tmp_path: Path, camvid_folder: Path
) -> None:
    """As folders of earlier versions were, whose finetuning had no choice of engines."""
    out = tmp_path / "out"
    config = _config(camvid_folder, enhancers=("raw", "sgz"), seeds=(0,))
    list(_run(config, out))
    index = json.loads((out / "finetuned.json").read_text())
    for entry in index["models"]:
        del entry["engine"]
    (out / "finetuned.json").write_text(json.dumps(index))
    assert [each.loss for each in _run(config, out)] == [None, None]
    with pytest.raises(UserError, match="through the engine auto fp32, not eager fp32"):
        list(_run(config.model_copy(update={"engine": "eager"}), out))
    study = StudyConfig(task="segmentation", dataset="camvid", root=camvid_folder, split="test", model=str(out))
    assert len(make_plan(study, "cpu").cells) == 1
    with pytest.raises(UserError, match="this study runs eager fp32"):
        make_plan(study.model_copy(update={"engine": "eager", "enhancers": ("raw", "sgz")}), "cpu")


def test_another_engine_is_refused_before_anything_is_trained(tmp_path: Path, camvid_folder: Path) -> None:
    out = tmp_path / "out"
    list(_run(_config(camvid_folder, enhancers=("sgz",), seeds=(0,), engine="torch"), out))
    before = _bytes(out)
    with pytest.raises(UserError, match="through the engine torch fp32"):
        list(_run(_config(camvid_folder, enhancers=("raw", "sgz"), seeds=(0,), engine="eager"), out))
    assert _bytes(out) == before


def test_the_default_engine_of_another_device_fits() -> None:
    from sgz_bench.benchmarks.finetuning.index import same_engine

    trained = {"engine": "fused fp32", "default_engine": True}
    assert same_engine(trained, "eager fp32", default_engine=True)
    assert not same_engine(trained, "eager fp32", default_engine=False)
    assert not same_engine(trained | {"default_engine": False}, "eager fp32", default_engine=True)


def test_a_damaged_index_is_rebuilt_from_the_models(tmp_path: Path, camvid_folder: Path) -> None:
    out, config = tmp_path / "out", _config(camvid_folder, seeds=(0,))
    first, second = _run(config, out)
    whole = (out / "finetuned.json").read_bytes()
    for damaged in (whole[:40], b"{}", None):
        (out / "finetuned.json").unlink()
        if damaged is not None:
            (out / "finetuned.json").write_bytes(damaged)
        with pytest.raises(UserError, match="repeat the `sgz-bench finetune` command, which rebuilds it"):
            FinetunedModels.find(str(out))
        said: list[str] = []
        again = finetune(config, out, "cpu", _no_bar, [].append, said.append)
        assert [each.loss for each in again] == [None, None]
        assert "rebuilt with 2 trained models" in said[0]
        assert (out / "finetuned.json").read_bytes() == whole
    second.file.write_bytes(b"changed")
    first.file.unlink()
    models = FinetunedModels(out)
    for label, words in (("raw", r"model\.safetensors is missing"), ("gamma(gamma=0.45)", "differs from what")):
        fingerprint = create_enhancer(label).fingerprint
        with pytest.raises(UserError, match=words):
            models.models(label, fingerprint, "", default_engine=True)


def test_a_refused_finetuning_leaves_no_folder(tmp_path: Path, camvid_folder: Path) -> None:
    for path in (camvid_folder / "train").rglob("*.png"):
        path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError):
        list(_run(_config(camvid_folder, enhancers=("raw",)), tmp_path / "models" / "out"))
    assert not (tmp_path / "models").exists()
