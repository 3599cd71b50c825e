"""Scoring of one detection row, and of eight rows in one process, against pycocotools."""

from __future__ import annotations

import math
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
from bench import Line, Page, finish, in_turn, options
from scenes import IMAGES, make_predictions, make_truth, run_pycocotools

from sgz_bench.tasks.detection.metrics import evaluate

STATS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
PEAK = """
import re, sys
from scenes import make_predictions, make_truth
from sgz_bench.tasks.detection.metrics import evaluate
truth = make_truth(int(sys.argv[1]))
matches = [evaluate(truth, make_predictions(truth, 100, seed)).matches for seed in range(int(sys.argv[2]))]
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1e3)
"""


def main() -> None:
    """Measure times, outputs and memory."""
    chosen = options(__doc__).parse_args()
    images = 100 if chosen.quick else IMAGES
    page = Page("Evaluation of detections")
    truth = make_truth(images)
    predictions = make_predictions(truth, 100)
    theirs, fast, ours = in_turn(
        partial(run_pycocotools, truth, predictions),
        partial(run_pycocotools, truth, predictions, faster=True),
        partial(evaluate, truth, predictions),
        seconds=1,
    )
    oracle = run_pycocotools(truth, predictions).stats.tolist()
    ours_stats = [evaluate(truth, predictions).metrics[name] for name in STATS]
    same = "all 12 numbers, to the bit" if ours_stats == oracle else "NO"
    size = f"{images:,} images, 12 classes, 100 detections each"
    page.add(Line(size, "pycocotools", theirs, ours, same, 8))
    others = run_pycocotools(truth, predictions, faster=True).stats[:12]
    off = np.abs(np.array(others) - oracle).max()
    page.add(Line(f"{size}, faster-coco-eval instead of ours", "pycocotools", theirs, fast, f"within {off:.1g}"))
    page.note("Our time includes VOC matching and the matches that bootstrap and slices use; the others do not.")

    for what, sizes in (("images", (images // 4, images // 2, images)), ("detections per image", (25, 50, 100))):
        times = []
        for size_of in sizes:
            known = make_truth(size_of if what == "images" else images // 4)
            predicted = make_predictions(known, 100 if what == "images" else size_of)
            times.append(in_turn(partial(evaluate, known, predicted), seconds=1)[0])
        slope = math.log(times[-1] / times[0]) / math.log(sizes[-1] / sizes[0])
        summary = ", ".join(f"{each}: {1000 * time:.0f} ms" for each, time in zip(sizes, times, strict=True))
        page.note(f"Time against {what}: {summary}; slope {slope:.2f} (1 is linear).")

    peaks = []
    for rows in (1, 8):
        command = [sys.executable, "-c", PEAK, str(images), str(rows)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
        peaks.append(float(done.stdout))
    page.note(
        f"Peak memory of a process that scores 1 row and keeps its matches: {peaks[0]:,.0f} MB; 8 rows:"
        f" {peaks[1]:,.0f} MB (goal: below 2,000)."
    )
    finish(page, chosen)


if __name__ == "__main__":
    main()
