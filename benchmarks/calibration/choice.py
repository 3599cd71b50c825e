"""Cross-fitted choice in simulated worlds: the table of ``docs/methodology.md``.

``python -m sgz_bench.benchmarks.calibration.choice`` takes an hour; ``--repeats 4`` a few minutes. Raw and 28
enhancers compete in each world. The true gain of the procedure "choose the best" is the mean over data sets of the true
differences, weighted by how often each candidate was chosen. The naive best is the highest difference on all images.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sgz_bench.tasks.detection.metrics import CellMatches
from sgz_bench.tasks.task import Statistics

from ..decisions.cross_fit import CrossFit, cross_fit
from .trial import POPULATION
from .worlds import World

Floats = NDArray[np.float64]

ENHANCERS = 28
_CONTESTS = {
    "none differs from raw": np.zeros(ENHANCERS),
    "one is better": np.r_[0.3, np.zeros(ENHANCERS - 1)],
    "from worse to better": np.linspace(-0.3, 0.2, ENHANCERS),
    "all are worse": np.full(ENHANCERS, -0.2),
    "all are equally better": np.full(ENHANCERS, 0.15),
}
_WORLDS = {
    "detection, 12 classes, 64 images": World("", "detection", 64, 12, 1.5, 0.5, effect="sharp"),
    "detection, 12 classes, 128 images": World("", "detection", 128, 12, 1.5, 0.5, effect="sharp"),
    "detection, 80 classes, 128 images": World("", "detection", 128, 80, 2.9, 1.0, effect="sharp"),
    "segmentation, 12 classes, 64 images": World("", "segmentation", 64, 12, 6.0, 0.7, effect="sharp"),
}


@dataclass(frozen=True)
class Contest(World):
    """World in which each enhancer has its own effect.

    Attributes:
        gains: by how much each enhancer raises the quality of all objects, in standard deviations.
    """

    gains: tuple[float, ...] = ()

    def ease(self, system: int) -> Floats:
        """Return ``(K,)`` the mean quality of each class for raw (0) or an enhancer."""
        return super().ease(system) + (self.gains[system - 1] if system else 0.0)


@dataclass(frozen=True)
class Outcome:
    """One data set: its cross-fit, the naive best's difference, and the true difference of that candidate."""

    fit: CrossFit
    naive: float
    deployed: float


def contest(world: World, gains: Sequence[float]) -> Contest:
    """Return a world with as many enhancers as ``gains``."""
    fields = {name: getattr(world, name) for name in World.__dataclass_fields__}
    return Contest(**fields, gains=tuple(gains))


def true_differences(world: Contest, seed: int) -> Floats:
    """Return ``(1 + enhancers,)`` the differences from raw on very many images; exactly 0 without effect."""
    count = POPULATION[world.task] // 4
    known = {0.0: 0.0}
    for gain in dict.fromkeys(world.gains):
        if gain not in known:
            cells = replace(world, gains=(gain,)).draw(np.random.default_rng([seed, 0, 1]), count)
            before, after = (_score(each, np.ones((1, count), np.int32))[0] for each in cells)
            known[gain] = float(after - before)
    return np.array([0.0, *(known[gain] for gain in world.gains)])


def trial(world: Contest, true: Floats, seed: int, number: int, *, splits: int, resamples: int) -> Outcome:
    """Draw a data set and cross-fit the choice on it."""
    cells = world.draw(np.random.default_rng([seed, 1, number]), others=len(world.gains))
    everything = np.ones((1, world.images), np.int32)
    values = np.array([_score(cell, everything)[0] for cell in cells])
    fit = cross_fit(
        lambda weights: np.array([_score(cell, weights) for cell in cells]),
        world.images,
        seed=number,
        splits=splits,
        resamples=resamples,
    )
    best = int(values.argmax())
    return Outcome(fit, float(values[best] - values[0]), float(true[best]))


def summarised(outcomes: Sequence[Outcome], true: Floats) -> list[str]:
    """Return true gain, honest gain, naive best, true difference of the naive best, coverage and share above 0."""
    gain = float(np.mean([each.fit.shares @ true for each in outcomes]))
    honest, naive = (np.array([get(each) for each in outcomes]) for get in (_honest, _naive))
    covered = [each.fit.low <= gain <= each.fit.high for each in outcomes]
    above = [each.fit.low > 0 for each in outcomes]
    deployed = float(np.mean([each.deployed for each in outcomes]))
    return [
        f"{100 * gain:+.2f}",
        _mean(100 * honest, "+.2f"),
        _mean(100 * naive, "+.2f"),
        f"{100 * deployed:+.2f}",
        _mean(100 * np.array(covered, float), ".1f") + " %",
        _mean(100 * np.array(above, float), ".1f") + " %",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="*", default=[""], help=f"beginnings of names among: {'; '.join(_WORLDS)}")
    parser.add_argument("--repeats", type=int, default=100, help="data sets of a world")
    parser.add_argument("--splits", type=int, default=60, help="halvings of a data set")
    parser.add_argument("--resamples", type=int, default=120, help="bootstrap resamples of a data set")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    names = [name for name in _WORLDS if name.startswith(tuple(chosen.worlds))]
    if not names or chosen.repeats < 2:
        parser.error(f"no world {chosen.worlds} or fewer than 2 repeats; worlds: {'; '.join(_WORLDS)}")
    headings = (
        "world",
        "enhancers",
        "true gain",
        "honest gain",
        "naive best",
        "true of the best",
        "covered",
        "above 0",
    )
    print(f"| {' | '.join(headings)} |\n|:--|:--|{'--:|' * 6}", flush=True)
    for name in names:
        for what, gains in _CONTESTS.items():
            world = contest(_WORLDS[name], gains.tolist())
            true = true_differences(world, chosen.seed)
            numbers = {"splits": chosen.splits, "resamples": chosen.resamples}
            outcomes = [trial(world, true, chosen.seed, number, **numbers) for number in range(chosen.repeats)]
            print(f"| {name} | {what} | {' | '.join(summarised(outcomes, true))} |", flush=True)


def _score(cell: Statistics, weights: NDArray[np.int32]) -> Floats:
    """Return the lead metric of a cell."""
    return cell.ap50(weights) if isinstance(cell, CellMatches) else cell.scores(weights).overall["mIoU"]


def _honest(outcome: Outcome) -> float:
    return outcome.fit.gain


def _naive(outcome: Outcome) -> float:
    return outcome.naive


def _mean(values: Floats, form: str) -> str:
    """Format a mean with its Monte-Carlo standard error."""
    return f"{values.mean():{form}} ± {values.std(ddof=1) / np.sqrt(len(values)):{form.removeprefix('+')}}"


if __name__ == "__main__":
    main()
