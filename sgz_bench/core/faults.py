"""Faults of settings that pydantic finds, in the words of this package: setting, rule, value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from .registry import suggest

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

_RULES = {
    "missing": "is required",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "path_type": "must be a path",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "mapping_type": "must be a mapping",
    "model_type": "must be a mapping of settings",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "too_short": "needs {min_length} or more entries",
    "too_long": "takes {max_length} entries or fewer",
}
_LONGEST = 60  # characters of a value


def first_fault(error: ValidationError, settings: type[BaseModel] | None = None) -> str:
    """Describe the first fault of a pydantic error: ``views.crop: must be a whole number, got 'wide'``.

    Args:
        error: of the validation.
        settings: model that was validated, for the nearest name of an unknown setting.
    """
    faults = error.errors()
    first = faults[0]
    unknown = first["type"] == "extra_forbidden"  # the last part is then the user's own word, whatever it looks like
    where = [*_path(first["loc"][:-1]), first["loc"][-1]] if unknown else _path(first["loc"])
    name = ".".join(map(str, where)) or "content"
    if unknown:
        known = _settings_at(settings, where[:-1])
        return f"{name}: there is no such setting" + (suggest(str(where[-1]), known) if known else "")
    if first["type"] == "value_error":
        return f"{name}: " * bool(where) + first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"{name}: is required"
    rules = dict.fromkeys(_rule(each) for each in faults if _path(each["loc"]) == where)  # several of a union
    joined = " or ".join([next(iter(rules)), *(rule.removeprefix("must be ") for rule in list(rules)[1:])])
    value = repr(first["input"])
    return f"{name}: {joined}, got {value if len(value) <= _LONGEST else value[:_LONGEST] + '…'}"


def _rule(fault: Mapping[str, Any]) -> str:
    rule = _RULES.get(fault["type"])
    message: str = fault["msg"]
    return rule.format(**fault.get("ctx", {})) if rule else message[:1].lower() + message[1:]


def _path(location: Sequence[str | int]) -> list[str | int]:
    """Return the part of pydantic's location that names settings, without the branches of a union."""
    path: list[str | int] = []
    for part in location:
        if isinstance(part, str) and (any(char in part for char in "[]()-") or part in {"float", "int", "str", "bool"}):
            break
        path.append(part)
    return path


def _settings_at(settings: type[BaseModel] | None, path: Sequence[str | int]) -> list[str]:
    """Return the names of the settings in a part of a model; empty if it is none."""
    for part in path:
        field = settings.model_fields.get(str(part)) if settings else None
        kinds = [field.annotation, *get_args(field.annotation)] if field else []
        settings = next((kind for kind in kinds if hasattr(kind, "model_fields")), None)
    return list(settings.model_fields) if settings else []
