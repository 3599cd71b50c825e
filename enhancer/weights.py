"""Weight files by name."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from .errors import UserError
from .registry import suggest
from .sgz.checkpoint import SUFFIXES

_PACKAGE = "sgz_bench.enhancer"


def shipped_weights() -> list[str]:
    """Names of the weights that come with the package."""
    folder = files(_PACKAGE).joinpath("weights")
    return sorted(
        each.name.removesuffix(".safetensors") for each in folder.iterdir() if each.name.endswith(".safetensors")
    )


def find_weights(weights: str) -> Path:
    """The file that ``weights`` means: a path, or a name such as ``sgz-v1``.

    Raises:
        UserError: it has no suffix of a weight file, and nothing of that name comes with the package.
    """
    path = Path(weights).expanduser()
    if path.suffix in SUFFIXES:
        return path
    known = shipped_weights()
    if weights not in known:
        raise UserError(
            f"unknown weights {weights!r}{suggest(weights, known)}; give a {', '.join(SUFFIXES)} file"
            f" or one of {', '.join(known)}"
        )
    return Path(str(files(_PACKAGE).joinpath("weights", f"{weights}.safetensors")))
