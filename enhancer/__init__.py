"""Enhancers: a dark image in, a brighter image of the same size out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import Enhancer

from .catalog import create_enhancer, list_enhancers

__all__ = ["Enhancer", "create_enhancer", "list_enhancers"]


def __getattr__(name: str) -> object:  # importing this package must not import torch
    if name == "Enhancer":
        from .base import Enhancer

        return Enhancer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
