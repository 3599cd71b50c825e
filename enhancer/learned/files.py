"""The weights that a learned enhancer cannot do without."""

from __future__ import annotations

from pathlib import Path

from ..errors import UserError
from ..sgz.checkpoint import SUFFIXES
from ..weights import find_weights


def weight_file(name: str, weights: str, form: str = "weights=PATH") -> Path:
    """The file that a parameter of the enhancer ``name`` means; ``form`` is how its files are given.

    Raises:
        UserError: it is empty, or nothing of that name is known.
    """
    if weights == "":
        raise UserError(f"{name} needs {form}, {' or '.join(SUFFIXES)}; write {name}({form})")
    return find_weights(str(weights))
