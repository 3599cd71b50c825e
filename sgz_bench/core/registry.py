"""A table of named factories with lazy targets, plugins and "did you mean"."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Generic, TypeVar, cast
from warnings import warn

from .errors import PluginWarning, UserError, in_one_line

T = TypeVar("T")


class Registry(Generic[T]):
    """Names mapped to ``"package.module:attribute"`` targets that are imported on first use.

    Args:
        kind: what is registered, in the words of an error message (``"enhancer"``).
        targets: the built-in names.
        group: entry point group in which other packages register names, or several: the present and its former names.
            A plugin that cannot be imported, or whose name is taken, becomes a :class:`PluginWarning`; none ever hides
            a built-in name. The same target in two groups is one plugin.
        base: target of the class that every plugin has to be a subclass of; without one a plugin is any callable.
    """

    def __init__(
        self, kind: str, targets: Mapping[str, str], *, group: str | tuple[str, ...] = (), base: str = ""
    ) -> None:
        self.kind = kind
        self._builtin = dict(targets)
        self._groups = (group,) if isinstance(group, str) else group
        self._base = base

    def targets(self) -> dict[str, str]:
        """Every known name with its target, built-in names first."""
        plugins: dict[str, str] = {}
        for point in chain.from_iterable(entry_points(group=group) for group in self._groups):
            taken = self._builtin.get(point.name) or plugins.setdefault(point.name, point.value)
            if taken != point.value:
                said = f"{self._called(point.name, point.value)} is not used, as {taken} has that name"
                warn(f"{said}; rename its entry point", PluginWarning, stacklevel=2)
        return self._builtin | dict(sorted(plugins.items()))

    def __iter__(self) -> Iterator[str]:
        return iter(self.targets())

    def __contains__(self, name: str) -> bool:
        return name in self.targets()

    def load(self, name: str) -> T:
        """Import and return what ``name`` stands for.

        Raises:
            UserError: unknown name (with the nearest known one), or a plugin that cannot be imported or is not what
                it should be.
        """
        targets = self.targets()
        if name not in targets:
            raise UserError(f"unknown {self.kind} {name!r}{suggest(name, list(targets))}")
        if name in self._builtin:
            return cast(T, _resolve(targets[name]))
        plugin = self._called(name, targets[name])
        try:
            found = _resolve(targets[name])
        except (Exception, SystemExit) as error:  # a plugin may fail in any way
            raise UserError(f"{plugin} cannot be imported: {in_one_line(error)}") from error
        return self._checked(plugin, found)

    def find(self, name: str) -> tuple[T, str]:
        """What a name stands for, or ``package.module:Class`` or ``FILE.py:Class``; with :func:`code_of` it.

        The second is empty for what is built in, whose versions tell when its results change.

        Raises:
            UserError: as :meth:`load`; or there is no such class, or its module cannot be imported.
        """
        if name in self._builtin:
            return self.load(name), ""
        if ":" not in name:
            found = self.load(name)
            return found, code_of(found)
        place, _, attribute = name.rpartition(":")
        path = Path(place).expanduser()
        try:
            module = _module(path) if path.suffix == ".py" else importlib.import_module(place)
        except (Exception, SystemExit) as error:  # a module of one's own may fail in any way
            hint = "" if path.suffix == ".py" else "; write package.module:Class or FILE.py:Class"
            raise UserError(f"the {self.kind} {name} cannot be had ({in_one_line(error)}){hint}") from error
        if not hasattr(module, attribute):
            known = [each for each, value in vars(module).items() if isinstance(value, type)]
            raise UserError(
                f"the {self.kind} {name} cannot be had: {place} has no {attribute!r}{suggest(attribute, known)}"
            )
        found = self._checked(f"the {self.kind} {name}", getattr(module, attribute))
        code = code_of(found)
        if path.suffix == ".py":  # which may make its class by code of another file, or the other way round
            code = hashlib.sha256(path.read_bytes() + code.encode()).hexdigest()
        return found, code

    def loaded(self) -> dict[str, T]:
        """Every name that can be imported; the others are warned about by name."""
        found: dict[str, T] = {}
        for name in self:
            try:
                found[name] = self.load(name)
            except UserError as error:
                warn(str(error), PluginWarning, stacklevel=2)
        return found

    def faults(self, name: str) -> tuple[type[Exception], ...]:
        """What calling ``name`` may raise by a user's mistake or a plugin's; anything else is ours."""
        return (TypeError, ValueError) if name in self._builtin else (Exception,)

    def _checked(self, called: str, found: object) -> T:
        if self._base:
            base = cast(type, _resolve(self._base))
            if not (isinstance(found, type) and issubclass(found, base)):
                raise UserError(f"{called} is no subclass of {base.__name__}; derive it from {self._base}")
        elif not callable(found):
            raise UserError(f"{called} is no function")
        return cast(T, found)

    def _called(self, name: str, target: str) -> str:
        return f"plugin {self.kind} {name!r} ({target})"


def code_of(found: object) -> str:
    """sha256 (hex) of the file that a class or function is written in, and of its name there.

    Files that it imports are not part of it; a class raises its version when they change what it gives.
    """
    name = getattr(found, "__qualname__", "")
    try:
        path = inspect.getsourcefile(found)  # type: ignore[arg-type]
    except (TypeError, OSError):  # compiled, or typed in
        path = None
    content = (
        Path(path).read_bytes() if path and Path(path).is_file() else str(getattr(found, "__module__", "")).encode()
    )
    return hashlib.sha256(f"{name}\n".encode() + content).hexdigest()


def suggest(name: str, known: list[str]) -> str:
    """The tail of an error message: the nearest known names, or all of them when they are few."""
    if not known:
        return "; there is none"
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


def _module(path: Path) -> ModuleType:
    found = spec_from_file_location(f"sgz_bench_own_{path.stem}", path)
    if found is None or found.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = module_from_spec(found)
    sys.modules[found.name] = module  # dataclasses and pickles of the file look their module up
    try:
        found.loader.exec_module(module)
    except BaseException:
        del sys.modules[found.name]
        raise
    return module
