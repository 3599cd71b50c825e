"""The low-light model against its formula worked out by hand."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Pillow

from sgz_bench.core.errors import UserError
from sgz_bench.enhancer.darken import Darken, parse_darken


def decoded(image: np.ndarray) -> np.ndarray:
    """Linear light of 8-bit sRGB, written out from IEC 61966-2-1."""
    level = image / 255.0
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)


def flat(level: int, size: int = 300) -> np.ndarray:
    return np.full((size, size, 3), level, dtype=np.uint8)


def noiseless(ev: float = 0.0, red: float = 1.0, green: float = 1.0, blue: float = 1.0) -> Darken:
    return Darken(ev=ev, full_well=1e7, read_noise=0.0, red=red, green=green, blue=blue)


def test_mean_of_a_flat_patch_is_the_gain_times_the_exposure() -> None:
    dark = decoded(Darken(ev=1.0, full_well=4000.0, read_noise=3.0)(flat(200), "patch"))

    light = ((200 / 255 + 0.055) / 1.055) ** 2.4  # 0.5776
    np.testing.assert_allclose(dark.mean((0, 1)), np.array([1.0, 0.92, 0.80]) * light / 2, rtol=2e-3)


def test_variance_of_a_flat_patch_is_shot_noise_plus_read_noise() -> None:
    dark = decoded(Darken(ev=1.0, full_well=400.0, read_noise=6.0)(flat(200), "patch"))

    light = ((200 / 255 + 0.055) / 1.055) ** 2.4
    electrons = np.array([1.0, 0.92, 0.80]) * light / 2 * 400
    # Rounding to 8 bits adds about 2e-6, under one percent of this.
    np.testing.assert_allclose(dark.var((0, 1)), (electrons + 6.0**2) / 400**2, rtol=0.03)


def test_a_full_well_without_end_and_no_loss_gives_the_image_back() -> None:
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)[..., None].repeat(3, axis=2)
    bright = image[4:]  # at ten million electrons the shot noise of the lightest levels is a tenth of a level

    np.testing.assert_array_equal(noiseless()(bright, "ramp"), bright)


def test_zero_stops_still_add_noise() -> None:
    assert Darken(ev=0.0, green=1.0, blue=1.0)(flat(128), "patch").std() > 0.5


@pytest.mark.parametrize("ev", [0.0, 1.0, 2.0])
def test_one_stop_halves_the_linear_mean(ev: float) -> None:
    image = np.random.default_rng(0).integers(150, 256, (200, 200, 3), dtype=np.uint8)
    brighter, darker = (decoded(noiseless(stops)(image, "a")).mean() for stops in (ev, ev + 1))

    assert brighter / darker == pytest.approx(2, rel=2e-3)


def test_encoding_is_the_srgb_curve_rounded_to_the_nearest_level() -> None:
    linear = np.linspace(0, 1, 3 * 4096, dtype=np.float32).reshape(64, 64, 3)
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.astype(np.float64) ** (1 / 2.4) - 0.055)

    seen = noiseless().expose(linear, np.random.default_rng(0))

    assert np.abs(seen - curve * 255).max() < 0.5 + 0.2  # 0.2: shot noise of ten million electrons


def test_noise_belongs_to_the_key_not_to_the_order() -> None:
    model = Darken()
    first, second = model(flat(90), "a"), model(flat(90), "b")

    np.testing.assert_array_equal(model(flat(90), "b"), second)
    np.testing.assert_array_equal(Darken()(flat(90), "a"), first)
    assert (first != second).any()


def test_another_seed_gives_other_noise() -> None:
    assert (Darken(seed=1)(flat(90), "a") != Darken(seed=2)(flat(90), "a")).any()


def test_the_input_is_left_as_it_was() -> None:
    image = flat(90)
    Darken()(image, "a")
    assert (image == 90).all()


def test_jpeg_quality_is_that_of_pillow() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    buffer = BytesIO()
    Pillow.fromarray(Darken(ev=1.0)(image, "a")).save(buffer, format="JPEG", quality=60)

    np.testing.assert_array_equal(Darken(ev=1.0, jpeg=60)(image, "a"), np.array(Pillow.open(buffer)))


def test_text_and_canonical_text_mean_the_same() -> None:
    model = parse_darken("ev=3,read_noise=5")

    assert model == Darken(ev=3.0, read_noise=5.0)
    assert model.spec == "darken(blue=0.8,ev=3,full_well=4000,green=0.92,jpeg=0,read_noise=5,red=1,seed=0)"
    assert parse_darken(model.spec) == model


def test_a_seed_in_the_text_wins_over_that_of_the_run() -> None:
    assert parse_darken("ev=3", seed=7).seed == 7
    assert parse_darken("ev=3,seed=9", seed=7).seed == 9


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ev=-1", "ev must be a number from 0 to 16, got -1"),
        ("ev=nan", "ev must be a number"),
        ("ev=dark", "got 'dark'"),
        ("full_well=0", "full_well must be a number from 1"),
        ("jpeg=101", "jpeg must be a whole number from 0 to 100"),
        ("seed=1.5", "seed must be a whole number"),
        ("EV=3", "did you mean 'ev'"),
        ("3", "key=value"),
        ("clahe()", "write settings such as ev=3"),
    ],
)
def test_a_bad_setting_is_named_with_what_is_allowed(text: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_darken(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
