"""Damaged input of every parser: a result or a UserError, never another exception.

``SGZ_BENCH_FUZZ=SECONDS`` runs each parser that long with new seeds; by default a fixed set of examples takes about a
minute in all.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from hypothesis import HealthCheck, given, seed, settings
from mutations import FORMS
from PIL import Image

from sgz_bench.core.errors import UserError

SECONDS = float(os.environ.get("SGZ_BENCH_FUZZ", 0))
EXAMPLES = int(os.environ.get("SGZ_BENCH_FUZZ_EXAMPLES", 150))


def _png(mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 3, (8, 8), dtype=np.uint8)
    image = Image.fromarray(pixels)
    if mode == "P":
        image = image.convert("P")
    (image if mode in {"L", "P"} else image.convert(mode)).save(buffer, format="PNG")
    return buffer.getvalue()


def _picture(image_format: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (10, 20, 30)).save(buffer, format=image_format)
    return buffer.getvalue()


# ---- parsers: each takes an empty folder and the damaged content ----


def _file(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _detection(name: str, folder: Path, split: str | None = None) -> None:
    from sgz_bench.tasks.detection.datasets import load_dataset
    from sgz_bench.tasks.detection.datasets.check import take_inventory

    root = None if name.endswith(".yaml") else folder
    take_inventory(load_dataset(str(folder / name) if root is None else name, root, split), decode=False)


def _segmentation(name: str, folder: Path, split: str | None = None) -> None:
    from sgz_bench.tasks.segmentation.datasets import load_dataset
    from sgz_bench.tasks.segmentation.datasets.check import take_inventory

    root = None if name.endswith(".yaml") else folder
    take_inventory(load_dataset(str(folder / name) if root is None else name, root, split), decode=False)


def yolo_labels(folder: Path, data: bytes) -> None:
    _file(folder, "images/val/a.png", _png())
    _file(folder, "images/val/b.png", _png())
    _file(folder, "labels/val/a.txt", data)
    _file(folder, "labels/val/b.txt", b"0 0.5 0.5 0.5 0.5\n")
    _detection("yolo", folder)


def yolo_yaml(folder: Path, data: bytes) -> None:
    _file(folder, "images/val/a.png", _png())
    _file(folder, "labels/val/a.txt", b"0 0.5 0.5 0.5 0.5\n")
    _file(folder, "data.yaml", data)
    _detection("data.yaml", folder)


def yolo_list(folder: Path, data: bytes) -> None:
    _file(folder, "images/a.png", _png())
    _file(folder, "labels/a.txt", b"0 0.5 0.5 0.5 0.5\n")
    _file(folder, "val.txt", data)
    _file(folder, "data.yaml", b"names: [x]\nval: val.txt\n")
    _detection("data.yaml", folder)


def coco_json(folder: Path, data: bytes) -> None:
    _file(folder, "val/a.png", _png())
    _file(folder, "annotations/instances_val.json", data)
    _detection("coco", folder)


def exdark_labels(folder: Path, data: bytes) -> None:
    _file(folder, "ExDark/Cat/a.png", _png())
    _file(folder, "ExDark_Annno/Cat/a.png.txt", data)
    _file(folder, "imageclasslist.txt", b"Name | Class | Light | In/Out | Train/Val/Test\r\na.png 6 1 1 3\r\n")
    _detection("exdark", folder)


def exdark_list(folder: Path, data: bytes) -> None:
    _file(folder, "ExDark/Cat/a.png", _png())
    _file(folder, "ExDark_Annno/Cat/a.png.txt", b"% bbGt version=3\nCat 1 1 4 4 0 0 0 0 0 0 0\n")
    _file(folder, "imageclasslist.txt", data)
    _detection("exdark", folder)


def voc_xml(folder: Path, data: bytes) -> None:
    _file(folder, "JPEGImages/a.png", _png())
    _file(folder, "Annotations/a.xml", data)
    _detection("voc", folder)


def bdd100k_json(folder: Path, data: bytes) -> None:
    _file(folder, "images/100k/val/a.png", _png())
    _file(folder, "labels/det_20/det_val.json", data)
    _detection("bdd100k", folder)


def darkface_labels(folder: Path, data: bytes) -> None:
    _file(folder, "image/1.png", _png())
    _file(folder, "label/1.txt", data)
    _detection("darkface", folder)


def visdrone_labels(folder: Path, data: bytes) -> None:
    _file(folder, "VisDrone2019-DET-val/images/a.png", _png())
    _file(folder, "VisDrone2019-DET-val/annotations/a.txt", data)
    _detection("visdrone", folder)


def scored_truth(folder: Path, data: bytes) -> None:
    _score(folder, data, json.dumps(PREDICTIONS).encode())


def scored_predictions(folder: Path, data: bytes) -> None:
    _score(folder, json.dumps(COCO).encode(), data)


def _score(folder: Path, truth: bytes, predictions: bytes) -> None:
    from sgz_bench.cli.commands.score import score

    with contextlib.suppress(typer.Exit):  # a part was left out and named
        score(_file(folder, "p.json", predictions), _file(folder, "t.json", truth), json_output=True)


def folder_yaml(folder: Path, data: bytes) -> None:
    _file(folder, "images/a.png", _png())
    _file(folder, "masks/a.png", _png("L"))
    _file(folder, "seg.yaml", data)
    _segmentation("seg.yaml", folder)


def label_map(folder: Path, data: bytes) -> None:
    _file(folder, "images/a.png", _png())
    _file(folder, "masks/a.png", data)
    _file(folder, "seg.yaml", b"names: [a, b, c]\nimages: images\nmasks: masks\n")
    _segmentation("seg.yaml", folder)


def picture(folder: Path, data: bytes) -> None:
    from sgz_bench.core.images import exif_orientation, image_size, read_image

    path = _file(folder, "a.jpg", data)
    image_size(path)
    exif_orientation(path)
    read_image(path)


def spec_string(_folder: Path, data: bytes) -> None:
    from sgz_bench.core.specs import canonical, parse_spec, split_list

    text = data.decode("utf-8", "replace")
    spec = parse_spec(text)
    assert parse_spec(str(spec)).name == spec.name
    canonical(split_list(text))


def enhancer_spec(_folder: Path, data: bytes) -> None:
    from sgz_bench.enhancer import create_enhancer

    create_enhancer(data.decode("utf-8", "replace"))


def darkening(_folder: Path, data: bytes) -> None:
    from sgz_bench.enhancer.darken import parse_darken

    parse_darken(data.decode("utf-8", "replace"))


def recipe(folder: Path, data: bytes) -> None:
    from sgz_bench.enhancer.training.recipe import load_recipe

    load_recipe(str(_file(folder, "r.yaml", data)))


def suite(folder: Path, data: bytes) -> None:
    from sgz_bench.benchmarks.suite import load_suite

    load_suite(str(_file(folder, "s.yaml", data)), []).studies()


def class_map(folder: Path, data: bytes) -> None:
    from sgz_bench.tasks.classes import map_classes, read_class_map

    map_classes(["person", "car"], ["People", "Car"], read_class_map(_file(folder, "m.yaml", data)))


def class_list(folder: Path, data: bytes) -> None:
    from sgz_bench.tasks.classes import read_class_list

    read_class_list(str(_file(folder, "names.txt", data)))


def image_log(folder: Path, data: bytes) -> None:
    from sgz_bench.benchmarks.store import ImageLog, read_log

    path = _file(folder, "cells/k/images.jsonl", data)
    read_log(path)
    ImageLog(path).close()
    read_log(path)


def result_rows(folder: Path, data: bytes) -> None:
    from sgz_bench.cli.console import show_runs

    _file(folder, "results.jsonl", data + b"\n")
    _file(folder, "manifest.json", b'{"config": {"replicates": 100}}')
    show_runs([folder])


def checkpoint(folder: Path, data: bytes) -> None:
    from sgz_bench.enhancer.checkpoint import read_tensors, trained_scale

    path = _file(folder, "w.safetensors", data)
    trained_scale(path)
    read_tensors(path)


def pickle(folder: Path, data: bytes) -> None:
    from sgz_bench.enhancer.checkpoint import read_tensors

    read_tensors(_file(folder, "w.pth", data))


def training_checkpoint(folder: Path, data: bytes) -> None:
    from sgz_bench.tasks.training_state import CHECKPOINT, TrainingState

    _file(folder, CHECKPOINT, data + hashlib.sha256(data).digest())  # the reader of what a right sum lets pass
    notes: list[str] = []
    if TrainingState(folder, {"seed": 1}, notes.append).load() is None:
        (note,) = notes
        raise UserError(note)


def finetuned_entry(folder: Path, data: bytes) -> None:
    from sgz_bench.benchmarks.finetuning.store import own_entries

    _file(folder, "raw-seed0/entry.json", data)
    own_entries(folder, {"task": "detection"}, {})


def network(folder: Path, data: bytes) -> None:
    from sgz_bench.tasks.detection.models import create_detector

    create_detector(f"onnx:{_file(folder, 'n.onnx', data)}(layout=yolov8,names=coco)")


def _onnx() -> bytes:
    """Return a graph whose answer has the shape of a YOLOv8's, all zero."""
    from onnx import TensorProto, helper, numpy_helper

    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 96, 96])
    answer = helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 84, 189])
    parts = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zeros"], ["output0"]),
    ]
    zeros = numpy_helper.from_array(np.zeros((1, 84, 189), dtype=np.float32), "zeros")
    graph = helper.make_graph(parts, "graph", [image], [answer], [zeros])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def _safetensors() -> bytes:
    import torch
    from safetensors.torch import save

    return bytes(save({"a": torch.zeros(2, 2)}, {"sgz-bench": '{"scale": 2}'}))


def _pickle() -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(2, 2)}, buffer)
    return buffer.getvalue()


def _training_checkpoint() -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save({"conditions": '{"seed": 1}', "rows": [{"epoch": 1}], "state": {"a": torch.zeros(2, 2)}}, buffer)
    return buffer.getvalue()


COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 8, "attributes": {"timeofday": "night"}}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 1, 4, 4.5], "area": 18, "iscrowd": 0},
        {"id": 2, "image_id": 1, "category_id": 1, "bbox": [2, 1, 4, 4], "segmentation": [[2, 1, 6, 1, 6, 5]]},
    ],
    "categories": [{"id": 1, "name": "person"}, {"id": 3, "name": "car", "supercategory": "vehicle"}],
}
VOC = (
    "<annotation><folder>a</folder><filename>a.png</filename><size><width>8</width><height>8</height><depth>3</depth>"
    "</size><object><name>car</name><pose>Left</pose><truncated>0</truncated><difficult>1</difficult><bndbox>"
    "<xmin>1</xmin><ymin>1</ymin><xmax>5.5</xmax><ymax>6</ymax></bndbox></object></annotation>"
)
BDD100K = [
    {
        **{"name": "a.png", "attributes": {"weather": "clear", "timeofday": "night", "scene": "city street"}},
        "labels": [
            {
                "id": "1",
                "category": "car",
                "box2d": {"x1": 1, "y1": 1, "x2": 5, "y2": 6},
                "attributes": {"crowd": False},
            },
            {"id": 2, "category": "lane", "poly2d": [{"vertices": [[1, 2]]}]},
        ],
    }
]
PREDICTIONS = [
    {"image_id": 1, "category_id": 3, "bbox": [1, 1, 4, 4], "score": 0.9, "file_name": "a.png"},
    {"image_id": 1, "category_id": 1, "bbox": [2, 2, 3, 3], "score": 0.5, "file_name": "a.png"},
]
YOLO_YAML = {
    "path": ".",
    "val": "images/val",
    "train": ["a", "b"],
    "names": {0: "x", 1: "y"},
    "nc": 2,
    "kpt_shape": [8, 2],
}
SUITE = {
    "about": "x",
    "variables": {"ev": 1, "model": "nightscene-yolo"},
    "settings": {"replicates": 100, "seed": 1, "enhancers": ["raw", "gamma"]},
    "matrix": {
        "data": [{"task": "detection", "dataset": "nightscene(ev={ev})", "model": "{model}"}],
        "darken": ["ev=2", "ev={ev}"],
    },
}
RECIPE = {
    **{"network": "sgz", "scale": 8, "steps": 10, "lr": 2.0e-3, "losses": {"tv": 1, "semantic": 1}},
    **{"views": {"crop": 256, "ev": [0, 6]}, "guidance": {"kind": "features", "model": "yolov8n.pt"}},
}
SEGMENTATION_YAML = {
    **{"path": ".", "images": "images", "masks": "masks", "names": ["a", "b", "c"]},
    **{"ids": {0: "a", 1: 1, 2: "c"}, "ignore": [9]},
}
ROW = {
    **{
        "key": "0" * 16,
        "status": "ok",
        "task": "detection",
        "protocol": "frozen",
        "dataset": "exdark",
        "split": "test",
    },
    **{"dataset_fingerprint": "ab", "partial": False, "images": 5, "skipped": [], "classes": ["Car"], "model": "m"},
    **{"model_fingerprint": "cd", "inference": {"imgsz": 640}, "enhancer": "raw", "enhancer_fingerprint": "ef"},
    **{"darken": None, "seed": 0, "metric_version": 1, "metrics": {"AP": 0.5, "AP50": None}, "schema": 1},
    **{"per_class": {"Car": {"AP": 0.5, "boxes": 3}}, "by_attribute": {"lighting": {"Low": {"AP": 0.5, "images": 2}}}},
    **{"delta": {"AP": {"value": 0.1, "low": 0.0, "high": 0.2, "p": 0.5, "p_holm": None}}},
}


ENTRY = {
    "task": "detection",
    "models": [{"enhancer": "raw", "seed": 0, "model": "ultralytics:raw-seed0/model.pt", "sha256": "0" * 64}],
}
CASES: list[tuple[Callable[[Path, bytes], None], str, Any]] = [  # parser, form, intact content
    (yolo_labels, "text", "0 0.5 0.5 0.25 0.25\n0 0.1 0.1 0.4 0.1 0.4 0.6\n1 0.5 0.5 0.1 0.1\n"),
    (yolo_yaml, "yaml", YOLO_YAML),
    (yolo_list, "text", "images/a.png\n./images/a.png\nimages\\a.png\n"),
    (coco_json, "json", COCO),
    (exdark_labels, "text", "% bbGt version=3\nCat 1 1 4 4 0 0 0 0 0 0 0\nDog 2 2 3 3 0 0 0 0 0 0 0\n"),
    (exdark_list, "text", "Name | Class | Light | In/Out | Train/Val/Test\r\na.png 6 1 1 3\r\nb c.png 1 10 2 1\r\n"),
    (voc_xml, "text", VOC),
    (bdd100k_json, "json", BDD100K),
    (darkface_labels, "text", "2\n1 1 5 6\n0 2 7 8\n"),
    (visdrone_labels, "text", "1,1,4,4,1,4,0,0\n2,2,3,3,0,0,0,0,\n"),
    (scored_truth, "json", COCO),
    (scored_predictions, "json", PREDICTIONS),
    (folder_yaml, "yaml", SEGMENTATION_YAML),
    (label_map, "bytes", _png("L")),
    (label_map, "bytes", _png("P")),
    *((picture, "bytes", _picture(each)) for each in ("JPEG", "PNG", "WEBP", "TIFF", "BMP")),
    (spec_string, "text", "clahe(clip=2.0,grid=8)"),
    (enhancer_spec, "text", "gamma(gamma=0.5)"),
    (darkening, "text", "ev=3,full_well=2000"),
    (recipe, "yaml", RECIPE),
    (suite, "yaml", SUITE),
    (class_map, "yaml", {"People": ["person"], "Car": "car"}),
    (class_list, "text", "person\ncar\n"),
    (image_log, "text", '{"image_id": 1, "detections": []}\n{"image_id": 2, "detections": [[1, 2, 3]]}\n'),
    (result_rows, "json", ROW),
    (network, "bytes", _onnx()),
    (checkpoint, "bytes", _safetensors()),
    (pickle, "bytes", _pickle()),
    (training_checkpoint, "bytes", _training_checkpoint()),
    (finetuned_entry, "json", ENTRY),
]
NAMED = pytest.mark.parametrize(("parse", "form", "content"), CASES, ids=[parse.__name__ for parse, _, _ in CASES])


@NAMED
@pytest.mark.filterwarnings("ignore")
def test_the_intact_content_is_read(
    parse: Callable[[Path, bytes], None], form: str, content: Any, tmp_path: Path
) -> None:
    parse(tmp_path, FORMS[form][1](content))


@pytest.mark.slow
@NAMED
@pytest.mark.filterwarnings("ignore")
def test_damaged_content_gives_a_result_or_one_error(
    parse: Callable[[Path, bytes], None], form: str, content: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = 0

    def check(data: bytes) -> None:
        nonlocal tried
        tried += 1
        folder = tmp_path / str(tried)
        folder.mkdir()
        with contextlib.suppress(UserError):
            parse(folder, data)

    def run(index: int) -> None:
        limits = settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=not SECONDS,
            suppress_health_check=list(HealthCheck),
        )
        body = limits(given(FORMS[form][0](content))(lambda data: check(data)))
        (seed(index)(body) if SECONDS else body)()

    end, index = time.monotonic() + SECONDS, os.getpid()
    run(index)
    while time.monotonic() < end:
        index += 1
        run(index)
    with capsys.disabled():
        if SECONDS:
            print(f" {parse.__name__}: {tried:,} inputs ", end="")
