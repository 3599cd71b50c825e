"""Single values of COCO JSON as tools write them: ids as numbers or text, numbers in quotes, null for absent."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

Id = int | str

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}(\.0*)?")
_LARGEST = 2**63 - 1


def as_id(value: object) -> Id | None:
    """Return an id by its value: 3, 3.0, "3", "3.0" and "003" are 3, other text stays; None if it is no id."""
    if type(value) is int and -_LARGEST <= value <= _LARGEST:  # nearly always
        return value
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return as_id(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, str) and (text := printable(value.strip())):
        return int(text.partition(".")[0]) if _WHOLE.fullmatch(text) else text
    return None


def as_number(value: object) -> float:
    """Return a number, also one in quotes.

    Raises:
        ValueError: it is no number.
    """
    if type(value) is float:  # nearly always
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{shown(value)} is not a number")
    try:
        return float(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{shown(value)} is not a number") from error


def as_flag(value: object) -> bool:
    """Return a flag such as ``iscrowd``: null, 0, "0", "false" and "" are False."""
    if isinstance(value, str):
        return value.strip().lower() not in {"", "0", "0.0", "false", "no", "null", "none"}
    return bool(value)


def is_rotated(annotation: Mapping[str, object]) -> bool:
    """Return True if an annotation has a rotation other than 0, as CVAT writes it (degrees, in ``attributes``)."""
    attributes = annotation.get("attributes")
    try:
        return isinstance(attributes, Mapping) and as_number(attributes.get("rotation") or 0) % 360 != 0
    except ValueError:
        return False


def as_side(value: object) -> int | None:
    """Return a width or height in pixels; None if it is null, 0, or no whole number."""
    try:
        number = as_number(value)
    except ValueError:
        return None
    return int(number) if number.is_integer() and number > 0 else None


def in_order(ids: Iterable[Id]) -> list[Id]:
    """Return ids sorted: numbers first, then text."""
    return sorted(ids, key=lambda each: (isinstance(each, str), each))


def shown(value: object) -> str:
    """Return a value for a message, shortened to 40 characters."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def texts(value: object) -> dict[str, str]:
    """Return the entries of a mapping whose values are text; empty if it is no mapping."""
    if not isinstance(value, Mapping):
        return {}
    return {printable(str(key)): printable(each) for key, each in value.items() if isinstance(each, str)}


def printable(text: str) -> str:
    """Return text that can be written as UTF-8: halves of surrogate pairs, as JSON may hold them, become ``?``."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
