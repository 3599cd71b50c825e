"""Checks of the scene renderer: determinism, exact truth, coverage of classes and lightings."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
import pytest

from sgz_bench.tasks.nightscene import CITYSCAPES, CLASSES, LIGHTING, Frame, render_frame

KINDS = ("street", "room", "waterside")


@lru_cache(maxsize=1)
def frames() -> tuple[Frame, ...]:
    """Sixty small frames: each kind of scene under each lighting, twice."""
    return tuple(
        render_frame(5, i, width=320, height=192, kind=KINDS[i % 3], lighting=LIGHTING[i // 3 % 10]) for i in range(60)
    )


def digest(frame: Frame) -> str:
    h = hashlib.sha256()
    for a in (frame.bright, frame.night, frame.boxes, frame.class_ids, frame.visible, frame.labels, frame.instances):
        h.update(np.ascontiguousarray(a).tobytes())
    return h.hexdigest()


def test_same_arguments_same_frame() -> None:
    np.random.seed(1)  # noqa: NPY002 -- global state must not matter
    first = digest(render_frame(11, 4, width=320, height=192))
    np.random.seed(2)  # noqa: NPY002 -- global state must not matter
    render_frame(11, 5, width=320, height=192)
    assert digest(render_frame(11, 4, width=320, height=192)) == first
    assert digest(render_frame(12, 4, width=320, height=192)) != first


def test_boxes_are_the_extents_of_the_instances() -> None:
    for frame in frames():
        n = len(frame.boxes)
        assert frame.class_ids.shape == frame.visible.shape == (n,)
        assert set(np.unique(frame.instances)) - {0} == set(range(1, n + 1))
        for row in range(n):
            ys, xs = np.nonzero(frame.instances == row + 1)
            expected = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            assert frame.boxes[row].tolist() == [float(v) for v in expected]
            assert min(expected[2] - expected[0], expected[3] - expected[1]) >= 6
            assert 0.15 <= frame.visible[row] <= 1.0


def test_labels_are_train_ids_on_streets_only() -> None:
    seen: set[int] = set()
    for frame in frames():
        ids = set(np.unique(frame.labels).tolist())
        assert ids <= {*range(len(CITYSCAPES)), 255}
        if frame.kind == "street":
            seen |= ids
            assert {0, 1} <= ids  # road and sidewalk are always there
        else:
            assert ids == {255}
    assert len(seen - {255}) >= 15


def test_labels_agree_with_the_boxes() -> None:
    train = {"Car": {13}, "Bus": {15}, "Bicycle": {18}, "Motorbike": {17}, "People": {11, 12}}
    for frame in frames():
        if frame.kind == "street":
            for row, c in enumerate(frame.class_ids):
                expected = train.get(CLASSES[c], {255})
                assert set(np.unique(frame.labels[frame.instances == row + 1]).tolist()) <= expected


def test_everything_occurs() -> None:
    classes = {int(c) for f in frames() for c in f.class_ids}
    assert classes == set(range(len(CLASSES)))
    drawn = [render_frame(3, i, width=96, height=64) for i in range(60)]
    assert {f.kind for f in drawn} == set(KINDS)
    assert {f.lighting for f in drawn} == set(LIGHTING)
    assert all(f.indoor == (f.kind == "room") for f in drawn)


def test_bright_is_brighter_than_night() -> None:
    for frame in frames():
        assert frame.bright.dtype == np.uint8
        assert frame.night.dtype == np.float32
        assert np.isfinite(frame.night).all()
        assert frame.night.min() >= 0
        assert frame.night.max() <= 1
        day = (frame.bright / 255.0) ** 2.2
        assert np.median(day) > 1.2 * np.median(frame.night)
        assert day.mean() > 0.8 * frame.night.mean()  # a strong lamp may glare


@pytest.mark.parametrize(("width", "height"), [(320, 192), (640, 384), (200, 300)])
def test_size(width: int, height: int) -> None:
    frame = render_frame(1, 2, width=width, height=height)
    assert frame.bright.shape == frame.night.shape == (height, width, 3)
    assert frame.labels.shape == frame.instances.shape == (height, width)
    if len(frame.boxes):
        assert frame.boxes.min() >= 0
        assert frame.boxes[:, 2].max() <= width
        assert frame.boxes[:, 3].max() <= height


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="kind"):
        render_frame(0, 0, kind="moon")
    with pytest.raises(ValueError, match="lighting"):
        render_frame(0, 0, lighting="Noon")
    with pytest.raises(ValueError, match="too small"):
        render_frame(0, 0, width=10, height=10)
