"""AP and time of one detector in several file formats, on one data set.

Give the checkpoint first, then its exports (``sgz-bench`` exports nothing of the kind; ``yolo export`` does):

    python benchmarks/speed/formats.py --dataset yolo --root coco128 --split val2017 yolov8n.pt ultralytics:yolov8n.onnx

Every model detects on the same images, one by one. Times are medians per image, without reading the image.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from bench import Page, finish, options

from sgz_bench.core.device import cpu_threads
from sgz_bench.core.errors import UserError
from sgz_bench.core.images import read_image
from sgz_bench.tasks.detection.datasets.catalog import load_dataset
from sgz_bench.tasks.detection.metrics import evaluate
from sgz_bench.tasks.detection.metrics.truth import coco_truth
from sgz_bench.tasks.detection.models import create_detector
from sgz_bench.tasks.detection.models.base import Detector
from sgz_bench.tasks.detection.types import DetectionDataset

_HEAD = "| model | AP | AP50 | ms per image | settings inside |\n|---|--:|--:|--:|---|"


def main() -> None:
    """Measure every model and print one table."""
    parser = options(__doc__)
    parser.add_argument("--dataset", default="nightscene", help="data set, as for sgz-bench detect")
    parser.add_argument("--root", type=Path, help="folder of the data set")
    parser.add_argument("--split", help="split of the data set")
    parser.add_argument("models", nargs="*", default=["nightscene-yolo"], help="specs, as for sgz-bench detect")
    chosen = parser.parse_args()
    dataset = load_dataset(chosen.dataset, chosen.root, chosen.split, 4 if chosen.quick else None)
    page = Page("One detector in several formats")
    rows = []
    with cpu_threads(chosen.threads):
        for spec in chosen.models:
            try:
                rows.append(_row(dataset, spec, create_detector(spec)))
            except UserError as error:
                rows.append(f"| {spec} | | | | refused: {error} |")
            print(rows[-1], flush=True)
    page.note(f"{dataset.name} {dataset.split or ''}, {len(dataset.samples)} images, {chosen.threads} threads.")
    page.note("\n".join([_HEAD, *rows]))
    finish(page, chosen)


def _row(dataset: DetectionDataset, spec: str, detector: Detector) -> str:
    """Return a model's line of the table."""
    ids = {name: index for index, name in enumerate(dataset.class_names, start=1)}
    known = [ids.get(name) for name in detector.class_names]
    predictions, seconds = [], []
    sample = [read_image(each.path) for each in dataset.samples[: detector.batch]]
    detector.predict(sample)  # warm up
    for begin in range(0, len(dataset.samples), detector.batch):
        batch = dataset.samples[begin : begin + detector.batch]
        pixels = [read_image(each.path) for each in batch]
        start = time.perf_counter()
        answers = detector.predict(pixels)
        seconds += [(time.perf_counter() - start) / len(batch)]
        for each, found in zip(batch, answers, strict=True):
            for (left, top, right, bottom), score, index in zip(
                found.boxes.tolist(), found.scores.tolist(), found.class_ids.tolist(), strict=True
            ):
                if known[index] is not None:
                    box = [left, top, right - left, bottom - top]
                    predictions.append({"image_id": each.id, "category_id": known[index], "bbox": box, "score": score})
    metrics = evaluate(coco_truth(dataset), predictions).metrics
    return (
        f"| {spec.rpartition('/')[2]} | {metrics['AP']:.3f} | {metrics['AP50']:.3f} | "
        f"{1000 * statistics.median(seconds):.0f} | {'; '.join(detector.notes)} |"
    )


if __name__ == "__main__":
    main()
