"""Simulated worlds: endless images with two correlated systems on them, without pixels.

Every object of the truth has a quality, the same for both systems up to a share of their own: how well it can be seen.
A system detects it if the quality exceeds 0, and scores it higher the better it is seen. Metrics of a population depend
on the marginal distribution of qualities alone, so that null effects are exact by construction:

- ``sharp``: both systems follow one law and are exchangeable on every image.
- ``weak``: classes come in pairs that differ in difficulty, and the enhancer swaps the two, so that one class gains
  what another one loses; its own share of quality is common to all objects of an image, so that it varies more than
  raw; and all its scores are higher, which changes no AP.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sgz_bench.tasks.detection.metrics import CellMatches, MatchTable
from sgz_bench.tasks.segmentation.metrics import ConfusionTable
from sgz_bench.tasks.task import Statistics

Effect = Literal["gain", "sharp", "weak"]
Rng = np.random.Generator
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """A kind of images, classes and systems.

    Attributes:
        name: label in the table.
        task: ``detection`` or ``segmentation``.
        images: images of a data set.
        classes: number of classes.
        present: mean number of classes in an image.
        tail: exponent of the classes' frequencies, ``rank ** -tail``; 0 for equal ones.
        crowd: mean number of objects of a class in an image that has it.
        effect: what the enhancer does: ``gain``, or nothing under one of the two nulls.
        correlation: share of an object's quality that both systems have in common.
        drives: number of groups of images that share a part of the quality (as frames of one video); 0 for none.
    """

    name: str
    task: Literal["detection", "segmentation"]
    images: int
    classes: int
    present: float
    tail: float
    crowd: float = 1.6
    effect: Effect = "gain"
    correlation: float = 0.7
    drives: int = 0

    @property
    def frequency(self) -> Floats:
        """``(K,)`` probability that an image has a class; pairs of classes are equally frequent."""
        share = (1.0 + np.arange(self.classes) // 2) ** -self.tail
        low, high = 0.0, self.present * 1e3
        for _ in range(60):  # the factor at which the probabilities, at most 0.9, have the wanted sum
            middle = (low + high) / 2
            low, high = (middle, high) if np.minimum(middle * share, 0.9).sum() < self.present else (low, middle)
        frequency: Floats = np.minimum(low * share, 0.9)
        return frequency

    def draw(self, rng: Rng, images: int | None = None, others: int = 1) -> list[Statistics]:
        """Draw a data set: the statistics of raw, then of ``others`` enhancers.

        Args:
            rng: source of randomness.
            images: number of images; that of the world if None.
            others: number of enhancers, which share nothing but what each has in common with raw.
        """
        count = images or self.images
        image, class_id = np.nonzero(rng.random((count, self.classes)) < self.frequency)
        drive = rng.integers(self.drives, size=count) if self.drives else None
        objects = 1 + rng.poisson(self.crowd - 1, len(image)) if self.task == "detection" else 1
        image, class_id = np.repeat(image, objects), np.repeat(class_id, objects)
        shared = _Shared(rng, count, image, class_id, drive)
        system = self._detections if self.task == "detection" else self._pixels
        return [system(rng, shared, index) for index in range(1 + others)]

    def quality(self, rng: Rng, shared: _Shared, system: int) -> Floats:
        """Return ``(M,)`` the quality of every object for a system: standard normal plus the ease of its class."""
        own = rng.normal(size=len(shared.image))
        by_image = rng.normal(size=shared.images)[shared.image]
        spread = 0.9 if system and self.effect == "weak" else 0.2  # share that is common to an image
        mixed = np.sqrt(spread) * by_image + np.sqrt(1 - spread) * own
        if shared.drive is not None:
            tilt = rng.normal(size=self.drives)[shared.drive][shared.image]
            mixed = np.sqrt(0.3) * tilt + np.sqrt(0.7) * mixed
        quality: Floats = np.sqrt(self.correlation) * shared.quality + np.sqrt(1 - self.correlation) * mixed
        return quality + self.ease(system)[shared.class_id]

    def ease(self, system: int) -> Floats:
        """Return ``(K,)`` the mean quality of each class for raw (0) or an enhancer."""
        pair, second = np.divmod(np.arange(self.classes), 2)
        base = 0.6 * np.sin(1.7 * pair) + 0.2
        side = np.where(second, -0.35, 0.35)
        side = np.where((pair == pair[-1]) & (self.classes % 2 == 1), 0.0, side)  # the last one has no partner
        if system and self.effect == "weak":
            return base - side
        gain = 0.15 + 0.25 * np.cos(2.3 * np.arange(self.classes)) if system and self.effect == "gain" else 0.0
        return base + side + gain

    def _detections(self, rng: Rng, shared: _Shared, system: int) -> Statistics:
        quality = self.quality(rng, shared, system)
        detected = quality + rng.normal(0, 0.3, len(quality)) > -0.3
        right = quality > 0
        mean = 0.8 * self.frequency * self.crowd  # as many per object in every class
        burst = 3.0 if system and self.effect == "weak" else 0.5
        times = rng.gamma(1 / burst, burst, shared.images)
        wrong_image, wrong_class = np.nonzero(counts := rng.poisson(times[:, None] * mean))
        wrong = counts[wrong_image, wrong_class]
        wrong_image, wrong_class = np.repeat(wrong_image, wrong), np.repeat(wrong_class, wrong)
        score = np.concatenate([
            quality[detected] + rng.normal(0, 0.5, detected.sum()),
            rng.normal(-0.5, 0.8, len(wrong_image)),
        ])  # fmt: skip
        truth = np.zeros((shared.images, self.classes), dtype=np.int32)
        np.add.at(truth, (shared.image, shared.class_id), 1)
        if system and self.effect == "weak":
            score += 1.0  # a detector that is surer of everything has the same AP
        tp = np.concatenate([right[detected], np.zeros(len(wrong_image), bool)])[None]
        table = MatchTable.ordered(
            "coco",
            np.arange(shared.images),
            truth,
            np.concatenate([shared.image[detected], wrong_image]).astype(np.int32),
            np.concatenate([shared.class_id[detected], wrong_class]).astype(np.int32),
            1 / (1 + np.exp(-score)),
            tp,
            np.zeros_like(tp),
        )
        nothing = np.zeros((1, 0), dtype=bool)
        empty = np.zeros(0, dtype=np.int32)
        voc = MatchTable("voc", table.image_ids, truth, empty, empty, np.zeros(0), nothing, nothing)
        return CellMatches(table, voc)  # VOC's metric is not simulated

    def _pixels(self, rng: Rng, shared: _Shared, system: int) -> Statistics:
        quality = self.quality(rng, shared, system)
        pixels = np.zeros((shared.images, self.classes, self.classes + 1), dtype=np.int64)
        whole = np.bincount(shared.image, np.exp(shared.size), shared.images)[shared.image]
        area = np.rint(_PIXELS * np.exp(shared.size) / whole).astype(np.int64)  # classes share the pixels of an image
        right = np.rint(area / (1 + np.exp(-2 * quality))).astype(np.int64)
        # What is missed goes to classes in proportion to their frequency, so that unions depend on the marginals alone.
        to = rng.choice(self.classes, p=self.frequency / self.frequency.sum(), size=len(area))
        np.add.at(pixels, (shared.image, shared.class_id, shared.class_id), right)
        np.add.at(pixels, (shared.image, shared.class_id, to), area - right)
        return ConfusionTable(np.arange(shared.images), pixels)


class _Shared:
    """What both systems have in common: objects, their classes and images, and a part of the quality."""

    def __init__(self, rng: Rng, images: int, image: Ints, class_id: Ints, drive: Ints | None) -> None:
        self.images, self.image, self.class_id, self.drive = images, image, class_id, drive
        by_image = rng.normal(size=images)[image]
        self.quality = np.sqrt(0.3) * by_image + np.sqrt(0.7) * rng.normal(size=len(image))
        self.size = rng.normal(0, 0.8, len(image))


def known_worlds() -> dict[str, World]:
    """Return the worlds of the published table by name."""
    kinds = [
        *(World(f"3 classes, {n} images", "detection", n, 3, 1.8, 1.0, crowd=4.0) for n in (60,)),
        *(World(f"12 classes, {n} images", "detection", n, 12, 1.5, 0.5) for n in (32, 64, 128)),
        *(World(f"80 classes, {n} images", "detection", n, 80, 2.9, 1.0) for n in (64, 128, 512)),
        *(
            World(f"segmentation, {k} classes, {n} images", "segmentation", n, k, 6.0, tail)
            for k, n, tail in _SEGMENTED
        ),
    ]
    effects: tuple[Effect, ...] = ("gain", "sharp", "weak")
    worlds = [replace(kind, name=f"{kind.name}, {effect}", effect=effect) for kind in kinds for effect in effects]
    drives = World("3 classes, 60 images of 2 drives", "detection", 60, 3, 1.8, 1.0, crowd=4.0, drives=2)
    worlds.append(replace(drives, name=f"{drives.name}, sharp", effect="sharp"))
    return {world.name: world for world in worlds}


_PIXELS = 250_000
_SEGMENTED = ((12, 64, 0.7), (19, 100, 1.5))
