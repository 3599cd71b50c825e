"""Data types that all tasks share.

The classes of detection have moved to :mod:`sgz_bench.tasks.detection.types`; plugins may still import them from here.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import printable
from sgz_bench.core.images import Image as Image

_DETECTION = "sgz_bench.tasks.detection.types"  # loaded by name, as an import would be a cycle
_MOVED = frozenset({"Detections", "Truth", "Sample", "DetectionDataset"})


class Scores(NamedTuple):
    """Metrics of one system under B weightings of its images, in [0, 1]; NaN where undefined.

    Attributes:
        per_class: metric → ``(B, K)``.
        overall: metric → ``(B,)``.
    """

    per_class: dict[str, NDArray[np.float64]]
    overall: dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Problem:
    """A fault in a data set that is reported and, unless it is a doubt, skipped.

    Attributes:
        where: a file, a line of it, or an image's key.
        what: description in one line.
        lost: True if a whole image was left out, not only a label.
        doubt: True if nothing was left out, but the labels look wrong as a whole.
    """

    where: str
    what: str
    lost: bool = False
    doubt: bool = False

    def __str__(self) -> str:
        return printable(f"{self.where}: {self.what}")


def __getattr__(name: str) -> Any:
    """Return a class of detection by its former path.

    Raises:
        AttributeError: no such name, here or among the classes that moved.
    """
    if name in _MOVED:
        return getattr(importlib.import_module(_DETECTION), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
