"""Numbers with their nouns, for sentences; names in one Unicode form, for comparisons."""

from __future__ import annotations

import unicodedata


def pluralize(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 image``, ``2 images``; give ``plural`` where it is not the noun with an s."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def composed(name: str) -> str:
    """Return a name in Unicode's composed form (NFC); macOS writes names decomposed."""
    return unicodedata.normalize("NFC", name)
