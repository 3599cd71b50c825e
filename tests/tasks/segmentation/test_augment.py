"""Crops and photometric changes, against slicing by hand."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from sgz_bench.tasks.segmentation.augment import Augmentation, augment

PLAIN = {"gain": (1, 1), "saturation": (1, 1), "scale": (1, 1), "flip": False}


def _picture(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return image, np.arange(height * width, dtype=np.uint32).reshape(height, width).astype(np.uint8) % 200


def test_nothing_asked_for_nothing_changed() -> None:
    image, labels = _picture(64, 96)
    changed, kept = augment(image, labels, Augmentation(height=64, width=96, **PLAIN), np.random.default_rng(0))
    np.testing.assert_allclose(changed, image / 255, atol=1e-6)
    np.testing.assert_array_equal(kept, labels)


def test_mirroring_turns_image_and_labels_alike() -> None:
    image, labels = _picture(64, 96)
    how = Augmentation(height=64, width=96, **(PLAIN | {"flip": True}))
    seen = set()
    for seed in range(8):
        changed, kept = augment(image, labels, how, np.random.default_rng(seed))
        mirrored = bool((kept == labels[:, ::-1]).all())
        expected = image[:, ::-1] if mirrored else image
        np.testing.assert_allclose(changed, expected / 255, atol=1e-6)
        np.testing.assert_array_equal(kept, labels[:, ::-1] if mirrored else labels)
        seen.add(mirrored)
    assert seen == {True, False}


def test_a_crop_is_a_piece_of_the_image_with_the_labels_of_that_piece() -> None:
    # Values that say where a pixel was: red the column, green the row; labels the column.
    row, column = np.mgrid[:128, :160].astype(np.uint8)
    image = np.stack([column, row, row], axis=-1)
    how = Augmentation(height=32, width=64, **PLAIN)
    corners = set()
    for seed in range(5):
        crop, labels = augment(image, column, how, np.random.default_rng(seed))
        columns = crop[..., 0] * 255
        np.testing.assert_allclose(np.diff(columns, axis=1), 1, atol=0.05)  # neighbours stay neighbours
        np.testing.assert_allclose(np.diff(crop[..., 1] * 255, axis=0), 1, atol=0.05)
        assert np.abs(labels - columns).max() <= 0.55  # nearest against bilinear
        corners.add((round(float(columns[0, 0])), round(float(crop[0, 0, 1] * 255))))
    assert len(corners) > 1


def test_half_the_scale_shows_twice_as_much() -> None:
    column = np.broadcast_to(np.arange(128, dtype=np.uint8)[None, :], (64, 128)).copy()
    image = np.repeat(column[..., None], 3, axis=2)
    how = Augmentation(height=32, width=64, **(PLAIN | {"scale": (0.5, 0.5)}))
    crop, labels = augment(image, column, how, np.random.default_rng(0))
    np.testing.assert_allclose(np.diff(crop[..., 0] * 255, axis=1), 2, atol=0.05)
    assert np.abs(labels - crop[..., 0] * 255).max() <= 0.55


def test_what_lies_outside_the_image_is_void() -> None:
    image, labels = _picture(32, 32)
    _, padded = augment(image, labels % 5, Augmentation(height=64, width=64, **PLAIN), np.random.default_rng(0))
    inside = padded != 255
    assert inside.sum() == 32 * 32
    np.testing.assert_array_equal(padded[inside].reshape(32, 32), labels % 5)


def test_gain_gamma_and_saturation_by_arithmetic() -> None:
    image = np.full((32, 32, 3), (51, 102, 153), np.uint8)
    labels = np.zeros((32, 32), np.uint8)
    how = {"height": 32, "width": 32, "scale": (1, 1), "flip": False}
    crop, _ = augment(
        image, labels, Augmentation(**how, gain=(2, 2), saturation=(0.5, 0.5), gamma=(2, 2)), np.random.default_rng(0)
    )
    # ×2: .4 .8 1.2; half-way to their mean .8: .6 .8 1.0; squared
    np.testing.assert_allclose(crop[5, 5], [0.36, 0.64, 1.0], atol=1e-5)


def test_the_same_generator_gives_the_same_crop() -> None:
    image, labels = _picture(80, 90)
    how = Augmentation(height=64, width=64, noise=0.1, tint=(0.9, 1.1), gamma=(0.5, 2))
    first, second, third = (augment(image, labels, how, np.random.default_rng(seed))[0] for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)


@pytest.mark.parametrize("wrong", [{"height": 100}, {"scale": "2,1"}, {"gain": "0,1"}, {"noise": -1}, {"hue": 1}])
def test_a_strange_setting_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Augmentation.model_validate(wrong)


def test_a_range_is_read_from_text() -> None:
    assert Augmentation.model_validate({"scale": "0.5,1.5"}).scale == (0.5, 1.5)
