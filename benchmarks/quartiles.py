"""Quartiles of a statistic of the images, as an attribute by which results are sliced."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_MOST_DIGITS = 4  # after the point


def add_quartiles(truth: Mapping[str, Any], name: str, values: Mapping[int, float]) -> None:
    """Add an attribute to the images of a run's truth: the quartile of a statistic among them.

    Args:
        truth: content of ``truth.json``, changed in place.
        name: name of the attribute.
        values: image id → statistic; images without one get no attribute.
    """
    known = {int(image["id"]): values[int(image["id"])] for image in truth["images"] if int(image["id"]) in values}
    labels = quartile_labels(known)
    for image in truth["images"]:
        if int(image["id"]) in labels:
            image.setdefault("attributes", {})[name] = labels[int(image["id"])]


def quartile_labels(values: Mapping[int, float]) -> dict[int, str]:
    """Return image id → label of its quartile, such as ``Q1: 0.3 to 11.2``; labels sort as their numbers do.

    The first quartile ends at the value of rank ⌈N / 4⌉, and so on. Equal values are in one quartile, the lowest that
    has one of them, so that a quartile may be larger than others, or empty and without label.
    """
    ordered = sorted(values.values())
    ends = [ordered[math.ceil(quarter * len(ordered) / 4) - 1] for quarter in (1, 2, 3, 4)] if ordered else []
    quarter_of = {value: next(number for number, end in enumerate(ends, start=1) if value <= end) for value in ordered}
    ranges = {number: [v for v in ordered if quarter_of[v] == number] for number in sorted(set(quarter_of.values()))}
    names = _names({number: (each[0], each[-1]) for number, each in ranges.items()})
    return {image: names[quarter_of[value]] for image, value in values.items()}


def _names(ranges: Mapping[int, tuple[float, float]]) -> dict[int, str]:
    """Return labels with as few digits as tell the ranges, and the ends of each, apart; at most four."""

    def texts(digits: int) -> dict[int, str]:
        shown = {number: [f"{end:.{digits}f}" for end in ends] for number, ends in ranges.items()}
        return {number: " to ".join(dict.fromkeys(ends)) for number, ends in shown.items()}

    def apart(digits: int) -> bool:
        named = texts(digits)
        whole = all(("to" in named[number]) == (low < high) for number, (low, high) in ranges.items())
        return whole and len(set(named.values())) == len(named)

    start = 1 if max((high for _, high in ranges.values()), default=0.0) > 1 else 2
    digits = next((each for each in range(start, _MOST_DIGITS) if apart(each)), _MOST_DIGITS)
    return {number: f"Q{number}: {text}" for number, text in texts(digits).items()}
