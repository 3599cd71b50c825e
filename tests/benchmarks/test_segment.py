"""Segmentation from the command line: rows, label maps, resume, faults, finetuned models, submissions."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from sgz_bench.__main__ import app
from sgz_bench.core.errors import UserError
from sgz_bench.enhancer import create_enhancer
from sgz_bench.tasks.classes import CAMVID_CLASSES, CITYSCAPES_CLASSES

FAST = ["--replicates", "100", "--permutations", "100", "--device", "cpu"]


def picture(rng: np.random.Generator, height: int, width: int) -> Image.Image:
    coarse = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """Six training and eight test frames in SegNet's layout; the maps are random blocks with void among them."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 8)):
        for folder in (split, f"{split}annot"):
            (tmp_path / "camvid" / folder).mkdir(parents=True)
        for index in range(count):
            picture(rng, 48, 64).save(tmp_path / "camvid" / split / f"frame_{index}.png")
            blocks = rng.integers(0, 12, (6, 8), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
            Image.fromarray(blocks).save(tmp_path / "camvid" / f"{split}annot" / f"frame_{index}.png")
    return tmp_path / "camvid"


def make_model(path: Path, classes: tuple[str, ...], seed: int = 0) -> str:
    """A tiny network with random weights, whose answers vary over an image, as that is all that bookkeeping needs."""
    import segmentation_models_pytorch as smp

    torch.manual_seed(seed)
    plan = {"arch": "fpn", "encoder": "tu-tf_mobilenetv3_small_minimal_100", "options": {"decoder_dropout": 0.0}}
    network = smp.create_model(
        plan["arch"], encoder_name=plan["encoder"], encoder_weights=None, classes=len(classes), decoder_dropout=0.0
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, path)
    plan |= {"classes": list(classes), "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "provenance": {}}
    path.with_suffix(".yaml").write_text(yaml.safe_dump(plan))
    return f"smp:{path}"


@pytest.fixture
def model(tmp_path: Path) -> str:
    return make_model(tmp_path / "model.safetensors", CAMVID_CLASSES)


def segment(root: Path, model: str, out: Path, *more: str) -> list[dict[str, Any]]:
    where = ["--dataset", "camvid", "--root", str(root), "--split", "test"]
    arguments = ["segment", *where, "--model", model, "--out", str(out), *FAST, *more]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code in {0, 1}, result.output
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def test_a_darkened_study_has_bright_raw_and_enhanced_rows(camvid: Path, model: str, tmp_path: Path) -> None:
    rows = segment(camvid, model, tmp_path / "run", "--enhancers", "clahe,gamma", "--darken", "ev=2")
    assert [row["enhancer"].partition("(")[0] for row in rows] == ["bright", "raw", "clahe", "gamma"]
    assert {(row["task"], row["protocol"], row["status"]) for row in rows} == {("segmentation", "frozen", "ok")}
    metrics = ["mIoU", "pixel_accuracy", "mean_accuracy", "fwIoU"]
    for row in rows:
        assert list(row["metrics"]) == metrics
    for row in rows[2:]:
        assert list(row["delta"]) == metrics
        for metric, delta in row["delta"].items():
            assert delta["value"] == pytest.approx(row["metrics"][metric] - rows[1]["metrics"][metric], abs=1e-12)
            assert delta["low"] <= delta["high"]
            assert delta["p"] <= delta["p_holm"] <= 1


def test_metrics_are_those_of_scikit_learn_on_the_label_maps_on_disk(camvid: Path, model: str, tmp_path: Path) -> None:
    from sklearn.metrics import accuracy_score, jaccard_score

    for row in segment(camvid, model, tmp_path / "run", "--enhancers", "raw,gamma"):
        folder = tmp_path / "run" / "cells" / row["key"] / "labels"
        truth = np.concatenate(
            [np.array(Image.open(camvid / "testannot" / f"frame_{i}.png")).ravel() for i in range(8)]
        )
        found = np.concatenate([np.array(Image.open(folder / f"frame_{i}.png")).ravel() for i in range(8)])
        assert len(np.unique(found)) > 2
        truth, found = truth[truth != 11], found[truth != 11]
        ious = jaccard_score(truth, found, labels=range(11), average=None)
        assert row["metrics"]["mIoU"] == pytest.approx(ious.mean(), abs=1e-12)
        assert row["metrics"]["pixel_accuracy"] == pytest.approx(accuracy_score(truth, found), abs=1e-12)
        for name, iou in zip(CAMVID_CLASSES, ious, strict=True):
            assert row["per_class"][name]["IoU"] == pytest.approx(iou, abs=1e-12)


def test_a_class_list_leaves_the_other_classes_out(camvid: Path, model: str, tmp_path: Path) -> None:
    (row,) = segment(camvid, model, tmp_path / "run", "--enhancers", "raw", "--classes", "Sky,Car")
    (whole,) = segment(camvid, model, tmp_path / "whole", "--enhancers", "raw")
    assert row["classes"] == list(row["per_class"]) == ["Sky", "Car"]
    assert row["per_class"]["Car"]["accuracy"] == whole["per_class"]["Car"]["accuracy"]
    assert row["key"] != whole["key"]
    with pytest.raises(UserError, match="'Cat' is not a class of the data set"):
        segment(camvid, model, tmp_path / "none", "--classes", "Cat")


def test_a_run_cut_off_goes_on_and_ends_with_the_same_bytes(camvid: Path, model: str, tmp_path: Path) -> None:
    segment(camvid, model, tmp_path / "run", "--enhancers", "raw,he")
    before = {path.relative_to(tmp_path): path.read_bytes() for path in (tmp_path / "run").rglob("*.*")}
    for log in (tmp_path / "run").rglob("images.jsonl"):
        log.write_bytes(log.read_bytes()[:-700])  # within the last line but one or two
    for name in ("results.jsonl", "truth.json"):
        (tmp_path / "run" / name).unlink()
    for labels in (tmp_path / "run").rglob("labels/frame_1.png"):
        labels.unlink()
    segment(camvid, model, tmp_path / "run", "--enhancers", "raw,he")
    after = {path.relative_to(tmp_path): path.read_bytes() for path in (tmp_path / "run").rglob("*.*")}
    assert after == before
    assert len(before) > 20


def test_a_map_with_a_strange_id_is_skipped_and_named_in_every_row(camvid: Path, model: str, tmp_path: Path) -> None:
    Image.fromarray(np.full((48, 64), 17, np.uint8)).save(camvid / "testannot" / "frame_3.png")
    Image.fromarray(np.zeros((48, 60), np.uint8)).save(camvid / "testannot" / "frame_5.png")
    rows = segment(camvid, model, tmp_path / "run", "--enhancers", "raw,gamma")
    for row in rows:
        assert row["images"] == 6
        reasons = {each["image"]: each["reason"] for each in row["skipped"]}
        assert set(reasons) == {"frame_3", "frame_5"}
        assert "17" in reasons["frame_3"]
        assert "60×48" in reasons["frame_5"]


def test_enhancing_to_a_folder_first_gives_byte_identical_label_maps(camvid: Path, model: str, tmp_path: Path) -> None:
    direct = segment(camvid, model, tmp_path / "direct", "--enhancers", "clahe")[1]
    enhanced = tmp_path / "enhanced"
    shutil.copytree(camvid / "testannot", enhanced / "testannot")
    arguments = ["enhance", str(camvid / "test"), "--enhancer", "clahe", "--out", str(enhanced / "test")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    beforehand = segment(enhanced, model, tmp_path / "beforehand", "--enhancers", "raw")[0]
    for index in range(8):
        one, two = (
            (tmp_path / run / "cells" / row["key"] / "labels" / f"frame_{index}.png").read_bytes()
            for run, row in (("direct", direct), ("beforehand", beforehand))
        )
        assert one == two


def test_the_gallery_keeps_pictures_and_label_maps(camvid: Path, model: str, tmp_path: Path) -> None:
    segment(camvid, model, tmp_path / "run", "--enhancers", "raw,he")
    entries = json.loads((tmp_path / "run" / "gallery" / "index.json").read_text())["images"]
    assert entries
    for entry in entries:
        for field in ("truth", "raw_labels", "enhanced_labels"):
            assert np.array(Image.open(tmp_path / "run" / "gallery" / entry[field])).shape == (48, 64)
        assert -1 <= entry["gain"] <= 1


def finetuned(folder: Path, enhancers: list[str], seeds: int, **index: Any) -> Path:
    models = []
    for number, enhancer in enumerate(enhancers):
        for seed in range(seeds):
            name = f"e{number}-seed{seed}/model.safetensors"
            make_model(folder / name, CAMVID_CLASSES, seed=10 * number + seed)
            digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            fingerprint = create_enhancer(enhancer).fingerprint
            entry = {"enhancer": enhancer, "enhancer_fingerprint": fingerprint, "seed": seed}
            models.append(entry | {"model": f"smp:{name}", "sha256": digest})
    content = {"task": "segmentation", "images": [], "darken": None, "models": models} | index
    (folder / "finetuned.json").write_text(json.dumps(content))
    return folder


def test_finetuned_models_give_one_row_an_enhancer_the_mean_over_seeds(camvid: Path, tmp_path: Path) -> None:
    folder = finetuned(tmp_path / "ft", ["raw", "gamma(gamma=0.45)"], 3)
    rows = segment(camvid, str(folder), tmp_path / "run")
    assert [row["enhancer"] for row in rows] == ["raw", "gamma(gamma=0.45)"]
    alone = [
        segment(camvid, f"smp:{folder}/e0-seed{seed}/model.safetensors", tmp_path / f"s{seed}", "--enhancers", "raw")[0]
        for seed in range(3)
    ]
    values = [row["metrics"]["mIoU"] for row in alone]
    assert len(set(values)) == 3
    assert rows[0]["metrics"]["mIoU"] == pytest.approx(np.mean(values), abs=1e-12)
    assert rows[0]["spread"]["mIoU"] == pytest.approx(np.std(values, ddof=1), abs=1e-12)
    assert [member["metrics"] for member in rows[0]["members"]] == [row["metrics"] for row in alone]
    assert {row["protocol"] for row in rows} == {"finetune"}
    delta = rows[1]["delta"]["mIoU"]
    assert delta["value"] == pytest.approx(rows[1]["metrics"]["mIoU"] - rows[0]["metrics"]["mIoU"], abs=1e-12)
    assert delta["low"] < delta["high"]


def test_finetuned_models_are_not_tested_on_what_they_were_not_trained_for(camvid: Path, tmp_path: Path) -> None:
    folder = finetuned(tmp_path / "ft", ["raw"], 1)
    (row,) = segment(camvid, str(folder), tmp_path / "run")
    assert row["spread"]["mIoU"] is None
    with pytest.raises(UserError, match="no model trained with he; it has raw"):
        segment(camvid, str(folder), tmp_path / "other", "--enhancers", "raw,he")
    with pytest.raises(UserError, match="was trained without --darken"):
        segment(camvid, str(folder), tmp_path / "dark", "--darken", "ev=2")
    image = hashlib.sha256((camvid / "test" / "frame_3.png").read_bytes()).hexdigest()
    finetuned(folder, ["raw"], 1, images=[image, "another"])
    with pytest.raises(UserError, match="trained on 1 of these images"):
        segment(camvid, str(folder), tmp_path / "same")
    finetuned(folder, ["raw"], 1)
    make_model(folder / "e0-seed0" / "model.safetensors", CAMVID_CLASSES, seed=99)
    with pytest.raises(UserError, match="differs from what `sgz-bench finetune` wrote"):
        segment(camvid, str(folder), tmp_path / "changed")
    finetuned(tmp_path / "odd", ["raw", "he"], 2)
    index = json.loads((tmp_path / "odd" / "finetuned.json").read_text())
    (tmp_path / "odd" / "finetuned.json").write_text(json.dumps(index | {"models": index["models"][:3]}))
    with pytest.raises(UserError, match=r"has seeds \[0\] for he, but \[0, 1\] for raw"):
        segment(camvid, str(tmp_path / "odd"), tmp_path / "seeds")
    finetuned(folder, ["raw"], 1, task="detection")
    with pytest.raises(UserError, match="holds models for detection"):
        segment(camvid, str(folder), tmp_path / "task")


def test_withheld_labels_give_a_submission_in_label_ids_and_no_metrics(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    folder = tmp_path / "acdc" / "rgb_anon" / "night" / "test" / "GOPR0001"
    folder.mkdir(parents=True)
    names = [f"GOPR0001_frame_{index:06d}_rgb_anon" for index in range(3)]
    for name in names:
        picture(rng, 64, 96).save(folder / f"{name}.png")
    model = make_model(tmp_path / "city.safetensors", CITYSCAPES_CLASSES)
    where = ["--dataset", "acdc", "--root", str(tmp_path / "acdc"), "--split", "test", "--condition", "night"]
    arguments = ["segment", *where, "--model", model, "--enhancers", "raw,gamma", "--out", str(tmp_path / "run"), *FAST]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in (tmp_path / "run" / "results.jsonl").read_text().splitlines()]
    assert {value for row in rows for value in row["metrics"].values()} == {None}

    labels = tmp_path / "run" / "cells" / rows[1]["key"] / "labels" / "night" / "test" / "GOPR0001"
    every = np.append(np.arange(19), [255, 255, 255, 255, 255]).astype(np.uint8).reshape(4, 6)
    for name in names:  # the random network knows three classes; a map of all tells a wrong table
        Image.fromarray(every.repeat(16, axis=0).repeat(16, axis=1)).save(
            labels / f"{name.removesuffix('_rgb_anon')}.png"
        )
    official = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33, 0, 0, 0, 0, 0]
    for extra, expected in (([], official), (["--train-ids"], every.ravel().tolist())):
        out = tmp_path / f"submission{len(extra)}"
        more = ["submission", str(tmp_path / "run"), "--enhancer", "gamma", "--out", str(out), *extra]
        assert CliRunner().invoke(app, more, catch_exceptions=False).exit_code == 0
        assert sorted(path.name for path in out.iterdir()) == [f"{name}.png" for name in names]
        for name in names:
            assert np.array(Image.open(out / f"{name}.png"))[::16, ::16].ravel().tolist() == expected
    with pytest.raises(UserError, match="not an empty folder"):
        CliRunner().invoke(app, more, catch_exceptions=False)


def test_a_metric_of_ones_own_sees_label_maps_in_the_data_sets_ids(camvid: Path, model: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from sgz_bench.tasks.metric import Metric\n"
        "class Right(Metric):\n"
        "    name, task = 'right', 'segmentation'\n"
        "    def measure(self, prediction, truth):\n"
        "        return (prediction == truth)[truth < 255].mean()\n"
    )
    rows = segment(camvid, model, tmp_path / "run", "--enhancers", "gamma", "--metric", f"{tmp_path}/mine.py:Right")
    for row in rows:
        shares = []
        for index in range(8):
            truth = np.array(Image.open(camvid / "testannot" / f"frame_{index}.png"))
            found = np.array(Image.open(tmp_path / "run" / "cells" / row["key"] / "labels" / f"frame_{index}.png"))
            shares.append((truth == found)[truth < 11].mean())
        assert row["metrics"]["right"] == pytest.approx(np.mean(shares))
    assert rows[1]["delta"]["right"]["value"] == pytest.approx(
        rows[1]["metrics"]["right"] - rows[0]["metrics"]["right"]
    )
