"""How numbers are written: one place for terminal, Markdown, LaTeX and figures.

Metrics lie in [0, 1] and are shown ×100 with one decimal, as the field does; differences carry their sign.
"""

from __future__ import annotations

from sgz_bench.benchmarks.results import Delta

UNDEFINED = "–"
MINUS = "−"


def percent(value: float | None) -> str:
    """``0.4163`` → ``41.6``."""
    return UNDEFINED if value is None else f"{100 * value:.1f}".replace("-", MINUS)


def signed(value: float | None) -> str:
    """``0.02`` → ``+2.0``. What rounds to nothing keeps its sign (``−0.0``); only an exact zero has none."""
    if value is None or value == 0:
        return percent(value)
    return f"{100 * value:+.1f}".replace("-", MINUS)


def difference(delta: Delta | None) -> str:
    """``+2.0 [+0.4, +3.6]``, without the interval where it is undefined."""
    if delta is None or delta["value"] is None:
        return UNDEFINED
    if delta["low"] is None or delta["high"] is None:
        return signed(delta["value"])
    return f"{signed(delta['value'])} [{signed(delta['low'])}, {signed(delta['high'])}]"


def excludes_zero(delta: Delta | None) -> bool:
    """Whether the interval lies on one side of zero; an interval that ends at zero does not."""
    if delta is None or delta["low"] is None or delta["high"] is None:
        return False
    return delta["low"] > 0 or delta["high"] < 0


def p_value(p: float | None) -> str:
    """``0.0123`` → ``.012``; below one in a thousand ``<.001``."""
    if p is None:
        return UNDEFINED
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def exact(value: object) -> str:
    """Full precision for CSV: the shortest text that reads back as the same number; undefined is empty."""
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)
