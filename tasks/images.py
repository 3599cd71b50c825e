"""Letterboxing: fit an image into a model's input, and map boxes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .types import Image


@dataclass(frozen=True)
class Letterbox:
    """A resized and padded image, with the mapping back to the original pixels.

    Attributes:
        image: ``(h, w, 3)`` uint8.
        scale: input pixels per image pixel, across and down.
        left, top: padding before the image, input pixels.
    """

    image: Image
    scale: tuple[float, float]
    left: int
    top: int

    def unmap(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map ``(N, 4)`` xyxy boxes from input pixels to image pixels; they may extend beyond the image."""
        return np.asarray((boxes - [self.left, self.top, self.left, self.top]) / [*self.scale, *self.scale])


def clip_boxes(boxes: NDArray[np.float64], image: Image) -> NDArray[np.float64]:
    """Clip ``(N, 4)`` xyxy boxes to the image."""
    height, width = image.shape[:2]
    return np.clip(boxes, 0, [width, height, width, height])


def letterbox(
    image: Image, size: tuple[int, int], *, stride: int | None = None, corner: bool = False, fill: int = 114
) -> Letterbox:
    """Scale to fit ``size`` with the aspect ratio kept (bilinear), then pad with grey.

    Args:
        image: ``(H, W, 3)`` uint8.
        size: ``(height, width)`` of the input, pixels.
        stride: pad only to the next multiple of this instead of to ``size`` (Ultralytics' ``rect`` inference).
        corner: True follows YOLOX: the scaled size is truncated and padding is at right and bottom only. False follows
            Ultralytics: the scaled size is rounded and the image is centred.
        fill: value of the padding.
    """
    height, width = image.shape[:2]
    ratio = min(size[0] / height, size[1] / width)
    fit: Callable[[float], int] = int if corner else round
    fit_h, fit_w = max(fit(height * ratio), 1), max(fit(width * ratio), 1)
    pad_h, pad_w = size[0] - fit_h, size[1] - fit_w
    if stride is not None:
        pad_h, pad_w = pad_h % stride, pad_w % stride
    # Upstream rounds half the padding ∓ 0.1, so the smaller part of an odd padding comes first.
    top, left = (round(pad_h / 2 - 0.1), round(pad_w / 2 - 0.1)) if not corner else (0, 0)
    if (fit_h, fit_w) != (height, width):
        image = np.asarray(cv2.resize(image, (fit_w, fit_h), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    canvas = np.full((fit_h + pad_h, fit_w + pad_w, 3), fill, dtype=np.uint8)
    canvas[top : top + fit_h, left : left + fit_w] = image
    # To map boxes back, YOLOX divides by the exact ratio, Ultralytics by the ratio after rounding.
    scale = (ratio, ratio) if corner else (fit_w / width, fit_h / height)
    return Letterbox(canvas, scale, left, top)
