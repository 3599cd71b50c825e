"""Calibration of the intervals and p-values of comparisons: coverage, width and false positives in simulated worlds.

``python -m sgz_bench.benchmarks.calibration`` prints the table of ``docs/methodology.md``, which takes hours;
``--worlds "3 classes, 60 images" --repeats 20`` takes under a minute.
"""

from __future__ import annotations

import argparse
import math

from .trial import ENHANCERS, calibrate
from .worlds import known_worlds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    worlds = known_worlds()
    parser.add_argument("--worlds", nargs="*", default=[""], help=f"beginnings of names among: {'; '.join(worlds)}")
    parser.add_argument("--repeats", type=int, default=200, help=f"data sets of a world, of {ENHANCERS} enhancers each")
    parser.add_argument("--replicates", type=int, default=500, help="bootstrap resamples of a data set")
    parser.add_argument("--permutations", type=int, default=200, help="of one enhancer of a data set; 0 for none")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    chosen_worlds = [world for name, world in worlds.items() if name.startswith(tuple(chosen.worlds))]
    if not chosen_worlds or chosen.repeats < 2:
        parser.error(f"no world {chosen.worlds} or fewer than 2 repeats; worlds: {'; '.join(worlds)}")
    print("| world | method | coverage | width | p < .05 | any after Holm |\n|:--|:--|--:|--:|--:|--:|", flush=True)
    for world in chosen_worlds:
        for each in calibrate(
            world,
            seed=chosen.seed,
            repeats=chosen.repeats,
            replicates=chosen.replicates,
            permutations=chosen.permutations if world.effect != "gain" else 0,
        ):
            numbers = (_share(*each.coverage), _number(each.width), _share(*each.errors), _share(*each.family))
            if any(number != _NONE for number in numbers):
                print(f"| {world.name} | {each.method} | {' | '.join(numbers)} |", flush=True)


_NONE = "–"


def _share(value: float, error: float) -> str:
    return _NONE if math.isnan(value) else f"{100 * value:.1f} ± {100 * error:.1f} %"


def _number(value: float) -> str:
    return _NONE if math.isnan(value) else f"{value:.2f}"


if __name__ == "__main__":
    main()
