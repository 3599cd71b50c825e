"""Dark image in, brighter image out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import Enhancer

from .catalog import create_enhancer, list_enhancers

__all__ = ["Enhancer", "create_enhancer", "list_enhancers"]


def __getattr__(name: str) -> object:  # torch is loaded when an enhancer is, not by an import of this package
    if name == "Enhancer":
        from .base import Enhancer

        return Enhancer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
