"""Doubts about the values of custom label maps as a whole: 255 that is no void, ids from 1, grey levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from sgz_bench.core.errors import UserError

from ..types import VOID, LabelledImage, SegmentationDataset
from .cityscapes import LABEL_IDS
from .labels import format_ids, read_values

_MAPS = 200  # maps that are read, evenly spaced
_BATCH = 16
_SHOWN = 20  # lines of `ids` in a message
_LEVELS = 3  # values per class above which a map was compressed or interpolated


def check_values(dataset: SegmentationDataset, path: Path, *, void_declared: bool) -> list[str]:
    """Compare the values of the label maps with the class list; for maps whose values are class ids.

    Reading stops when all classes have been seen and every value is known.

    Args:
        dataset: data set of a YAML without ``ids``.
        path: the YAML.
        void_declared: True if ``ignore`` names 255.

    Returns:
        A note if classes have no pixel and 255 is void only by default.

    Raises:
        UserError: the values contradict the class list; gives the line to write.
    """
    names = dataset.class_names
    seen, unknown_maps, maps = _seen(dataset, range(len(names)))
    unknown = sorted(seen - set(dataset.ids))
    fix = _fix(sorted(seen), unknown, names) if unknown else ""
    foreign = unknown == [len(names)] or 2 * unknown_maps > maps or not seen & set(range(1, len(names)))
    if fix and foreign:
        raise UserError(
            f"{path}: the label maps contain {format_ids(sorted(seen))}, but the {len(names)} names stand for "
            f"{format_ids(range(len(names)))}; {fix}"
        )
    missing = [name for index, name in enumerate(names) if index not in seen]
    if void_declared or VOID not in seen or unknown:
        return []
    if seen == {VOID}:
        raise UserError(
            f"{path}: every pixel of the label maps is 255, which is not scored; if it is a class, map it with `ids`"
        )
    if seen == {0, VOID}:
        fix = f"{_line([0, VOID], names)}" if len(names) > 1 else f"{_line([VOID], names)} and `ignore: [0]`"
        raise UserError(
            f"{path}: the label maps contain 0 and 255 only, and 255 is not scored by default; if 255 is "
            f"{names[min(1, len(names) - 1)]}, write {fix}; if it is void, write `ignore: [255]`"
        )
    if missing:
        absent = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
        return [
            f"no pixel of {absent}, and 255 is void by default; if 255 is a class, map it with `ids`; if it is void, "
            "`ignore: [255]` in the YAML says so"
        ]
    return []


def _seen(dataset: SegmentationDataset, classes: Sequence[int]) -> tuple[set[int], int, int]:
    """Return the values of the maps that were read, the number of maps with unknown ones, and of maps."""
    samples = [sample for sample in dataset.samples if sample.labels is not None]
    samples = [samples[index * len(samples) // _MAPS] for index in range(_MAPS)] if len(samples) > _MAPS else samples
    seen: set[int] = set()
    unknown_maps = maps = 0
    with ThreadPoolExecutor(4) as pool:
        for start in range(0, len(samples), _BATCH):
            for values in pool.map(_values, samples[start : start + _BATCH]):
                maps += bool(values)
                unknown_maps += bool(values - set(dataset.ids))
                seen |= values
            if seen >= set(classes) and not unknown_maps:
                break
    return seen, unknown_maps, maps


def _values(sample: LabelledImage) -> set[int]:
    if sample.labels is None:
        return set()
    try:
        return set(np.flatnonzero(np.bincount(read_values(sample.labels, sample).ravel(), minlength=256)).tolist())
    except UserError:  # reported where the map is read
        return set()


def _fix(values: list[int], unknown: list[int], names: Sequence[str]) -> str:
    """Return what to write in the YAML for values that are no class ids; empty if there is no clear fix."""
    count = len(names)
    without = [value for value in values if value != VOID]
    if unknown == [count]:
        return (
            f"if {count} is void, write `ignore: [{count}]`; if ids count from 1, write "
            f"{_line(range(1, count + 1), names)} and `ignore: [0]`"
        )
    if count == 19 and set(values) <= set(LABEL_IDS):
        return "they look like Cityscapes' labelIds; use the maps of labelTrainIds, or the data set cityscapes"
    if len(values) > _LEVELS * count + 20:
        return "so many values come from compression or interpolation; make the maps again without both"
    for each in (values, without):
        if len(each) == count > 1:
            return f"if these are the classes in their order, write {_line(each, names)}"
    return ""


def _line(values: Sequence[int], names: Sequence[str]) -> str:
    """Return the line `ids: {…}` of a YAML."""
    pairs: Mapping[int, str] = dict(zip(values, names, strict=False))
    text = ", ".join(f"{value}: {_quoted(name)}" for value, name in list(pairs.items())[:_SHOWN])
    return f"`ids: {{{text}{', …' if len(pairs) > _SHOWN else ''}}}`"


def _quoted(name: str) -> str:
    return name if name.replace(" ", "").replace("-", "").isalnum() and not name.isdigit() else f'"{name}"'
