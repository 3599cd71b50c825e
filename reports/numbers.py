"""Number formats of terminal, Markdown, LaTeX and figures.

Metrics are in [0, 1] and shown ×100 with one decimal, as is usual in the field; differences have a sign.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from sgz_bench.benchmarks.results import Delta

UNDEFINED = "–"
MINUS = "−"
_LEVEL = 0.05


def percent(value: float | None) -> str:
    """``0.4163`` → ``41.6``."""
    return UNDEFINED if value is None else f"{100 * value:.1f}".replace("-", MINUS)


def in_unit(value: float | None, unit: str = "%") -> str:
    """Format in percent, or in any other unit unchanged with four digits."""
    if value is None or unit == "%":
        return percent(value)
    return f"{value:.4g}".replace("-", MINUS)


def with_spread(value: float | None, spread: float | None, unit: str = "%") -> str:
    """``41.6 ± 0.4``, or ``41.6`` without standard deviation."""
    return (
        in_unit(value, unit) if value is None or spread is None else f"{in_unit(value, unit)} ± {in_unit(spread, unit)}"
    )


def amounts(counts: Mapping[str, int | None], *, shares: bool = False) -> dict[str, str]:
    """Format counts as integers, or as percentages of their sum; a positive share that rounds to 0 is ``<0.1``."""
    total = sum(count or 0 for count in counts.values())

    def text(count: int) -> str:
        if not shares:
            return str(count)
        return "<0.1" if 0 < count < 0.0005 * total else percent(count / max(total, 1))

    return {name: UNDEFINED if count is None else text(count) for name, count in counts.items()}


def signed(value: float | None, unit: str = "%") -> str:
    """``0.02`` → ``+2.0``. A number that rounds to 0 keeps its sign (``−0.0``); an exact zero has none."""
    if value is None or value == 0:
        return in_unit(value, unit)
    return (f"{100 * value:+.1f}" if unit == "%" else f"{value:+.3g}").replace("-", MINUS)


def difference(delta: Delta | None, unit: str = "%") -> str:
    """``+2.0 [+0.4, +3.6]``, or ``+2.0`` where the interval is undefined."""
    if delta is None or delta["value"] is None:
        return UNDEFINED
    if delta["low"] is None or delta["high"] is None:
        return signed(delta["value"], unit)
    return f"{signed(delta['value'], unit)} [{signed(delta['low'], unit)}, {signed(delta['high'], unit)}]"


def gained_and_lost(gained: int, lost: int, *, of: int) -> str:
    """``+3 −1``; undefined if there are no objects (``of`` is 0)."""
    return f"+{gained} {MINUS}{lost}" if of else UNDEFINED


def excludes_zero(delta: Delta | None) -> bool:
    """Tell whether the interval excludes 0; an interval that ends at 0 includes it."""
    if delta is None or delta["low"] is None or delta["high"] is None:
        return False
    return delta["low"] > 0 or delta["high"] < 0


def significant(delta: Delta | None) -> bool:
    """Tell whether a difference is more than chance: what stars, full markers and verdicts stand for.

    That is p < .05, corrected by Holm where the row belongs to a family of enhancers. A difference without p, such as
    that of a class or slice, is significant if its interval excludes 0; it is not corrected for their number.
    """
    if delta is None or delta["value"] is None:
        return False
    p = delta["p"] if delta["p_holm"] is None else delta["p_holm"]
    return excludes_zero(delta) if p is None else p < _LEVEL


def p_value(p: float | None) -> str:
    """``0.0123`` → ``.012``; below 0.001 ``<.001``."""
    if p is None:
        return UNDEFINED
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def three_digits(value: float | None) -> str:
    """Format a cost: ``0.04836`` → ``0.0484``, ``36.14`` → ``36.1``, ``1296.2`` → ``1296``."""
    if value is None:
        return UNDEFINED
    if value == 0:
        return "0"
    return f"{value:.{max(2 - math.floor(math.log10(abs(value))), 0)}f}"


def short_count(number: int | None) -> str:
    """``258`` → ``258``, ``10561`` → ``10.6 k``, ``1609830`` → ``1.61 M``."""
    if number is None:
        return UNDEFINED
    for unit, name in ((1e6, " M"), (1e3, " k")):
        if number >= unit:
            return three_digits(number / unit) + name
    return str(number)


def exact(value: object) -> str:
    """Format for CSV at full precision: the shortest text that parses to the same number; undefined is empty."""
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)
