"""A made-up finished run: seeded numbers of a plausible size, in the files that a real run leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sgz_bench.benchmarks.analyses.detection_errors import write_errors
from sgz_bench.benchmarks.results import Delta, Member, ResultRow
from sgz_bench.reports.figures.catalog import run_figures
from sgz_bench.reports.figures.style import looks
from sgz_bench.reports.report import run_section, write_page
from sgz_bench.reports.run import FinishedRun

ENHANCERS = (
    "gamma(gamma=0.5)",
    "autogamma",
    "he",
    "clahe(clip=2,tiles=8)",
    "constant-curve(b=-0.319,g=-0.289,r=-0.283)",
    "sgz(scale=12,weights=/data/weights/sgz_official.pth)",
)
CLASSES = (
    "Bicycle", "Boat", "Bottle", "Bus", "Car", "Cat", "Chair", "Cup", "Dog", "Motorbike", "People", "Table",
)  # fmt: skip
LIGHTING = {"Low": 134, "Ambient": 925, "Object": 144, "Single": 255, "Weak": 232, "Strong": 538, "Screen": 28}
CITYSCAPES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain",
    "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
CONDITIONS = {"fog": 100, "night": 106, "rain": 100, "snow": 100}
VOID = 255
MODEL = "ultralytics:yolov8n-coco-int8deq.pt(conf=0.001,imgsz=640,max_det=300,nms_iou=0.7)"
DARKEN = "darken(ev=3,full_well=4000,read_noise=3,seed=0)"
SIZE = (320, 213)

MakeRun = Callable[..., Path]
Labels = NDArray[np.uint8]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """``make_run(name, enhancers=…, …)`` writes a run folder and returns it."""
    return lambda name="run", **options: write_run(tmp_path / name, **options)


@pytest.fixture
def make_segmentation(tmp_path: Path) -> MakeRun:
    """``make_segmentation(name, enhancers=…, …)`` writes the folder of a segmentation run and returns it."""
    return lambda name="run", **options: write_segmentation(tmp_path / name, **options)


def _tones(rows: list[ResultRow]) -> dict[str, list[float]]:
    """Power laws, each of a smaller exponent than the one before."""
    levels = np.arange(256) / 255
    enhanced = [row for row in rows if row.status == "ok" and row.enhancer not in {"raw", "bright"}]
    return {row.key: (levels ** (1 / place)).tolist() for place, row in enumerate(enhanced, start=1)}


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished run of each task, for tests that only read them."""
    folder = tmp_path_factory.mktemp("made-up")
    return {
        "detection": write_run(folder / "detection", costs=True),
        "segmentation": write_segmentation(folder / "segmentation", enhancers=("he", "gamma(gamma=0.5)")),
    }


@pytest.fixture(scope="session")
def made_up_pages(made_up: dict[str, Path]) -> dict[str, Path]:
    """Pages of these runs, to be read."""

    def write(run: Path) -> Path:
        opened = FinishedRun.open(run)
        drawn = run_figures(opened, looks([row.enhancer for row in opened.study.rows]))
        return write_page(run, [run_section(opened, drawn)])

    return {task: write(run) for task, run in made_up.items()}


def _costs(rows: list[ResultRow]) -> dict[str, dict[str, Any]]:
    """Each row slower and larger than the one before; what enhances nothing costs nothing."""
    size = {"height": 480, "width": 640, "device": "CPU (made up)", "threads": 1, "model_ms": 41.8}
    nothing = {"parameters": 0, "macs": None, "enhancer_ms": None, "memory": None}
    return {
        row.key: size
        | (
            nothing
            if row.enhancer in {"raw", "bright"}
            else {"parameters": 9**place, "macs": 10**9 * place, "enhancer_ms": 3.0**place, "memory": 10**7 * place}
        )
        for place, row in enumerate(rows)
    }


def write_run(
    folder: Path,
    *,
    enhancers: tuple[str, ...] = ENHANCERS,
    classes: tuple[str, ...] = CLASSES,
    lighting: bool = True,
    gallery: bool = True,
    bright: bool = True,
    broken: str | None = None,
    costs: bool = False,
    errors: bool = True,
    change: Callable[[ResultRow], ResultRow] = lambda row: row,
) -> Path:
    """Write the files of a finished run.

    Args:
        folder: where.
        enhancers: canonical specs besides raw.
        classes: class names.
        lighting: whether images have an attribute.
        gallery: whether images were kept.
        bright: whether the images were darkened.
        broken: the enhancer whose cell failed.
        costs: whether they were measured.
        errors: whether they were found.
        change: last word on every row.
    """
    rng = np.random.default_rng(0)
    names = [*(["bright"] if bright else []), "raw", *enhancers]
    rows = []
    for place, name in enumerate(names):
        row = _row(name, place, rng, classes, lighting, DARKEN if bright and name != "bright" else None)
        if name == broken:
            blank: dict[str, Any] = {"metrics": {}, "per_class": {}, "by_attribute": {}}
            blank |= {"delta": {}, "delta_per_class": {}, "delta_by_attribute": {}}
            row = replace(row, status="error", error="image_7: RuntimeError: out of memory at 50%_done", **blank)
        rows.append(change(row))
    _write(folder / "results.jsonl", "".join(row.to_json() + "\n" for row in rows))
    if costs:
        _write(folder / "costs.json", json.dumps(_costs(rows)))
    _write(folder / "tones.json", json.dumps(_tones(rows)))
    _write(folder / "manifest.json", json.dumps({"config": {"replicates": 1000}}))
    images = [{"id": i, "file_name": f"2015_{i:05d}.jpg", "width": SIZE[0], "height": SIZE[1]} for i in range(1, 7)]
    categories = [{"id": i, "name": name} for i, name in enumerate(classes, start=1)]
    annotations = _annotations(rng, len(images), len(classes))
    truth = {"images": images, "annotations": annotations, "categories": categories}
    _write(folder / "truth.json", json.dumps(truth))
    for row in rows:
        if row.status == "ok":
            curve = {"recall": np.linspace(0, 1, 101).tolist(), "precision": _precision(rng, row, classes)}
            _write(folder / "cells" / row.key / "curves.json", json.dumps(curve))
            found = _predictions(rng, annotations, len(classes))
            _write(folder / "cells" / row.key / "predictions.json", json.dumps(found))
    if errors:
        write_errors(folder, rows, seed=0, replicates=100)
    if gallery:
        _gallery(folder, [row for row in rows if row.status == "ok" and row.enhancer not in {"raw", "bright"}], rng)
    return folder


def write_segmentation(
    folder: Path,
    *,
    enhancers: tuple[str, ...] = ENHANCERS,
    classes: tuple[str, ...] = CITYSCAPES,
    class_ids: tuple[int, ...] | None = None,
    seeds: int = 0,
    uiou: bool = False,
    costs: bool = False,
    change: Callable[[ResultRow], ResultRow] = lambda row: row,
) -> Path:
    """Write the files of a finished segmentation run on a few made-up streets.

    Args:
        folder: where.
        enhancers: canonical specs besides raw.
        classes: class names, the ones of street scenes first.
        class_ids: of the classes in label maps; in order where it is None.
        seeds: trainings behind each row; 0 is a frozen model.
        uiou: whether rows have it.
        costs: whether they were measured.
        change: last word on every row.
    """
    rng = np.random.default_rng(1)
    ids = np.array(class_ids or range(len(classes)), dtype=np.uint8)
    streets = [_street(rng, len(classes)) for _ in range(4)]
    rows = []
    for place, name in enumerate(["raw", *enhancers]):
        noise = 0.35 if name == "raw" else float(rng.uniform(0.2, 0.6))
        keys = [f"{place:08x}{seed:08x}" for seed in range(max(seeds, 1))]
        guesses = [[_guess(rng, street, len(classes), noise) for street in streets] for _ in keys]
        counts = [np.stack([_confusion(*pair, len(classes)) for pair in zip(streets, g, strict=True)]) for g in guesses]
        for key, matrices in zip(keys, counts, strict=True):
            (folder / "cells" / key).mkdir(parents=True)
            image_ids = np.arange(1, len(streets) + 1)
            np.savez_compressed(folder / "cells" / key / "confusion.npz", image_ids=image_ids, counts=matrices)
        each = [_segmentation_metrics(matrices.sum(axis=0)) | ({"AUIoU": 0.5} if uiou else {}) for matrices in counts]
        row = _segmentation_row(name, place, rng, classes, each, counts[0].sum(axis=0), noise)
        if seeds:
            members = [
                Member(seed=s, key=key, metrics=dict(m)) for s, (key, m) in enumerate(zip(keys, each, strict=True))
            ]
            spread = {m: float(np.std([one[m] for one in each], ddof=1)) if seeds > 1 else None for m in each[0]}
            row = replace(row, protocol="finetune", members=members, spread=spread)
        row = change(replace(row, key=keys[0] if seeds < 2 else f"{place:016x}"))
        rows.append(row)
        seen = "raw" if name == "raw" else row.key
        for image_id in (1, 2):
            street = streets[image_id - 1]
            _picture_of(folder / "gallery" / seen / f"{image_id}.jpg", street, 0.25 if name == "raw" else 0.7)
            _label_map(folder / "gallery" / seen / f"{image_id}.png", guesses[0][image_id - 1], ids)
            _label_map(folder / "gallery" / "truth" / f"{image_id}.png", street, ids)
    entries = [
        {"enhancer": row.enhancer, "key": row.key, "image_id": image_id, "gain": gain, "raw": f"raw/{image_id}.jpg"}
        | {"raw_labels": f"raw/{image_id}.png", "truth": f"truth/{image_id}.png"}
        | {"enhanced": f"{row.key}/{image_id}.jpg", "enhanced_labels": f"{row.key}/{image_id}.png"}
        for row in rows[1:]
        for image_id, gain in ((1, 0.123), (2, -0.04))
    ]
    common = [entry for entry in entries if entry["image_id"] == 1]
    _write(folder / "gallery" / "index.json", json.dumps({"images": entries, "common": common}))
    _write(folder / "results.jsonl", "".join(row.to_json() + "\n" for row in rows))
    if costs:
        _write(folder / "costs.json", json.dumps(_costs(rows)))
    _write(folder / "tones.json", json.dumps(_tones(rows)))
    _write(folder / "manifest.json", json.dumps({"config": {"replicates": 1000}}))
    images = [{"id": i, "key": f"night/GOPR0351_{i:06d}", "width": SIZE[0], "height": SIZE[1]} for i in range(1, 5)]
    truth = {"task": "segmentation", "classes": list(classes), "class_ids": ids.tolist(), "images": images}
    _write(folder / "truth.json", json.dumps(truth))
    return folder


def delta(value: float, half: float, p: float, holm: float | None = None) -> Delta:
    return {"value": value, "low": value - half, "high": value + half, "p": p, "p_holm": holm}


def _row(
    name: str, place: int, rng: np.random.Generator, classes: tuple[str, ...], lighting: bool, darken: str | None
) -> ResultRow:
    ap50 = 0.60 if name == "bright" else 0.47 + float(rng.uniform(-0.06, 0.04)) * (name != "raw")
    metrics: dict[str, float | None] = {"AP": ap50 * 0.63, "AP50": ap50, "AP75": ap50 * 0.66, "VOC_AP50": ap50 * 1.01}

    def paired(scale: float = 1.0) -> dict[str, Delta]:
        value, half = ap50 - 0.47 + float(rng.normal(0, 0.02 * scale)), 0.016 * scale
        p = float(rng.uniform(0, 0.05))
        whole = {"AP": delta(0.63 * value, half, p, 2 * p), "AP50": delta(value, half, p, 2 * p)}
        return {} if name == "raw" else whole

    boxes = [int(2000 / (1 + k)) for k in range(len(classes))]
    return ResultRow(
        key=f"{place:016x}",
        status="ok",
        task="detection",
        protocol="frozen",
        dataset="exdark",
        split="test",
        dataset_fingerprint="d" * 64,
        partial=False,
        images=2563,
        skipped=[],
        classes=list(classes),
        model=MODEL,
        model_fingerprint="a" * 64,
        inference={"imgsz": 640},
        enhancer=name,
        enhancer_fingerprint=f"{place:064x}",
        darken=darken,
        seed=0,
        metric_version=1,
        metrics=metrics,
        per_class={c: {"AP": 0.3, "AP50": ap50 + 0.01 * k, "boxes": boxes[k]} for k, c in enumerate(classes)},
        by_attribute={
            "lighting": {v: {"AP": 0.3, "AP50": ap50, "images": n, "boxes": 3 * n} for v, n in LIGHTING.items()}
        }
        if lighting
        else {},
        delta=paired(),
        delta_per_class={} if name == "raw" else {c: paired(2.0) for c in classes},
        delta_by_attribute={"lighting": {v: paired(2.0) for v in LIGHTING}} if lighting and name != "raw" else {},
    )


def _precision(rng: np.random.Generator, row: ResultRow, classes: tuple[str, ...]) -> dict[str, list[float | None]]:
    reach = float(row.metrics["AP50"] or 0.5) * 1.3
    recall = np.linspace(0, 1, 101)
    wobble = np.sort(rng.uniform(-0.02, 0.02, 101))[::-1]
    curve = np.clip((1 - (recall / reach) ** 3) * 0.95 + wobble, 0, 1)
    return {"all": curve.tolist(), **{name: curve.tolist() for name in classes}}


def _annotations(rng: np.random.Generator, images: int, classes: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for image_id in range(1, images + 1):
        for _ in range(int(rng.integers(2, 6))):
            width, height = float(rng.uniform(40, 120)), float(rng.uniform(40, 110))
            x, y = float(rng.uniform(0, SIZE[0] - width)), float(rng.uniform(0, SIZE[1] - height))
            record = {"id": len(found) + 1, "image_id": image_id, "category_id": int(rng.integers(classes)) + 1}
            found.append(record | {"bbox": [x, y, width, height], "area": width * height, "iscrowd": 0})
    return found


def _predictions(rng: np.random.Generator, truth: list[dict[str, Any]], classes: int) -> list[dict[str, Any]]:
    found = []
    for each in truth:
        if rng.random() < 0.7:
            box = [value + float(rng.uniform(-5, 5)) for value in each["bbox"]]
            wrong = int(rng.integers(classes)) + 1 if rng.random() < 0.2 else each["category_id"]
            score = float(rng.uniform(0.1, 0.95))
            found.append({"image_id": each["image_id"], "category_id": wrong, "bbox": box, "score": score})
    return found


def _gallery(folder: Path, rows: list[ResultRow], rng: np.random.Generator) -> None:
    entries = []
    gains = {1: 4.0, 2: -3.0}
    for image_id in gains:
        _picture(folder / "gallery" / "raw" / f"{image_id}.jpg", rng, 0.3)
    for row in rows:
        for image_id, gain in gains.items():
            name = f"{row.key}/{image_id}.jpg"
            _picture(folder / "gallery" / name, rng, 0.9)
            entry = {"enhancer": row.enhancer, "key": row.key, "image_id": image_id, "gain": gain}
            entries.append(entry | {"raw": f"raw/{image_id}.jpg", "enhanced": name})
    common = [entry for entry in entries if entry["image_id"] == 1]
    _write(folder / "gallery" / "index.json", json.dumps({"images": entries, "common": common}))


def _street(rng: np.random.Generator, classes: int) -> Labels:
    """A label map with a sky, houses and a road in the first classes, and boxes of all others."""
    wide, high = SIZE
    street = np.full((high, wide), 0, dtype=np.uint8)
    street[: high // 2] = 10 % classes
    street[high // 3 : high // 2] = 2 % classes
    street[int(high * 0.9) :] = VOID
    for class_id in range(classes):
        w, h = int(rng.integers(4, 60)), int(rng.integers(8, 60))
        x, y = int(rng.integers(wide - w)), int(rng.integers(high // 4, int(high * 0.9) - h))
        street[y : y + h, x : x + w] = class_id
    return street


def _guess(rng: np.random.Generator, street: Labels, classes: int, noise: float) -> Labels:
    """What a model says of a street: its void filled, and patches of it called something else."""
    guess = np.where(street == VOID, 0, street).astype(np.uint8)
    for _ in range(int(60 * noise)):
        w, h = int(rng.integers(10, 50)), int(rng.integers(10, 40))
        x, y = int(rng.integers(SIZE[0] - w)), int(rng.integers(SIZE[1] - h))
        guess[y : y + h, x : x + w] = rng.integers(classes) if rng.random() < 0.9 else VOID
    return guess


def _confusion(truth: Labels, guess: Labels, classes: int) -> NDArray[np.int64]:
    matrix = np.zeros((classes, classes + 1), dtype=np.int64)
    scored = truth != VOID
    np.add.at(matrix, (truth[scored], np.minimum(guess[scored], classes)), 1)
    return matrix


def _segmentation_metrics(matrix: NDArray[np.int64]) -> dict[str, float]:
    hits, truth = np.diagonal(matrix), matrix.sum(axis=1)
    iou = hits / (truth + matrix[:, :-1].sum(axis=0) - hits)
    numbers = (iou.mean(), hits.sum() / truth.sum(), (hits / truth).mean(), (iou * truth).sum() / truth.sum())
    return dict(zip(("mIoU", "pixel_accuracy", "mean_accuracy", "fwIoU"), map(float, numbers), strict=True))


def _segmentation_row(
    name: str,
    place: int,
    rng: np.random.Generator,
    classes: tuple[str, ...],
    metrics: list[dict[str, float]],
    matrix: NDArray[np.int64],
    noise: float,
) -> ResultRow:
    def paired(metrics: tuple[str, ...]) -> dict[str, Delta]:
        value = 0.35 - noise + float(rng.normal(0, 0.02))
        return {each: delta(value * 0.5**k, 0.03, 0.01, 0.04) for k, each in enumerate(metrics)}

    compared, base = name != "raw", _row(name, place, rng, classes, False, None)
    pixels = matrix.sum(axis=1)
    return replace(
        base,
        task="segmentation",
        dataset="acdc",
        split="val",
        images=406,
        model="smp:nightscene-fpn.safetensors(flip=false)",
        metrics={key: float(np.mean([each[key] for each in metrics])) for key in metrics[0]},
        per_class={
            c: {"IoU": 0.5 + 0.01 * k + 0.1 * (0.35 - noise), "accuracy": 0.6, "pixels": int(pixels[k])}
            for k, c in enumerate(classes)
        },
        by_attribute={
            "condition": {v: {"mIoU": 0.5, "pixel_accuracy": 0.8, "images": n} for v, n in CONDITIONS.items()}
        },
        delta=paired(("mIoU", "pixel_accuracy", "mean_accuracy", "fwIoU")) if compared else {},
        delta_per_class={c: paired(("IoU",)) for c in classes} if compared else {},
        delta_by_attribute={"condition": {v: paired(("mIoU", "pixel_accuracy")) for v in CONDITIONS}}
        if compared
        else {},
    )


def _label_map(path: Path, places: Labels, ids: Labels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.append(ids, np.full(256 - len(ids), VOID, dtype=np.uint8))[places]).save(path)


def _picture_of(path: Path, places: Labels, level: float) -> None:
    """A photograph of sorts: each class a shade."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shades = np.random.default_rng(5).integers(40, 255, (256, 3))
    Image.fromarray((shades[places] * level).astype(np.uint8)).save(path, quality=90)


def _picture(path: Path, rng: np.random.Generator, level: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = Image.fromarray((rng.random((4, 6, 3)) * 255 * level).astype(np.uint8))
    coarse.resize(SIZE, Image.Resampling.BICUBIC).save(path, quality=90)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
