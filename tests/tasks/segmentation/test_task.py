"""Empty truth and empty predictions of a segmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from sgz_bench.tasks.label_space import LabelSpace
from sgz_bench.tasks.segmentation.task import SegmentationTask


def test_maps_that_are_void_all_over_are_no_truth(camvid_folder: Path) -> None:
    task = SegmentationTask()

    def space() -> LabelSpace:  # type: ignore[type-arg]
        dataset = task.load("camvid", camvid_folder, "test")
        return LabelSpace(dataset, np.arange(len(dataset.class_names)), (0, 1))

    assert task.labelled(space())
    for path in (camvid_folder / "testannot").iterdir():
        with Image.open(path) as image:
            void = Image.new("L", image.size, 11)
        void.save(path)
    assert not task.labelled(space())
    for path in (camvid_folder / "testannot").iterdir():
        path.write_bytes(path.read_bytes()[:60])  # the run names them
    assert task.labelled(space())


def test_predictions_outside_the_scored_classes_are_none(camvid_folder: Path) -> None:
    task = SegmentationTask()
    dataset = task.load("camvid", camvid_folder, "test")
    space = LabelSpace(dataset, np.arange(len(dataset.class_names)), (0, 1))
    nothing = {"confusion": [[0, 0, 9], [0, 0, 4]]}
    assert not task.predicted(space, {1: nothing, 2: nothing})
    assert task.predicted(space, {1: nothing, 2: {"confusion": [[0, 0, 9], [1, 0, 3]]}})
    assert task.predicted(space, {1: {}})  # withheld truth
