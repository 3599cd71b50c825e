"""Summaries of a data set's problems: many of one kind become one line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .types import Problem

_MANY = 20  # problems of one kind that are named one by one
_EXAMPLES = 3
_PATH = re.compile(r"\S*[/\\]\S*|\d+")


def summarize(problems: Sequence[Problem], images: int) -> list[Problem]:
    """Return doubts about the labels first, then problems in their order, many of one kind as one with three examples.

    Many are more than 20, or more than half of the data set and more than three.

    Args:
        problems: as a loader reports them.
        images: number of images that were loaded.
    """
    total = images + sum(problem.lost for problem in problems)
    kinds: dict[tuple[str, bool], list[Problem]] = {}
    for problem in problems:
        kinds.setdefault((_kind(problem), problem.lost), []).append(problem)
    lines = [line for group in kinds.values() for line in _lines(group, total)]
    return sorted(lines, key=lambda problem: not problem.doubt)


def of_files(paths: Sequence[Path], what: str) -> list[Problem]:
    """Return the problem that files share: one each for up to three files, else one with their number and three."""
    if len(paths) <= _EXAMPLES:
        return [Problem(str(path), what) for path in paths]
    examples = "; ".join(map(str, paths[:_EXAMPLES]))
    return [Problem(f"{len(paths)} times", f"{what}; for example {examples}")]


def _lines(group: list[Problem], total: int) -> list[Problem]:
    if len(group) <= _EXAMPLES or (len(group) <= _MANY and len(group) * 2 <= total):
        return group
    first = group[0]
    count = f"{len(group)} of {total} images" if first.lost else f"{len(group)} times"
    examples = "; ".join(problem.where for problem in group[:_EXAMPLES])
    return [replace(first, where=count, what=f"{first.what}; for example {examples}")]


def _kind(problem: Problem) -> str:
    """Return a problem's text without the file, paths and numbers."""
    return _PATH.sub("…", problem.what.replace(problem.where, "…"))
