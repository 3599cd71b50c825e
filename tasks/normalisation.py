"""Mean and standard deviation of an exported network's input, as specs write them."""

from __future__ import annotations

import numpy as np

from sgz_bench.core.errors import UserError

_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def triple(family: str, key: str, value: str | float) -> tuple[float, ...]:
    """Parse ``mean`` or ``std``: ``imagenet``, one number, or three such as ``123.7/116.3/103.5``.

    Raises:
        UserError: the value is none of these.
    """
    if value == "imagenet":
        return _IMAGENET[key]
    parts = str(value).strip("()[] ").replace(",", "/").replace(":", "/").split("/")
    try:
        numbers = tuple(float(part) for part in parts if part.strip())
    except ValueError:
        numbers = ()
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3 or not np.isfinite(numbers).all():
        raise UserError(
            f"{family}: {key} must be one number, three such as 0.485/0.456/0.406, or imagenet; got {value!r}"
        )
    return numbers
