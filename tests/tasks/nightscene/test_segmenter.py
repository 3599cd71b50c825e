"""The small segmenter that ships."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np

from sgz_bench.tasks.classes import CITYSCAPES_CLASSES
from sgz_bench.tasks.models import file_fingerprint
from sgz_bench.tasks.nightscene import render_frame
from sgz_bench.tasks.segmentation.models import create_segmenter

WEIGHTS = Path(str(files("sgz_bench.tasks.nightscene").joinpath("weights")))


def test_it_is_small_and_knows_cityscapes_classes() -> None:
    assert (WEIGHTS / "nightscene-fpn.safetensors").stat().st_size <= 3_000_000
    assert create_segmenter("nightscene-fpn").class_names == CITYSCAPES_CLASSES


def test_its_model_card_is_about_these_weights() -> None:
    assert file_fingerprint(WEIGHTS / "nightscene-fpn.safetensors") in (WEIGHTS / "README.md").read_text("utf-8")


def test_it_sees_streets_of_a_world_that_it_was_not_trained_on() -> None:
    segmenter = create_segmenter("nightscene-fpn")
    right, scored = 0, 0
    for index in range(3):
        frame = render_frame(55, index, kind="street")
        found = segmenter.predict([frame.bright])[0].labels
        there = frame.labels != 255
        right += int((found == frame.labels)[there].sum())
        scored += int(there.sum())
    assert right / scored > 0.85  # .94 over the 119 streets of seed 7


def test_a_dark_frame_is_not_nothing_to_it() -> None:
    """It must not answer with one class, or no enhancer could make a difference."""
    frame = render_frame(55, 0, kind="street")
    dark = (np.sqrt(frame.night) * 90).astype(np.uint8)
    assert len(np.unique(create_segmenter("nightscene-fpn").predict([dark])[0].labels)) >= 5
