"""Fitting images into model inputs, by hand arithmetic and against Ultralytics' own."""

from __future__ import annotations

import numpy as np
import pytest

from sgz_bench.tasks.images import clip_boxes, letterbox
from sgz_bench.tasks.types import Image


def picture(height: int, width: int) -> Image:
    return np.random.default_rng(0).integers(0, 100, (height, width, 3), dtype=np.uint8)  # below the padding's 114


def test_a_480_by_640_image_needs_no_padding_at_stride_32() -> None:
    fitted = letterbox(picture(480, 640), (640, 640), stride=32)
    assert fitted.image.shape == (480, 640, 3)
    assert (fitted.scale, fitted.left, fitted.top) == ((1.0, 1.0), 0, 0)


def test_a_full_input_is_padded_with_114_on_both_sides() -> None:
    fitted = letterbox(picture(480, 640), (640, 640))
    assert fitted.image.shape == (640, 640, 3)
    assert fitted.top == 80
    assert (fitted.image[:80] == 114).all()
    assert (fitted.image[560:] == 114).all()
    assert (fitted.image[80:560] < 100).all()


def test_yolox_truncates_the_size_and_pads_at_right_and_bottom() -> None:
    fitted = letterbox(picture(427, 640), (416, 416), corner=True)  # 427 · 416 / 640 = 277.55
    assert (fitted.left, fitted.top) == (0, 0)
    assert (fitted.image[:277] < 100).all()
    assert (fitted.image[277:] == 114).all()


@pytest.mark.parametrize("size", [(427, 640), (640, 427), (333, 500), (97, 1280), (1, 1), (20, 2000)])
def test_pixels_and_boxes_agree_with_ultralytics(size: tuple[int, int]) -> None:
    from sgz_bench.tasks.ultralytics import import_ultralytics

    import_ultralytics()
    from ultralytics.data.augment import LetterBox
    from ultralytics.utils.ops import scale_boxes

    image = picture(*size)
    fitted = letterbox(image, (640, 640), stride=32)
    theirs = LetterBox((640, 640), auto=True, stride=32)(image=image)
    np.testing.assert_array_equal(fitted.image, theirs)
    boxes = np.array([[10.0, 20.0, 200.0, 150.0], [0.0, 0.0, 640.0, 640.0]])
    expected = scale_boxes(fitted.image.shape[:2], boxes.copy(), size)
    np.testing.assert_allclose(clip_boxes(fitted.unmap(boxes), image), expected, atol=1e-9)
