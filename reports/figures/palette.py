"""Colours of classes on label maps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sgz_bench.tasks.classes import CAMVID_CLASSES, CITYSCAPES_CLASSES, segmentation_class_map

# https://github.com/mcordts/cityscapesScripts, cityscapesscripts/helpers/labels.py, in the order of the train ids.
_CITYSCAPES = (
    (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153), (250, 170, 30),
    (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142), (0, 0, 70),
    (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
)  # fmt: skip
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)


def palette(classes: Mapping[str, int]) -> NDArray[np.uint8]:
    """Return ``(256, 3)`` RGB by class id; void and unused ids are black.

    Cityscapes' classes have its colours, CamVid's classes those of the corresponding Cityscapes class. Other classes
    get colours that are far from these and from each other, in a fixed order.

    Args:
        classes: name → id.
    """
    known = {name.casefold(): colour for name, colour in zip(CITYSCAPES_CLASSES, _CITYSCAPES, strict=True)}
    correspondence = segmentation_class_map(CAMVID_CLASSES, CITYSCAPES_CLASSES)
    for name, nearest in zip(CAMVID_CLASSES, correspondence.tolist(), strict=True):
        known[name.casefold()] = _CITYSCAPES[nearest]
    others = iter(_distinct(sum(name.casefold() not in known for name in classes)))
    table = np.zeros((256, 3), dtype=np.uint8)
    for name, class_id in classes.items():
        table[class_id] = known.get(name.casefold()) or next(others)
    return table


def _distinct(count: int) -> list[tuple[int, int, int]]:
    """Return ``count`` colours, each as far as possible from black, white, Cityscapes' and the previous ones."""
    levels = np.linspace(0, 255, 7).round().astype(int)
    candidates = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    taken = np.array([_BLACK, _WHITE, *_CITYSCAPES])
    distance = np.linalg.norm(candidates[:, None] - taken[None], axis=2).min(axis=1)
    colours = []
    for _ in range(count):
        best = candidates[distance.argmax()]
        colours.append((int(best[0]), int(best[1]), int(best[2])))
        distance = np.minimum(distance, np.linalg.norm(candidates - best, axis=1))
    return colours
