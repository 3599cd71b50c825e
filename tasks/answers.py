"""Check of models' answers: one clear line for a custom class or a plugin that breaks its contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sgz_bench.core.errors import UserError, in_one_line

from .models import Model

A = TypeVar("A")


def ask(model: Model, predict: Callable[[], Sequence[A]], count: int, kind: type[A]) -> list[A]:
    """Call a model and return its answers, one per image.

    Args:
        model: the model, for messages.
        predict: call of the model.
        count: number of images.
        kind: class of an answer.

    Raises:
        UserError: a custom class fails, or returns something else than ``count`` answers of this class.
    """
    try:
        answers: Any = predict()
    except (Exception, SystemExit) as error:
        if isinstance(error, UserError) or not model.origin:
            raise
        raise UserError(f"{model.label} fails ({in_one_line(error)}); check its code") from error
    rule = f"predict returns a list with one {kind.__name__} per image"
    if not isinstance(answers, Sequence):
        raise UserError(f"{model.label} returned {type(answers).__name__}; {rule}")
    if len(answers) != count:
        raise UserError(f"{model.label} returned {len(answers)} answers for {count} images; {rule}")
    for answer in answers:
        if not isinstance(answer, kind):
            raise UserError(f"{model.label} returned a list of {type(answer).__name__}; {rule}")
    return list(answers)
