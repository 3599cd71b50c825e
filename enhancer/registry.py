"""A table of named factories with lazy targets, plugins and "did you mean"."""

from __future__ import annotations

import difflib
import importlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Generic, TypeVar, cast

from .errors import UserError

T = TypeVar("T")


class Registry(Generic[T]):
    """Names mapped to ``"package.module:attribute"`` targets that are imported on first use.

    Args:
        kind: what is registered, in the words of an error message (``"enhancer"``).
        targets: the built-in names.
        group: entry point group in which other packages register names of their own; a plugin that cannot be
            imported becomes a named warning and never hides a built-in name.
    """

    def __init__(self, kind: str, targets: Mapping[str, str], *, group: str | None = None) -> None:
        self.kind = kind
        self._builtin = dict(targets)
        self._group = group

    def targets(self) -> dict[str, str]:
        """Every known name with its target, built-in names first."""
        plugins = {point.name: point.value for point in entry_points(group=self._group)} if self._group else {}
        return self._builtin | {name: plugins[name] for name in sorted(plugins) if name not in self._builtin}

    def __iter__(self) -> Iterator[str]:
        return iter(self.targets())

    def __contains__(self, name: str) -> bool:
        return name in self.targets()

    def load(self, name: str) -> T:
        """Import and return what ``name`` stands for.

        Raises:
            UserError: unknown name (with the nearest known one), or a plugin that cannot be imported.
        """
        targets = self.targets()
        if name not in targets:
            raise UserError(f"unknown {self.kind} {name!r}{suggest(name, list(targets))}")
        try:
            return cast(T, _resolve(targets[name]))
        except Exception as error:  # a plugin may fail in any way
            if name in self._builtin:
                raise
            raise UserError(f"the plugin {self.kind} {name!r} ({targets[name]}) cannot be imported: {error}") from error

    def loaded(self) -> dict[str, T]:
        """Every name that can be imported; the others are warned about by name."""
        found: dict[str, T] = {}
        for name in self:
            try:
                found[name] = self.load(name)
            except UserError as error:
                warnings.warn(str(error), stacklevel=2)
        return found


def suggest(name: str, known: list[str]) -> str:
    """The tail of an error message: the nearest known names, or all of them when they are few."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"; did you mean {' or '.join(repr(n) for n in near)}?"
    listed = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
    return f"; known: {listed}"


def refuse_unknown(owner: str, given: Iterable[str], known: list[str]) -> None:
    """Refuse parameters that ``owner`` does not have.

    Raises:
        UserError: names the first of them and the nearest known one.
    """
    for key in given:
        if key not in known:
            raise UserError(f"{owner} has no parameter {key!r}{suggest(key, known) if known else '; it takes none'}")


def _resolve(target: str) -> object:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)
