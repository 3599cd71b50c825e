"""Time and memory of a report, for a synthetic run of the size of ExDark's test split with ten enhancers.

Run it as ``python benchmarks/speed/report.py``. The time of scoring is printed too. The report is measured in its own
process, on the files of a finished run.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sgz_bench.benchmarks.analyses.detection_errors import write_errors
from sgz_bench.benchmarks.results import ResultRow
from sgz_bench.benchmarks.statistics import compare, slice_metrics
from sgz_bench.core.files import to_json, write_atomic
from sgz_bench.core.images import write_image
from sgz_bench.tasks.classes import EXDARK_CLASSES
from sgz_bench.tasks.detection.metrics import CellMatches, evaluate
from sgz_bench.tasks.task import attributes_of

ENHANCERS = (
    "raw", "gamma(gamma=0.45)", "autogamma(target=0.5)", "he", "clahe(clip=2,tiles=8)", "dhe(emphasis=1)",
    "msr(clip=1)", "lime(gamma=0.8,sigma=2,strength=0.15)", "sci(weights=ours)", "zero-dce(scale=1,weights=ours)",
    "sgz(scale=8,weights=sgz-v1)",
)  # fmt: skip
LIGHTING = ("Low", "Ambient", "Object", "Single", "Weak", "Strong", "Screen", "Window", "Shadow", "Twilight")
WIDTH, HEIGHT = 1024, 683
# Linux keeps the peak of the process that forked in ru_maxrss; VmHWM is this one's own.
REPORT = """
import re, sys
from sgz_bench.reports.report import write_report
written = write_report(sys.argv[1])
print(len(written), re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


def main() -> None:
    """Create the run, score it, and time its report."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--images", type=int, default=2563)
    options.add_argument("--predictions", type=int, default=100, help="predictions per image and row")
    options.add_argument("--run", type=Path, help="keep the run in this folder; an existing run is used again")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run = chosen.run or Path(scratch) / "run"
        if not (run / "results.jsonl").is_file():
            started = time.perf_counter()
            make_run(run, chosen.images, chosen.predictions)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
            print(f"made and scored in {time.perf_counter() - started:.0f} s, peak {peak:.0f} MB")
        started = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", REPORT, str(run)], check=True, capture_output=True, text=True)
        seconds, (written, peak) = time.perf_counter() - started, done.stdout.split()
        size = (run / "report" / "report.html").stat().st_size / 1e6
        print(f"report of {chosen.images} images, raw and {len(ENHANCERS) - 1} enhancers: {written} files")
        print(f"wall {seconds:.1f} s (goal 60), peak {int(peak) / 1e3:.0f} MB (goal 2000), page {size:.1f} MB (goal 8)")


def make_run(run: Path, images: int, predictions: int) -> None:
    """Write the folder of a finished detection run: 5 boxes per image, predictions near them and at random."""
    rng = np.random.default_rng(0)
    truth = _truth(rng, images)
    write_atomic(run / "truth.json", json.dumps(truth) + "\n")
    matches: dict[str, CellMatches] = {}
    rows = []
    for index, enhancer in enumerate(ENHANCERS):
        key, predicted = f"{index:016x}", _predictions(rng, truth, predictions, noise=6 + index % 4)
        scored = evaluate(truth, predicted)
        curves = {"recall": scored.curves.recall, "precision": {"all": scored.curves.mean} | scored.curves.per_class}
        folder = run / "cells" / key
        write_atomic(folder / "predictions.json", json.dumps(predicted) + "\n")
        write_atomic(folder / "matches.npz", scored.matches.to_bytes())
        write_atomic(folder / "curves.json", json.dumps(curves) + "\n")
        lines = [_luminances(rng, truth, image["id"]) for image in truth["images"]] if enhancer == "raw" else []
        write_atomic(folder / "images.jsonl", "".join(lines))
        matches[enhancer] = scored.matches
        rows.append(
            replace(
                _row(key, enhancer, images),
                metrics=scored.metrics,
                per_class=scored.per_class,
                by_attribute=slice_metrics(scored.matches, attributes_of(truth)),
            )
        )
    others = {name: cell for name, cell in matches.items() if name != "raw"}
    compared = compare(matches["raw"], others, attributes_of(truth), EXDARK_CLASSES, seed=0, replicates=100)
    rows = [
        replace(
            row,
            delta=compared[row.enhancer].delta,
            delta_per_class=compared[row.enhancer].delta_per_class,
            delta_by_attribute=compared[row.enhancer].delta_by_attribute,
        )
        if row.enhancer in compared
        else row
        for row in rows
    ]
    write_errors(run, rows, seed=0, replicates=1000)
    _gallery(run, rng, rows)
    size = {"height": HEIGHT, "width": WIDTH, "device": "CPU (made up)", "threads": 1, "model_ms": 40.0}
    costs = {
        row.key: size | {"parameters": 10**k, "macs": 10**9, "enhancer_ms": 2.0**k, "memory": 10**8}
        for k, row in enumerate(rows)
    }
    write_atomic(run / "costs.json", to_json(costs))
    tones = {row.key: [(level / 255) ** (1 / (1 + k / 5)) for level in range(256)] for k, row in enumerate(rows[1:])}
    write_atomic(run / "tones.json", to_json(tones))
    write_atomic(run / "manifest.json", to_json({"config": {"replicates": 100}, "study": {}}))
    write_atomic(run / "results.jsonl", "".join(row.to_json() + "\n" for row in rows))


def _truth(rng: np.random.Generator, images: int) -> dict[str, Any]:
    annotations = []
    for image in range(1, images + 1):
        for _ in range(int(rng.integers(1, 10))):
            width, height = (float(side) for side in rng.uniform(20, 300, 2))
            box = [float(rng.uniform(0, WIDTH - width)), float(rng.uniform(0, HEIGHT - height)), width, height]
            category = int(rng.integers(1, len(EXDARK_CLASSES) + 1))
            annotations.append(
                {"id": len(annotations) + 1, "image_id": image, "category_id": category, "bbox": box}
                | {"area": width * height, "iscrowd": 0}
            )
    return {
        "images": [
            {"id": number, "file_name": f"2015_{number:05d}.jpg", "width": WIDTH, "height": HEIGHT}
            | {"attributes": {"lighting": LIGHTING[number % 10], "place": ("indoor", "outdoor")[number % 2]}}
            for number in range(1, images + 1)
        ],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(EXDARK_CLASSES, start=1)],
    }


def _predictions(rng: np.random.Generator, truth: dict[str, Any], most: int, noise: float) -> list[dict[str, Any]]:
    """Return shifted objects plus random boxes with low scores; best first within an image."""
    by_image: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in truth["images"]}
    for each in truth["annotations"]:
        box = (np.array(each["bbox"]) + rng.normal(0, noise, 4)).clip(1).tolist()
        by_image[each["image_id"]].append(
            {
                "image_id": each["image_id"],
                "category_id": each["category_id"],
                "bbox": box,
                "score": float(rng.beta(4, 2)),
            }
        )
    for image, results in by_image.items():
        boxes = rng.uniform(5, 300, (most - len(results), 4)).tolist()
        kinds = rng.integers(1, len(EXDARK_CLASSES) + 1, len(boxes)).tolist()
        scores = (rng.beta(1, 8, len(boxes)) + 0.001).tolist()
        results += [
            {"image_id": image, "category_id": kind, "bbox": box, "score": score}
            for box, kind, score in zip(boxes, kinds, scores, strict=True)
        ]
        results.sort(key=lambda each: -each["score"])
    return [each for results in by_image.values() for each in results]


def _luminances(rng: np.random.Generator, truth: dict[str, Any], image: int) -> str:
    count = sum(each["image_id"] == image for each in truth["annotations"][(image - 1) : image * 10])
    return json.dumps({"image_id": image, "luminance": rng.uniform(0, 90, count).tolist()}) + "\n"


def _row(key: str, enhancer: str, images: int) -> ResultRow:
    return ResultRow(
        key=key,
        status="ok",
        task="detection",
        protocol="frozen",
        dataset="exdark",
        split="test",
        dataset_fingerprint="0" * 64,
        partial=False,
        images=images,
        skipped=[],
        classes=list(EXDARK_CLASSES),
        model="ultralytics:made-up.pt",
        model_fingerprint="0" * 64,
        inference={},
        enhancer=enhancer,
        enhancer_fingerprint=key,
        darken=None,
        seed=0,
        metric_version=1,
    )


def _gallery(run: Path, rng: np.random.Generator, rows: list[ResultRow]) -> None:
    """Write six images per enhancer and a common one; one in six has 12 megapixels."""

    def picture(name: str, large: bool) -> str:
        if not (run / "gallery" / name).exists():
            smooth = np.kron(rng.integers(0, 90, (9, 12, 3)), np.ones((76, 86, 1)))
            noisy = (smooth + rng.integers(0, 10, smooth.shape)).astype(np.uint8)
            write_image(run / "gallery" / name, np.kron(noisy, np.ones((4 if large else 1,) * 2 + (1,), np.uint8)))
        return name

    def entry(row: ResultRow, image: int, gain: float) -> dict[str, Any]:
        names = {"raw": f"raw/{image}.jpg", "enhanced": f"{row.key}/{image}.jpg"}
        return {"enhancer": row.enhancer, "key": row.key, "image_id": image, "gain": gain} | {
            side: picture(name, image % 6 == 0) for side, name in names.items()
        }

    others = rows[1:]
    images = [
        entry(row, k + 7 * index, g) for index, row in enumerate(others) for k, g in enumerate((3, 2, 1, -3, -2, -1), 1)
    ]
    common = [entry(row, 1, 0.0) for row in others]
    write_atomic(run / "gallery" / "index.json", to_json({"images": images, "common": common}))


if __name__ == "__main__":
    main()
