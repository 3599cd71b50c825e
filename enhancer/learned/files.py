"""The weights that a learned enhancer cannot do without."""

from __future__ import annotations

from pathlib import Path

from ..errors import UserError
from ..weights import find_weights


def weight_file(name: str, weights: str, key: str = "weights") -> Path:
    """The file that the parameter ``key`` of the enhancer ``name`` means.

    Raises:
        UserError: it is empty, or nothing of that name is known.
    """
    if weights == "":
        raise UserError(f"{name} needs {key}=PATH, a .safetensors or .pth file; write {name}({key}=PATH)")
    return find_weights(str(weights))
