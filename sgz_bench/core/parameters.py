"""Validation of parameter values of a spec string."""

from __future__ import annotations

from .errors import UserError


def number(owner: str, key: str, value: object, low: float, high: float) -> float:
    """Return ``value`` as a float in [low, high].

    Raises:
        UserError: ``value`` is not a number or out of range; names owner, parameter and range.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UserError(f"{owner}: {key} must be a number from {low:g} to {high:g}, got {value!r}")
    return float(value)


def integer(owner: str, key: str, value: object, low: int, high: int) -> int:
    """Return ``value`` as an int in [low, high]; 2.0 becomes 2.

    Raises:
        UserError: ``value`` is not a whole number or out of range; names owner, parameter and range.
    """
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(whole, bool) or not isinstance(whole, int) or not low <= whole <= high:
        raise UserError(f"{owner}: {key} must be a whole number from {low} to {high}, got {value!r}")
    return whole


def switch(owner: str, key: str, value: object) -> bool:
    """Return ``value`` as a bool.

    Raises:
        UserError: ``value`` is neither true nor false; names owner and parameter.
    """
    if not isinstance(value, bool):
        raise UserError(f"{owner}: {key} must be true or false, got {value!r}")
    return value
