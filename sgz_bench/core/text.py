"""Numbers with their nouns, for sentences."""

from __future__ import annotations


def pluralize(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 image``, ``2 images``; give ``plural`` where it is not the noun with an s."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
