"""Spec strings: ``name`` or ``name(key=value,…)``, the text form of enhancers, models and darkenings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .errors import UserError

Value = bool | int | float | str
WEIGHT_KEYS = frozenset({"weights", "relight"})  # parameters that name weight files
PATH_KEYS = WEIGHT_KEYS | {"images"}  # parameters that name files; fingerprints use the files' content instead
# Specs around another spec, such as "gate(sgz,luma<40)": the names of the values that are written without a key.
POSITIONAL: Mapping[str, tuple[str, ...]] = {
    "gate": ("enhancer", "when"),
    "both": ("enhancer",),
    "oracle": ("enhancer",),
}
_SPEC = re.compile(r"(?P<name>[^()=,\s][^()]*?)\s*(?:\((?P<args>.*)\))?", re.DOTALL)
_FILE = re.compile(  # a path with parentheses before a separator or suffix, such as "yolov8n (1).onnx"
    r"(?P<name>[^()=,\s][^()=,]*(?:\([^()=,]*\)[^()=,]*)*\([^()=,]*\)[^()=,]*[./][^()=,]*?)\s*(?:\((?P<args>.*)\))?",
    re.DOTALL,
)
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Spec:
    """A parsed spec string. ``str(spec)`` is its canonical text: keys sorted, no spaces, numbers normalised.

    A spec around another holds that one's canonical text as the value ``enhancer``.
    """

    name: str
    args: tuple[tuple[str, Value], ...] = ()

    def __str__(self) -> str:
        values = {key: format_value(value) for key, value in sorted(self.args)}
        leading = [values.pop(key, "") for key in POSITIONAL.get(self.name, ())]
        parts = [*filter(None, leading), *(f"{key}={value}" for key, value in values.items())]
        return f"{self.name}({','.join(parts)})" if parts else self.name

    @property
    def kwargs(self) -> dict[str, Value]:
        return dict(self.args)

    @property
    def inner(self) -> str:
        """Text of the spec that this one is around; empty for one that stands alone."""
        return str(self.kwargs.get("enhancer", "")) if self.name in POSITIONAL else ""

    @staticmethod
    def of(name: str, args: Mapping[str, Value]) -> Spec:
        return Spec(name, tuple(sorted(args.items())))


def parse_spec(text: str) -> Spec:
    """Parse a spec such as ``"clahe(clip=2.0)"``.

    Raises:
        UserError: the text is not a spec; names the faulty part and the expected form.
    """
    match = _FILE.fullmatch(text.strip()) or _SPEC.fullmatch(text.strip())
    if match is None:
        raise UserError(f"{text!r} is not a spec; write NAME or NAME(key=value,key=value)")
    args: dict[str, Value] = {}
    without_key = iter(POSITIONAL.get(match["name"], ()))
    for part in split_list(match["args"] or ""):
        key, equals, value = part.partition("=")
        key = key.strip()
        if not equals or not _KEY.fullmatch(key):
            key, value = next(without_key, ""), part
        if not key:
            path = ", or a / behind a path that ends in parentheses" if re.search("[:/]", match["name"]) else ""
            raise UserError(f"{part!r} in {text!r} is not a parameter; write key=value{path}")
        if key in args:
            raise UserError(f"{key!r} appears twice in {text!r}; give it once")
        args[key] = parse_value(value.strip())
    spec = Spec.of(match["name"], args)
    return Spec.of(spec.name, args | {"enhancer": str(parse_spec(spec.inner))}) if spec.inner else spec


def split_list(text: str) -> list[str]:
    """Split at commas outside parentheses; drop empty items.

    Raises:
        UserError: unbalanced parentheses.
    """
    items, depth, start = [], 0, 0
    for position, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth < 0:
            break
        if char == "," and depth == 0:
            items.append(text[start:position])
            start = position + 1
    if depth:
        raise UserError(f"parentheses in {text!r} are not balanced; add the missing one")
    items.append(text[start:])
    return [item.strip() for item in items if item.strip()]


def parse_value(text: str) -> Value:
    """Parse ``true``/``false``, an integer or a float; return any other text unchanged."""
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def format_value(value: Value) -> str:
    """Return the text that :func:`parse_value` reads back; 2.0 and 2 have the same text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def canonical(texts: Iterable[str]) -> list[str]:
    """Return canonical spec texts in the given order, without duplicates."""
    return list(dict.fromkeys(str(parse_spec(text)) for text in texts))
