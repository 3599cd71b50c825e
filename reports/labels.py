"""Labels of enhancers, models and darkenings in tables, legends and file names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from sgz_bench.core.specs import PATH_KEYS, Spec, Value, format_value, parse_spec

_UNWRITTEN = {"batch": "1"}  # settings that a model's spec has only where they differ from this value


def enhancer_labels(specs: Iterable[str]) -> dict[str, str]:
    """Shorten weights in canonical specs to the file's stem; specs that would get the same label stay in full."""
    specs = list(dict.fromkeys(specs))
    shortened = {spec: _shorten(spec) for spec in specs}
    seen = Counter(shortened.values())
    return {spec: label if seen[label] == 1 else spec for spec, label in shortened.items()}


def short_labels(specs: Iterable[str]) -> dict[str, str]:
    """Return bare names for headings; specs that share a name keep their labels."""
    labels = enhancer_labels(specs)
    names = {spec: _bare(spec) for spec in labels}
    seen = Counter(names.values())
    return {spec: name if seen[name] == 1 else labels[spec] for spec, name in names.items()}


def file_names(specs: Iterable[str]) -> dict[str, str]:
    """Return distinct parts of file names, safe in LaTeX: letters, digits and hyphens of the short label."""
    names: dict[str, str] = {}
    for spec, label in short_labels(specs).items():
        stem = re.sub(r"[^A-Za-z0-9]+", "-", label).strip("-").lower()
        same = sum(name == stem or name.startswith(f"{stem}--") for name in names.values())
        names[spec] = f"{stem}--{same + 1}" if same else stem
    return names


def model_labels(models: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return (spec, weight hash) → the file's stem, plus whatever distinguishes the given models."""
    models = list(dict.fromkeys(models))
    stems = {model: PurePath(parse_spec(model[0]).name.rpartition(":")[2]).stem for model in models}
    labels = {}
    for model, stem in stems.items():
        same = [other for other in models if stems[other] == stem]
        parts = [] if len({parse_spec(spec).name for spec, _ in same}) == 1 else [parse_spec(model[0]).name]
        differing = _differing([spec for spec, _ in same])
        own = dict(differing[model[0]])
        given = dict.fromkeys(key for each in differing.values() for key, _ in each)
        parts += [f"{key}={own.get(key, _UNWRITTEN.get(key))}" for key in given if key in own or key in _UNWRITTEN]
        parts += [model[1][:8]] if sum(spec == model[0] for spec, _ in same) > 1 else []
        labels[model] = f"{stem} ({','.join(parts)})" if parts else stem
    return labels


def darken_labels(specs: Iterable[str | None]) -> dict[str | None, str]:
    """Label darkening specs by their exposure and whatever else differs among them; None is ``none``."""
    specs = list(dict.fromkeys(specs))
    differing = _differing([spec for spec in specs if spec is not None], always=("ev",))
    return {
        spec: "none" if spec is None else ",".join(f"{k}={v}" for k, v in differing[spec]) or spec for spec in specs
    }


def object_group_label(by: str, name: str) -> str:
    """Name a group of objects: ``small`` by size, ``luma 16 to 32`` by luminance."""
    return f"luma {name}" if by == "luminance" else name


def broken(label: str, width: int) -> list[str]:
    """Break a label into lines of at most ``width`` characters, where possible.

    Lines break after a comma or a blank; pieces that are still too long after ``(``, then after ``-``, ``_`` or ``=``.
    """
    pieces = [label]
    for after in (r"[, ]", r"[(]", r"[-_=]"):
        pieces = [
            part
            for piece in pieces
            for part in (re.split(f"(?<={after})", piece) if len(piece.rstrip()) > width else [piece])
        ]
    lines = [""]
    for piece in pieces:
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def as_file_name(text: str) -> str:
    """Return text as a file name: letters, digits, ``_`` and ``-``; anything else becomes ``-``."""
    return re.sub(r"[^\w-]+", "-", text)


def _shorten(spec: str) -> str:
    parsed = parse_spec(spec)
    args = {key: PurePath(str(value)).stem if key in PATH_KEYS else value for key, value in parsed.args}
    args |= {"enhancer": _shorten(parsed.inner)} if parsed.inner else {}
    return str(Spec.of(PurePath(parsed.name).name, args))


def _bare(spec: str) -> str:
    """Return the name of a spec; of one around another, with the inner name and the condition."""
    parsed = parse_spec(spec)
    if not parsed.inner:
        return parsed.name
    return str(Spec.of(parsed.name, parsed.kwargs | {"enhancer": _bare(parsed.inner)}))


def _differing(specs: Sequence[str], always: tuple[str, ...] = ()) -> dict[str, list[tuple[str, str]]]:
    """Return the arguments (key, text) of each spec that are not the same in all of them."""
    args: dict[str, dict[str, Value]] = {spec: parse_spec(spec).kwargs for spec in specs}
    keys = sorted({key for values in args.values() for key in values}, key=lambda key: (key not in always, key))
    shown = [key for key in keys if key in always or len({values.get(key) for values in args.values()}) > 1]
    return {spec: [(key, format_value(values[key])) for key in shown if key in values] for spec, values in args.items()}
