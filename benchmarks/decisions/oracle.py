"""Oracle: the better picture for each image, chosen with the truth in hand.

The lead metric is no sum over images, so the best choice cannot be found image by image. Choices by the task's own gain
of an image are improved image by image, as long as the lead metric of the whole set grows: what is found is a lower
bound of the best choice, and an upper bound of what a rule that does not know the truth can hope for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgz_bench.tasks.task import Statistics, Task, plain

from ..statistics import gated
from .evidence import Evidence

_PASSES = 4
_LARGEST = 1_000  # images: looking at each again takes as long as so many resamples
_SHARES = (1.0, 0.5, 0.25, 0.1)  # of the images that gain alone, switched together, best first
_TINY = 1e-12

Choice = NDArray[np.intp]


def choose_pictures(task: Task[Any, Any], systems: Sequence[Statistics], passes: int = _PASSES) -> Choice:
    """Return ``(N,)`` the index of the system whose prediction is best for each image; of equal ones the first.

    Args:
        task: task of the statistics.
        systems: statistics on the same images, raw first; the choice so far competes with one after the other.
        passes: number of times that every image is looked at again.
    """
    choice: Choice = np.zeros(len(systems[0].image_ids), dtype=np.intp)
    for _ in range(1 if len(systems) == 2 else 2):
        for index in range(1, len(systems)):
            choice[_better(task, mixture(systems, choice), systems[index], passes)] = index
    return choice


def mixture(systems: Sequence[Statistics], choice: Choice) -> Statistics:
    """Return the statistics of the images with each image's prediction from the chosen system."""
    mixed = systems[0]
    for index in sorted(set(choice.tolist()) - {0}):
        mixed = gated(mixed.pooled(systems[index]), choice == index)
    return mixed


def summary(evidence: Evidence) -> dict[str, dict[str, float | int | None]]:
    """Return, for each enhancer, what choosing between raw and its picture would give.

    Returns:
        Label → ``delta`` of the lead metric from raw in [−1, 1], and ``enhanced``, the number of images enhanced. Only
        for systems of one model: training seeds cannot be mixed image by image.
    """
    everything = np.ones((1, len(evidence.raw.image_ids)), dtype=np.int32)
    raw = evidence.task.lead_scores(evidence.raw, everything)[0]
    result: dict[str, dict[str, float | int | None]] = {}
    for label in evidence.enhancers:
        if not evidence.rows[label].members:
            systems = [evidence.raw, evidence.statistics[label]]
            choice = choose_pictures(evidence.task, systems)
            delta = plain(evidence.task.lead_scores(mixture(systems, choice), everything)[0] - raw)
            result[label] = {"delta": delta, "enhanced": int((choice == 1).sum())}
    return result


def _better(task: Task[Any, Any], current: Statistics, other: Statistics, passes: int) -> NDArray[np.bool_]:
    """Return ``(N,)`` True for the images that are to be switched to the other system."""
    images = len(current.image_ids)
    pooled = current.pooled(other)

    def lead(taken: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the lead metric if the images in each row of ``(B, N)`` are switched; −1 where it is undefined."""
        weights = np.stack([~taken, taken], axis=2).reshape(len(taken), -1).astype(np.int32)
        return np.nan_to_num(task.lead_scores(pooled, weights), nan=-1.0)

    starts = np.stack([np.zeros(images, dtype=bool), task.gains(current, other) > 0, np.ones(images, dtype=bool)])
    values = lead(starts)
    taken: NDArray[np.bool_] = starts[values.argmax()]
    value = float(values.max())
    for _ in range(passes if images <= _LARGEST else 0):
        rise = lead(taken ^ np.eye(images, dtype=bool)) - value
        order = np.argsort(-rise, kind="stable")[: int((rise > _TINY).sum())]
        if not len(order):
            break
        trials = np.repeat(taken[None], len(_SHARES), axis=0)
        for trial, share in zip(trials, _SHARES, strict=True):
            trial[order[: max(int(share * len(order)), 1)]] ^= True
        values = lead(trials)
        if values.max() <= value + _TINY:
            break
        taken, value = trials[values.argmax()], float(values.max())
    return taken
