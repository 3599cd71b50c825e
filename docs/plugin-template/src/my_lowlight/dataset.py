"""A detection data set."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from sgz_bench.tasks.datasets import choose
from sgz_bench.tasks.detection.types import DetectionDataset, Sample, Truth

SIDES = ("left", "top", "right", "bottom")


def load_csv(root: Path, split: str | None, limit: int | None = None) -> DetectionDataset:
    """Load a folder of images with SPLIT.csv, which has the columns file,class,left,top,right,bottom and a header."""
    split = split or "test"
    with (root / f"{split}.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    names = tuple(sorted({line["class"] for line in lines}))
    samples = []
    for name in sorted({line["file"] for line in lines}):
        own = [line for line in lines if line["file"] == name]
        boxes = np.array([[float(line[side]) for side in SIDES] for line in own])
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        class_ids = np.array([names.index(line["class"]) for line in own])
        truth = Truth(boxes, class_ids, areas, crowd=np.zeros(len(own), dtype=bool))
        with Image.open(root / name) as image:
            samples.append(Sample(0, Path(name).with_suffix("").as_posix(), root / name, *image.size, truth))
    chosen, problems, partial = choose(samples, limit)
    numbered = tuple(replace(sample, id=number) for number, sample in enumerate(chosen, start=1))  # ids begin at 1
    return DetectionDataset("my-csv", split, names, numbered, tuple(problems), partial=partial)
