"""Plausibility of predicted boxes: pixels of the image, inside the image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

_MANY = 0.1  # share of the boxes


def implausible_boxes(truth: Mapping[str, Any], records: Mapping[int, Mapping[str, Any]]) -> list[str]:
    """Return one line for each doubt about predicted boxes: all below a pixel, or many outside their images.

    Args:
        truth: COCO truth with the images' sizes.
        records: image id → record with ``detections``, COCO results with ``bbox`` as xywh in pixels.
    """
    sizes = {image["id"]: (image["width"], image["height"]) for image in truth["images"] if "width" in image}
    rows = [
        (*detection["bbox"], *sizes[image_id])
        for image_id, record in records.items()
        if image_id in sizes
        for detection in record.get("detections", ())
    ]
    if not rows:
        return []
    x, y, width, height, across, down = np.array(rows, dtype=np.float64).T
    if max(width.max(), height.max()) <= 1:
        return [f"all {len(rows)} boxes are smaller than a pixel; the model must return pixels, not fractions"]
    centre_x, centre_y = x + width / 2, y + height / 2
    outside = (centre_x < 0) | (centre_x > across) | (centre_y < 0) | (centre_y > down)
    if outside.mean() <= _MANY:
        return []
    count = int(outside.sum())
    return [
        f"{count} of {len(rows)} boxes have their centre outside the image; the model must return x1, y1, x2, y2 in"
        " pixels of the image it was given"
    ]
