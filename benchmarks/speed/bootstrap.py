"""Paired bootstrap of AP and AP50: one resample from cached matches against one ``accumulate`` of pycocotools.

The baseline is ``COCOeval.accumulate`` for area "all" and 100 detections, with its evaluation done beforehand.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import time
from functools import partial

import numpy as np
import numpy_precision
from bench import Line, Page, finish, in_turn, options
from scenes import IMAGES, make_predictions, make_truth, run_pycocotools

from sgz_bench.benchmarks.statistics import compare, resample_weights
from sgz_bench.core.text import pluralize
from sgz_bench.tasks.detection.metrics import average_precision, evaluate

LIGHTING = ("Low", "Ambient", "Object", "Single", "Weak", "Strong", "Screen", "Window", "Shadow", "Twilight")


def main() -> None:
    """Time both and compare their outputs."""
    chosen = options(__doc__).parse_args()
    images, replicates = (100, 200) if chosen.quick else (IMAGES, 1000)
    page = Page("Bootstrap")
    truth = make_truth(images)
    rows = [make_predictions(truth, 100, seed) for seed in range(2)]
    tables = [evaluate(truth, row).matches.coco for row in rows]
    run = run_pycocotools(truth, rows[0])
    run.params.areaRng, run.params.areaRngLbl, run.params.maxDets = run.params.areaRng[:1], ["all"], [100]
    n_images, n_classes = len(truth["images"]), len(truth["categories"])
    run.evalImgs = [each for k in range(n_classes) for each in run.evalImgs[4 * k * n_images : (4 * k + 1) * n_images]]
    run._paramsEval.areaRng = run.params.areaRng

    def accumulate() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            run.accumulate()

    weights = resample_weights(images, replicates, seed=0)
    for table in tables:
        average_precision(table, weights[:2])
    in_numpy = replicates // 20

    def compiled(threads: int) -> None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
        average_precision(tables[0], weights)

    theirs, slow, alone, ours = in_turn(
        accumulate,
        lambda: numpy_precision.average_precision(tables[0], weights[:in_numpy]),
        partial(compiled, 1),
        partial(compiled, chosen.threads),
        seconds=2,
    )
    fast, plain = (
        each(tables[0], weights[:in_numpy]) for each in (average_precision, numpy_precision.average_precision)
    )
    once = average_precision(tables[0], np.ones((1, images), dtype=np.int32))[0].mean(axis=1)
    accumulate()
    oracle = run.eval["precision"][..., 0, -1].mean(axis=(0, 1))
    whole = np.abs(once - oracle).max()
    agreement = f"the whole set within {whole:.1g} of pycocotools"
    bits = "NumPy's bits" if fast.tobytes() == plain.tobytes() else "NOT NumPy's bits"
    what = f"one resample of {images:,} images, 256,300 detections" if not chosen.quick else "one resample"
    page.add(Line(f"{what}, NumPy", "pycocotools accumulate", theirs, slow / in_numpy, agreement, 50))
    for threads, taken in {1: alone, chosen.threads: ours}.items():
        way = f"{what}, compiled, {pluralize(threads, 'thread')}"
        page.add(Line(way, "pycocotools accumulate", theirs, taken / replicates, f"{bits}; {agreement}", 300))
    page.note(
        f"So {replicates:,} paired replicates (raw and one enhancer, AP and AP50 of every class) take"
        f" {2 * ours:.2f} s; with `accumulate` they would take {2 * replicates * theirs:,.0f} s."
    )

    sizes = (images // 4, images // 2, images)
    times = []
    for size in sizes:
        known = make_truth(size)
        table = evaluate(known, make_predictions(known, 100)).matches.coco
        times.append(in_turn(partial(average_precision, table, resample_weights(size, 200, seed=0)), seconds=1)[0])
    slope = math.log(times[-1] / times[0]) / math.log(sizes[-1] / sizes[0])
    summary = ", ".join(f"{size:,}: {1000 * each:.0f} ms" for size, each in zip(sizes, times, strict=True))
    page.note(f"200 resamples against images: {summary}; slope {slope:.2f} (1 is linear).")

    raw, *others = [evaluate(truth, make_predictions(truth, 100, seed)).matches for seed in range(5)]
    attributes = {"lighting": [LIGHTING[index % len(LIGHTING)] for index in range(images)]}
    names = [each["name"] for each in truth["categories"]]
    times = []
    for count in (1, 2, 4):
        cells = {str(index): cell for index, cell in enumerate(others[:count])}
        start = time.perf_counter()
        compare(raw, cells, attributes, names, seed=0, replicates=replicates)
        times.append(time.perf_counter() - start)
    slope = math.log(times[-1] / times[0]) / math.log(4)
    summary = ", ".join(f"{count}: {each:.1f} s" for count, each in zip((1, 2, 4), times, strict=True))
    page.note(
        f"All statistics ({replicates:,} resamples of AP and VOC AP50 by class and by ten slices, and as many"
        f" groups of images left out) against enhancers: {summary}; slope {slope:.2f}, below 1 because the raw row is"
        " shared."
    )
    finish(page, chosen)


if __name__ == "__main__":
    main()
