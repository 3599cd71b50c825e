"""Physical low-light model: darkens well-lit pictures as if a camera had taken them with less light."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields
from functools import cache
from io import BytesIO
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import Image
from sgz_bench.core.parameters import integer, number
from sgz_bench.core.registry import suggest
from sgz_bench.core.specs import Spec, parse_spec

_RANGES = {
    "ev": (0.0, 16.0),
    "full_well": (1.0, 1e7),
    "read_noise": (0.0, 1e4),
    "red": (0.0, 4.0),
    "green": (0.0, 4.0),
    "blue": (0.0, 4.0),
}


@dataclass(frozen=True)
class Darken:
    """Exposure, shot noise, read noise, white-balance shift and 8-bit sRGB quantisation.

    electrons = Poisson(linear · gain · 2^−ev · full_well) + Normal(0, read_noise). The result is electrons / full_well,
    clipped to [0, 1], sRGB-encoded and rounded to 8 bits. EV 0 still adds noise.

    Attributes:
        ev: stops of underexposure in [0, 16].
        full_well: electrons at full scale.
        read_noise: standard deviation in electrons.
        red, green, blue: channel gains; the defaults shift the white balance as a warm night light does.
        seed: of the noise.
        jpeg: JPEG quality in [1, 100] of a final compression; 0: no compression.

    Raises:
        UserError: a value out of range.
    """

    ev: float = 3.0
    full_well: float = 4000.0
    read_noise: float = 3.0
    red: float = 1.0
    green: float = 0.92
    blue: float = 0.80
    seed: int = 0
    jpeg: int = 0
    version: ClassVar[int] = 1  # raise it when the same settings give other pixels

    def __post_init__(self) -> None:
        for key, (low, high) in _RANGES.items():
            object.__setattr__(self, key, number("darken", key, getattr(self, key), low, high))
        for key, high in (("seed", 2**63 - 1), ("jpeg", 100)):
            object.__setattr__(self, key, integer("darken", key, getattr(self, key), 0, high))

    @property
    def spec(self) -> str:
        """Canonical spec text with every parameter, such as ``darken(blue=0.8,ev=3,…)``."""
        return str(Spec.of("darken", asdict(self)))

    def __call__(self, image: Image, key: str) -> Image:
        """Darken RGB ``(H, W, 3)`` uint8; the noise depends on ``key`` and ``seed`` alone, not on call order."""
        digest = hashlib.sha256(f"{self.seed} {key}".encode()).digest()
        return self.expose(linear_light(image), np.random.default_rng(list(digest)))

    def expose(self, linear: NDArray[np.float32], rng: np.random.Generator) -> Image:
        """Apply the sensor model: linear-light RGB ``(H, W, 3)`` in [0, 1] to 8-bit sRGB."""
        gains = np.array([self.red, self.green, self.blue], dtype=np.float32)
        electrons = rng.poisson(linear * (gains * np.float32(2.0**-self.ev * self.full_well))).astype(np.float32)
        if self.read_noise:
            electrons += rng.standard_normal(electrons.shape, dtype=np.float32) * np.float32(self.read_noise)
        image = _to_srgb(electrons / np.float32(self.full_well))
        return _through_jpeg(image, self.jpeg) if self.jpeg else image


def parse_darken(text: str, *, seed: int = 0) -> Darken:
    """Parse settings such as ``"ev=3,read_noise=5"``, or the canonical ``"darken(ev=3,…)"``.

    Args:
        text: settings; missing ones keep their defaults.
        seed: seed if the text sets none.

    Raises:
        UserError: unknown setting, or a value out of range.
    """
    spec = parse_spec(text if "(" in text else f"darken({text})")
    known = [field.name for field in fields(Darken)]
    if spec.name != "darken":
        raise UserError(f"--darken {text!r}: write settings such as ev=3,read_noise=5, or darken(ev=3)")
    for key in spec.kwargs:
        if key not in known:
            raise UserError(f"--darken {text!r}: unknown setting {key!r}{suggest(key.lower(), known)}")
    return Darken(**({"seed": seed} | spec.kwargs))  # type: ignore[arg-type]


def _linear(encoded: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the linear light of encoded sRGB values in [0, 1] (IEC 61966-2-1)."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype(np.float32)


def linear_light(image: Image) -> NDArray[np.float32]:
    """Return the linear light in [0, 1] of 8-bit sRGB, same shape."""
    return _to_linear()[image]


@cache
def _to_linear() -> NDArray[np.float32]:
    """Return the linear light of each 8-bit level, ``(256,)``."""
    return _linear(np.arange(256) / 255)


_BINS = 4096  # each narrower than the narrowest level, so that a bin holds at most one threshold


@cache
def _levels() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the level at the start of each bin of linear light, and the linear light at which level + 1 starts."""
    thresholds = np.append(_linear((np.arange(255) + 0.5) / 255), np.float32(np.inf))
    starts = np.arange(_BINS + 1, dtype=np.float32) / _BINS
    return np.searchsorted(thresholds, starts, side="right").astype(np.uint8), thresholds


def _to_srgb(linear: NDArray[np.float32]) -> Image:
    """Clip, encode and round to 8 bits, exactly: by comparison with the thresholds between levels."""
    levels, thresholds = _levels()
    linear = np.clip(linear, 0, 1)
    below = levels[(linear * np.float32(_BINS)).astype(np.int32)]
    return below + (linear >= thresholds[below])


def _through_jpeg(image: Image, quality: int) -> Image:
    """Encode an image as JPEG and decode it again."""
    from PIL import Image as Pillow

    buffer = BytesIO()
    Pillow.fromarray(image).save(buffer, format="JPEG", quality=quality)
    return np.array(Pillow.open(buffer).convert("RGB"))
