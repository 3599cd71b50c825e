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

from sgz_bench.tasks.task import Statistics, Task

from .evidence import Evidence

_PASSES = 4
_LARGEST = 1_000  # images: improving the choice takes a resample's time per image
_TINY = 1e-12


def choose_pictures(task: Task[Any, Any], systems: Sequence[Statistics], passes: int = _PASSES) -> NDArray[np.intp]:
    """Return ``(N,)`` the index of the system whose prediction is best for each image; of equal ones the first.

    Args:
        task: task of the statistics.
        systems: statistics on the same images, raw first.
        passes: number of times that every image is looked at again.
    """
    gains = np.stack([np.zeros(len(systems[0].image_ids)), *(task.gains(systems[0], each) for each in systems[1:])])
    choice = np.asarray(gains.argmax(axis=0), dtype=np.intp)
    for index in range(1, len(systems)):  # the whole set with one system, if that is better than any mixture so far
        alone = np.full_like(choice, index)
        choice = alone if _lead(task, systems, alone) > _lead(task, systems, choice) + _TINY else choice
    for _ in range(passes if len(choice) <= _LARGEST else 0):
        before = _lead(task, systems, choice)
        for index in range(len(systems)):
            choice = _improved(task, systems, choice, index)
        if _lead(task, systems, choice) <= before + _TINY:
            break
    return choice


def mixture(systems: Sequence[Statistics], choice: NDArray[np.intp]) -> Statistics:
    """Return the statistics of the images with each image's prediction from the chosen system."""
    mixed = systems[0]
    for index, other in enumerate(systems[1:], start=1):
        mixed = mixed.pooled(other).subset(2 * np.arange(len(choice)) + (choice == index))
    return mixed


def summary(evidence: Evidence) -> dict[str, dict[str, float | int | None]]:
    """Return, for each enhancer, what choosing between raw and its picture would give.

    Returns:
        Label → ``delta`` of the lead metric from raw in [−1, 1], and ``enhanced``, the number of images enhanced. Only
        for systems of one model: training seeds cannot be mixed image by image.
    """
    everything = np.ones((1, len(evidence.raw.image_ids)), dtype=np.int32)
    raw = evidence.scores("raw", everything)[0]
    result: dict[str, dict[str, float | int | None]] = {}
    for label in evidence.enhancers:
        if evidence.rows[label].members:
            continue
        systems = [evidence.raw, evidence.statistics[label]]
        choice = choose_pictures(evidence.task, systems, passes=1)
        delta = _lead(evidence.task, systems, choice) - raw
        result[label] = {"delta": None if np.isnan(delta) else float(delta), "enhanced": int((choice == 1).sum())}
    return result


def _lead(task: Task[Any, Any], systems: Sequence[Statistics], choice: NDArray[np.intp]) -> float:
    weights = np.ones((1, len(choice)), dtype=np.int32)
    return float(mixture(systems, choice).scores(weights).overall[task.lead_metric][0])


def _improved(
    task: Task[Any, Any], systems: Sequence[Statistics], choice: NDArray[np.intp], index: int
) -> NDArray[np.intp]:
    """Switch images to a system where that alone raises the lead metric, best first, as long as it rises together."""
    others = np.flatnonzero(choice != index)
    if not len(others):
        return choice
    images = np.arange(len(choice))
    pooled = mixture(systems, choice).pooled(systems[index])
    weights = np.zeros((len(others) + 1, 2 * len(choice)), dtype=np.int32)
    weights[:, 2 * images] = 1
    rows = np.arange(len(others))
    weights[rows, 2 * others], weights[rows, 2 * others + 1] = 0, 1
    lead = pooled.scores(weights).overall[task.lead_metric]
    rise = lead[:-1] - lead[-1]
    order = others[np.argsort(-rise, kind="stable")][: int((rise > _TINY).sum())]
    best, now = choice, float(lead[-1])
    for share in (1.0, 0.5, 0.25, 0.1):
        changed = choice.copy()
        changed[order[: max(int(share * len(order)), 1)]] = index
        value = _lead(task, systems, changed)
        if value > now + _TINY:
            best, now = changed, value
    return best
