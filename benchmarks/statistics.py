"""Paired statistics of enhanced against raw: differences with intervals and p-values, Holm's correction.

All of them resample images, not boxes or pixels, because those of one photograph are not independent.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.task import Statistics, Task, plain
from sgz_bench.tasks.types import Scores

from .intervals import Paired, interval, left_out_weights
from .results import Delta

__all__ = [
    "Attributes",
    "Comparison",
    "Floats",
    "SeedMean",
    "all_weights",
    "compare",
    "correct",
    "gated",
    "holm",
    "interval",
    "lead_metric",
    "permutation_p_values",
    "permutation_swaps",
    "resample_weights",
    "slice_metrics",
]

Floats = NDArray[np.float64]
Attributes = Mapping[str, Sequence[str | None]]  # attribute → its value per image, None for images without one

_TINY = 1e-12  # rounding differences of reordered sums are smaller, differences between systems larger


@dataclass(frozen=True)
class SeedMean:
    """Mean over training seeds as one system: its metrics are the means of its members' metrics."""

    members: tuple[Statistics, ...]

    @property
    def class_metrics(self) -> tuple[str, ...]:
        return self.members[0].class_metrics

    @property
    def slice_metrics(self) -> tuple[str, ...]:
        return self.members[0].slice_metrics

    @property
    def image_ids(self) -> NDArray[np.int64]:
        return self.members[0].image_ids

    @property
    def truth(self) -> NDArray[np.integer]:
        return self.members[0].truth

    @property
    def size(self) -> dict[str, int]:
        return self.members[0].size

    def subset(self, images: NDArray[np.intp]) -> SeedMean:
        return SeedMean(tuple(member.subset(images) for member in self.members))

    def pooled(self, other: SeedMean) -> SeedMean:
        return SeedMean(tuple(a.pooled(b) for a, b in zip(self.members, other.members, strict=True)))

    def scores(self, weights: ArrayLike) -> Scores:
        each = [member.scores(weights) for member in self.members]
        return Scores(
            {name: np.mean([one.per_class[name] for one in each], axis=0) for name in each[0].per_class},
            {name: np.mean([one.overall[name] for one in each], axis=0) for name in each[0].overall},
        )


@dataclass(frozen=True)
class Comparison:
    """Differences of one cell from raw, in the shape of the ``ResultRow`` fields of the same names."""

    delta: dict[str, Delta]
    delta_per_class: dict[str, dict[str, Delta]]
    delta_by_attribute: dict[str, dict[str, dict[str, Delta]]]


def compare(
    raw: Statistics,
    others: Mapping[str, Statistics],
    attributes: Attributes,
    class_names: Sequence[str],
    *,
    seed: int,
    replicates: int = 1000,
    exempt: Collection[str] = (),
) -> dict[str, Comparison]:
    """Compare cells with the raw cell, image by image.

    Intervals are those of :func:`.intervals.interval`, with the same resamples and the same images left out for all
    cells, classes and slices. A class that is absent from a resample is left out of that replicate. p-values are those
    of :func:`.intervals.p_value`, Holm-corrected per metric over ``others`` without ``exempt``.

    Args:
        raw: the cell to compare with.
        others: the cells to compare.
        attributes: attributes of the images, for the slices.
        class_names: names of the K classes.
        seed: seed of the resamples.
        replicates: number of resamples, and the most groups of images that are left out.
        exempt: names of cells outside the family of Holm's correction.

    Raises:
        UserError: a cell was scored on other images or other truth than raw.
    """
    for name, other in others.items():
        _refuse_other_images(name, raw, other)
    n_images = len(raw.image_ids)
    weights = all_weights(n_images, replicates, seed=seed)
    images_with = np.count_nonzero(raw.truth, axis=0)
    baseline = _Replicates.of(raw, weights, attributes)

    def pair(before: Floats, after: Floats, most: int | None = None) -> Paired:
        return Paired.of(before, after, replicates, most)

    comparisons: dict[str, Comparison] = {}
    for name, other in others.items():
        mine = _Replicates.of(other, weights, attributes)
        overall = {
            metric: pair(values, mine.scores.overall[metric]) for metric, values in baseline.scores.overall.items()
        }
        comparisons[name] = Comparison(
            delta={metric: each.delta(p=each.p) for metric, each in overall.items()},
            delta_per_class={
                class_name: {
                    metric: pair(
                        baseline.scores.per_class[metric][:, k],
                        mine.scores.per_class[metric][:, k],
                        int(images_with[k]),
                    ).delta()
                    for metric in raw.class_metrics
                }
                for k, class_name in zip(range(raw.truth.shape[1]), class_names, strict=True)
            },
            delta_by_attribute={
                attribute: {
                    value: {
                        metric: pair(theirs[metric], mine.sliced[attribute][value][metric]).delta() for metric in theirs
                    }
                    for value, theirs in values.items()
                }
                for attribute, values in baseline.sliced.items()
            },
        )
    correct([comparison.delta for name, comparison in comparisons.items() if name not in exempt])
    return comparisons


def slice_metrics(cell: Statistics, attributes: Attributes) -> dict[str, dict[str, dict[str, float | int | None]]]:
    """Return the metrics of each attribute value: ``{"lighting": {"Low": {"AP", "AP50", "images", "boxes"}}}``."""
    result: dict[str, dict[str, dict[str, float | int | None]]] = {attribute: {} for attribute in attributes}
    for attribute, value, images in _slices(attributes, len(cell.image_ids)):
        part = cell.subset(images)
        scores = part.scores(np.ones((1, len(images)), dtype=np.int32)).overall
        result[attribute][value] = {
            **{metric: plain(scores[metric][0]) for metric in cell.slice_metrics},
            "images": len(images),
            **part.size,
        }
    return result


def resample_weights(n_images: int, replicates: int = 1000, *, seed: int) -> NDArray[np.int32]:
    """Draw bootstrap weights ``(replicates, n_images)``: how often each image occurs; rows sum to ``n_images``.

    Row ``b`` counts the list ``np.random.default_rng([seed, 0]).integers(n_images, size=(replicates, n_images))[b]``.
    """
    lists = np.random.default_rng([seed, 0]).integers(n_images, size=(replicates, n_images))
    return np.stack([np.bincount(row, minlength=n_images) for row in lists]).astype(np.int32)


def all_weights(n_images: int, replicates: int = 1000, *, seed: int) -> NDArray[np.int32]:
    """Return weights ``(1 + B + G, n_images)``: the whole set, B resamples, and G groups of images left out in turn.

    They are what intervals need: :func:`resample_weights` and :func:`.intervals.left_out_weights` of one seed.
    """
    whole = np.ones((1, n_images), dtype=np.int32)
    drawn = resample_weights(n_images, replicates, seed=seed)
    return np.concatenate([whole, drawn, left_out_weights(n_images, replicates, seed=seed)])


def lead_metric(task: Task[Any, Any], cell: Statistics, weights: NDArray[np.number]) -> Floats:
    """Return ``(B,)`` the lead metric alone when image ``n`` occurs ``weights[b, n]`` times; mean over seeds."""
    members = cell.members if isinstance(cell, SeedMean) else (cell,)
    return np.asarray(np.mean([task.lead_scores(member, weights) for member in members], axis=0))


def gated(pooled: Statistics, second: NDArray[np.bool_]) -> Statistics:
    """Return the statistics that take each of N images from one of two pooled systems: the second where it is True."""
    return pooled.subset(2 * np.arange(len(second)) + second)


def permutation_swaps(n_images: int, permutations: int = 1000, *, seed: int) -> NDArray[np.bool_]:
    """Draw ``(permutations, n_images)`` swaps: True, with probability 1/2, if an image's two results change sides."""
    return np.random.default_rng([seed, 1]).integers(2, size=(permutations, n_images)).astype(bool)


def permutation_p_values(raw: Statistics, other: Statistics, swaps: NDArray[np.bool_]) -> dict[str, float | None]:
    """Return the two-sided paired permutation p of every metric; per image, the two systems are exchangeable.

    p = (1 + #{|d*| ≥ |d|}) / (1 + R) with d* the difference after swapping the images in each row of ``swaps``
    ``(R, N)``; never 0. None for an undefined metric. Both systems are pooled into one table, so that identical
    systems give d* = 0 for every swap.
    """
    # The first row swaps nothing: it gives the observed difference by the same arithmetic as the others.
    swapped = np.concatenate([np.zeros((1, swaps.shape[1]), dtype=bool), swaps])
    sides = np.stack([~swapped, swapped], axis=2).reshape(len(swapped), -1).astype(np.int32)
    pooled = raw.pooled(other)
    first, second = pooled.scores(sides).overall, pooled.scores(1 - sides).overall
    result: dict[str, float | None] = {}
    for metric in first:
        differences = np.abs(second[metric] - first[metric])
        tiny = _TINY * max(1.0, abs(first[metric][0]), abs(second[metric][0]))  # custom metrics have any magnitude
        at_least = int(np.count_nonzero(differences[1:] >= differences[0] - tiny))
        result[metric] = None if np.isnan(differences[0]) else (1 + at_least) / len(differences)
    return result


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct p-values by Holm's step-down method (1979); None stays None and does not count."""
    known = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    steps = itertools.accumulate((min(1.0, (len(known) - step) * p) for step, (p, _) in enumerate(known)), max)
    for (_, index), p in zip(known, steps, strict=True):
        corrected[index] = p
    return corrected


def correct(family: Sequence[Mapping[str, Delta]]) -> None:
    """Set the Holm-corrected p of every metric, over the systems of a family."""
    for metric in family[0] if family else ():
        deltas = [each[metric] for each in family]
        for delta, p in zip(deltas, holm([delta["p"] for delta in deltas]), strict=True):
            delta["p_holm"] = p


@dataclass(frozen=True)
class _Replicates:
    """Scores of a cell under every weighting of the images: the whole set, B resamples, G groups left out."""

    scores: Scores
    sliced: dict[str, dict[str, dict[str, Floats]]]  # attribute → value → metric → (1 + B + G,)

    @classmethod
    def of(cls, cell: Statistics, weights: NDArray[np.int32], attributes: Attributes) -> _Replicates:
        sliced: dict[str, dict[str, dict[str, Floats]]] = {attribute: {} for attribute in attributes}
        for attribute, value, images in _slices(attributes, weights.shape[1]):
            overall = cell.subset(images).scores(weights[:, images]).overall
            sliced[attribute][value] = {metric: overall[metric] for metric in cell.slice_metrics}
        return cls(cell.scores(weights), sliced)


def _slices(attributes: Attributes, n_images: int) -> Iterator[tuple[str, str, NDArray[np.intp]]]:
    """Yield attribute, value, and the indices of the images with it; values in alphabetical order."""
    for attribute, values in attributes.items():
        if len(values) != n_images:
            raise ValueError(f"attribute {attribute!r} has {len(values)} values for {n_images} images")
        column = np.array(values, dtype=object)
        for value in sorted({value for value in values if value is not None}):
            yield attribute, value, np.flatnonzero(column == value)


def _refuse_other_images(name: str, raw: Statistics, other: Statistics) -> None:
    """Refuse a cell that was scored on other images or other truth than raw.

    Raises:
        UserError: the images or the truth differ.
    """
    if not np.array_equal(raw.image_ids, other.image_ids):
        raise UserError(
            f"{name} was scored on {len(other.image_ids)} images, raw on {len(raw.image_ids)}, and they are not the"
            " same; a paired comparison needs the same images, so run both on one data set and split"
        )
    if not np.array_equal(raw.truth, other.truth):
        raise UserError(f"{name} and raw were scored against different labels; score both against the same truth")
