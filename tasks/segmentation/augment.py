"""Random crops and photometric augmentation of a labelled image."""

from __future__ import annotations

import math
from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ..types import Image
from .types import VOID, Labels


def _split(value: Any) -> Any:
    """Parse a range of the command line, ``0.5,2``."""
    return value.split(",") if isinstance(value, str) else value


def _rising(value: tuple[float, float]) -> tuple[float, float]:
    if not 0 < value[0] <= value[1] < math.inf:
        raise ValueError("write LOW,HIGH with 0 < LOW ≤ HIGH")
    return value


Range = Annotated[tuple[float, float], BeforeValidator(_split), AfterValidator(_rising)]


class Augmentation(BaseModel):
    """Augmentation of an image for a batch; values are drawn uniformly from a range, and (1, 1) changes nothing.

    Attributes:
        height, width: of a crop, pixels; multiples of 32, the stride of most encoders.
        scale: resize factor before cropping; padding is void.
        flip: mirror with probability 0.5.
        gain: factor of the encoded values.
        gamma: exponent of the encoded values.
        saturation: factor of the distance from grey.
        tint: factor per channel.
        noise: largest standard deviation of added Gaussian noise, of full scale.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    height: int = Field(320, ge=32, multiple_of=32)
    width: int = Field(320, ge=32, multiple_of=32)
    scale: Range = (0.5, 2.0)
    flip: bool = True
    gain: Range = (0.8, 1.25)
    gamma: Range = (1.0, 1.0)
    saturation: Range = (0.8, 1.25)
    tint: Range = (1.0, 1.0)
    noise: float = Field(0.0, ge=0, le=1)


def augment(
    image: Image, labels: Labels, settings: Augmentation, rng: np.random.Generator
) -> tuple[NDArray[np.float32], Labels]:
    """Return a ``(height, width, 3)`` float32 crop in [0, 1] and its ``(height, width)`` labels, VOID in padding."""
    crop, labels = _crop(image, labels, settings, rng)
    return _photometric(crop.astype(np.float32) / np.float32(255), settings, rng), labels


def _crop(image: Image, labels: Labels, settings: Augmentation, rng: np.random.Generator) -> tuple[Image, Labels]:
    """Scale, mirror and crop in one resampling: pixel centres move to ``scale · (x + ½) + shift − ½``."""
    scale = rng.uniform(*settings.scale)
    mirror = settings.flip and rng.random() < 0.5
    size = (settings.width, settings.height)
    matrix = np.zeros((2, 3))
    for axis, (extent, wanted) in enumerate(zip((image.shape[1], image.shape[0]), size, strict=True)):
        room = wanted - extent * scale  # negative if the image is larger than the crop
        shift = rng.uniform(min(room, 0.0), max(room, 0.0))
        factor = scale
        if axis == 0 and mirror:
            factor, shift = -scale, wanted - shift
        matrix[axis, axis] = factor
        matrix[axis, 2] = factor / 2 + shift - 0.5
    grey = (114, 114, 114)
    return (
        np.asarray(cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderValue=grey), np.uint8),
        np.asarray(cv2.warpAffine(labels, matrix, size, flags=cv2.INTER_NEAREST, borderValue=VOID), np.uint8),
    )


def _photometric(crop: NDArray[np.float32], settings: Augmentation, rng: np.random.Generator) -> NDArray[np.float32]:
    factors = rng.uniform(*settings.gain) * rng.uniform(*settings.tint, size=3)
    crop = crop * factors.astype(np.float32)
    if settings.saturation != (1.0, 1.0):
        grey = crop.mean(axis=2, keepdims=True)
        crop = grey + (crop - grey) * np.float32(rng.uniform(*settings.saturation))
    crop = np.clip(crop, 0, 1)
    if settings.gamma != (1.0, 1.0):
        crop = crop ** np.float32(rng.uniform(*settings.gamma))
    if settings.noise:
        strength = np.float32(settings.noise * rng.random() ** 2)  # weak noise is more frequent than strong
        crop = np.clip(crop + rng.standard_normal(crop.shape, dtype=np.float32) * strength, 0, 1)
    return np.asarray(crop, np.float32)
