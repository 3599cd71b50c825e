"""Confusion matrix of a 1920 × 1080 label map of 19 classes, against common implementations."""

from __future__ import annotations

import os

import cv2
import numpy as np
import torch
from bench import Line, Page, finish, in_turn, options
from torchmetrics.classification import MulticlassConfusionMatrix

from sgz_bench.core.text import pluralize
from sgz_bench.tasks.segmentation.metrics import confusion_matrix

K, VOID = 19, 255


def main() -> None:
    """Time all and compare their outputs."""
    chosen = options(__doc__).parse_args()
    torch.set_num_threads(chosen.threads)
    cv2.setNumThreads(chosen.threads)
    os.environ["OMP_NUM_THREADS"] = str(chosen.threads)  # ours reads its number of threads here
    height, width = (108, 192) if chosen.quick else (1080, 1920)
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, K + 1, (height // 32 + 1, width // 32 + 1)).astype(np.uint8)
    truth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST)
    answer = np.where(rng.random(truth.shape) < 0.2, rng.integers(0, K, truth.shape), np.minimum(truth, K - 1))
    truth, answer = np.where(truth == K, VOID, truth).astype(np.uint8), answer.astype(np.uint8)
    known, predicted = torch.from_numpy(truth).long(), torch.from_numpy(answer).long()
    metric = MulticlassConfusionMatrix(K, ignore_index=VOID, validate_args=False)

    def bincount() -> torch.Tensor:
        scored = known < K
        return torch.bincount(K * known[scored] + predicted[scored], minlength=K * K).reshape(K, K)

    def torchmetrics() -> torch.Tensor:
        metric.reset()
        metric.update(predicted[None], known[None])
        return metric.compute()

    def histogram() -> np.ndarray:
        return cv2.calcHist([truth, answer], [0, 1], None, [K, K], [0, K, 0, K])

    def ours() -> np.ndarray:
        return confusion_matrix(truth, answer, K)

    page = Page("Confusion matrix")
    *theirs, mine = in_turn(bincount, torchmetrics, histogram, ours, seconds=1)
    rivals = (("torch.bincount", bincount, 5), ("torchmetrics", torchmetrics, 15), ("OpenCV calcHist", histogram, None))
    for (name, way, goal), taken in zip(rivals, theirs, strict=True):
        same = "yes" if np.array_equal(ours()[:, :K], np.asarray(way()).astype(np.int64)) else "NO"
        page.add(
            Line(
                f"{width} × {height}, {K} classes, {pluralize(chosen.threads, 'thread')}", name, taken, mine, same, goal
            )
        )
    finish(page, chosen)


if __name__ == "__main__":
    main()
