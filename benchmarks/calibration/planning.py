"""Planning and early stopping in simulated worlds: the tables of ``docs/methodology.md``.

``python -m sgz_bench.benchmarks.calibration.planning`` takes an hour; ``--repeats 20`` a few minutes.

Planning: on data sets of 128 images ``plan`` predicts how many show the world's true difference with 80 % power. Needed
is the number that follows from the variance of the difference over data sets of the predicted size; power is the share
of these whose interval lies above 0.

Early stopping: the sequence of ``--until`` on up to 1,500 images; error is the share of sequences in which the bound of
any row misses its true difference at any look until the end, or at any look up to the last image.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgz_bench.tasks.catalog import create_task
from sgz_bench.tasks.detection.metrics import CellMatches
from sgz_bench.tasks.task import Statistics

from ..decisions.evidence import Evidence
from ..decisions.planning import Images, images_for, plan_images
from ..intervals import interval
from ..sequential import LEVEL, LOOK, bounded, is_decided
from ..statistics import all_weights
from .worlds import World

Floats = NDArray[np.float64]

_MOST = 1500  # images of a sequence
_REPLICATES = 100
_ROWS = 2  # enhancers of a sequence
_WORLDS = {
    "detection, 12 classes": World("", "detection", 128, 12, 3, 0.5),
    "detection, 80 classes": World("", "detection", 128, 80, 3, 1.0),
    "segmentation, 12 classes": World("", "segmentation", 128, 12, 5, 0.7),
}


def scores(cell: Statistics, weights: NDArray[np.integer]) -> Floats:
    """Return the lead metric of a cell."""
    if isinstance(cell, CellMatches):
        return cell.ap50(weights)
    return cell.scores(weights).overall["mIoU"]


def differences(cells: Sequence[Statistics], weights: NDArray[np.integer]) -> Floats:
    """Return ``(rows, B)`` differences from the first cell."""
    baseline, *others = (scores(cell, weights) for cell in cells)
    return np.array(others) - baseline


def whole(cells: Sequence[Statistics]) -> Floats:
    """Return ``(rows,)`` differences on all images."""
    return differences(cells, np.ones((1, len(cells[0].image_ids)), dtype=np.int32))[:, 0]


@cache
def true_difference(world: World) -> float:
    """Return the difference in a large population; 0 by construction in null worlds."""
    if world.effect != "gain":
        return 0.0
    return float(whole(world.draw(np.random.default_rng([7, 0]), 100_000 if world.task == "detection" else 20_000))[0])


def plans(name: str, world: World, repeats: int) -> str:
    """Return the row of a world in the table of planning."""
    effect, task = true_difference(world), create_task(world.task)
    needs: list[Images] = []
    for seed in range(repeats):
        raw, enhanced = world.draw(np.random.default_rng([8, seed]))
        rows: Any = dict.fromkeys(("raw", "x"), SimpleNamespace(bound=False))
        evidence = Evidence(Path(name), task, rows, {"raw": raw, "x": enhanced})
        need = plan_images(evidence, 100 * effect).needs["x"].power
        needs += [need] if need else []
    predicted = np.array([need.number for need in needs])
    planned = math.ceil(np.median(predicted))
    gains, shown = [], 0
    for seed in range(repeats):
        cells = world.draw(np.random.default_rng([9, seed]), planned)
        weights = all_weights(planned, _REPLICATES, seed=seed)
        values = differences(cells, weights)[0]
        delta = interval(values[: 1 + _REPLICATES], left_out=values[1 + _REPLICATES :])
        shown += delta["low"] is not None and delta["low"] > 0
        gains.append(values[0])
    needed = images_for(float(np.var(gains, ddof=1)) * planned, effect, power=0.8)
    covered = np.mean([need.low <= needed <= need.high for need in needs])
    error = math.sqrt(2 / repeats)  # of a variance of normal numbers
    power = shown / repeats
    low, high = np.percentile(predicted, [10, 90])
    return (
        f"| {name} | {100 * effect:.1f} | {planned} ({low:.0f}–{high:.0f}) | {needed:.0f} ± {needed * error:.0f} |"
        f" {100 * covered:.0f} % | {100 * power:.0f} ± {100 * math.sqrt(power * (1 - power) / repeats):.0f} % |"
    )


def sequences(name: str, world: World, half_width: float, repeats: int) -> str:
    """Return the row of a world in the table of early stopping."""
    true = true_difference(world)
    stops, at_stop, ever, variances = [], 0, 0, []
    for seed in range(repeats):
        cells = world.draw(np.random.default_rng([10, seed]), _MOST, _ROWS)
        stop, missed = 0, 0
        for n in range(LOOK, _MOST + 1, LOOK):
            weights = all_weights(n, _REPLICATES, seed=seed)
            values = differences([cell.subset(np.arange(n)) for cell in cells], weights)
            deltas = [bounded(row[: 1 + _REPLICATES], row[1 + _REPLICATES :], n, _ROWS) for row in values]
            wrong = any(
                d["low"] is not None and d["high"] is not None and not d["low"] <= true <= d["high"] for d in deltas
            )
            missed = missed or (n if wrong else 0)
            if not stop and all(is_decided(delta, half_width) for delta in deltas):
                stop = n
            if n == _MOST:
                variances.append(float(np.var(values[0][1 : 1 + _REPLICATES], ddof=1)) * n)
        stops.append(stop or _MOST)
        ever += bool(missed)
        at_stop += bool(missed and missed <= stops[-1])
    fixed = images_for(float(np.mean(variances)), half_width)
    rate = at_stop / repeats
    return (
        f"| {name} | {100 * true:.1f} | ±{100 * half_width:g} | {100 * rate:.1f} ± "
        f"{100 * math.sqrt(max(rate, 1 / repeats) * (1 - rate) / repeats):.1f} % | {100 * ever / repeats:.1f} % |"
        f" {np.mean(stops):.0f} ± {np.std(stops) / math.sqrt(repeats):.0f} | {fixed:.0f} |"
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="*", default=[""], help=f"beginnings of names among: {'; '.join(_WORLDS)}")
    parser.add_argument("--effects", nargs="*", default=["sharp", "weak", "gain"], help="of the sequences")
    parser.add_argument("--repeats", type=int, default=300, help="data sets of a world, and sequences")
    chosen = parser.parse_args()
    repeats: int = chosen.repeats
    worlds = {name: world for name, world in _WORLDS.items() if name.startswith(tuple(chosen.worlds))}
    print("| world | true Δ | planned (10–90 %) | needed | in range | power |\n|:--|--:|--:|--:|--:|--:|", flush=True)
    for name, world in worlds.items():
        print(plans(name, world, repeats), flush=True)
    print(f"\nlevel {LEVEL:g}, {_ROWS} rows, at most {_MOST} images")
    print("| world | true Δ | until | error | error at all looks | images | fixed |\n|:--|--:|--:|--:|--:|--:|--:|")
    for name, world in worlds.items():
        for effect in chosen.effects:
            changed = replace(world, effect=effect)
            print(sequences(f"{name}, {effect}", changed, 0.02 if "seg" in name else 0.03, repeats), flush=True)


if __name__ == "__main__":
    main()
