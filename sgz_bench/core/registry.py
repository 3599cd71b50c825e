"""Registry of named factories with lazy targets, plugins and "did you mean" errors."""

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
        kind: noun for error messages, such as ``"enhancer"``.
        targets: built-in names.
        group: entry point group in which other packages register names, or several: the present and its former names.
            A plugin that cannot be imported, or whose name is taken, becomes a :class:`PluginWarning`; none ever hides
            a built-in name. The same target in two groups is one plugin.
        base: target of the required base class of plugins; without one, a plugin is any callable.
    """

    def __init__(
        self, kind: str, targets: Mapping[str, str], *, group: str | tuple[str, ...] = (), base: str = ""
    ) -> None:
        self.kind = kind
        self._builtin = dict(targets)
        self._groups = (group,) if isinstance(group, str) else group
        self._base = base

    def targets(self) -> dict[str, str]:
        """Return every known name with its target, built-in names first."""
        plugins: dict[str, str] = {}
        for point in chain.from_iterable(entry_points(group=group) for group in self._groups):
            taken = self._builtin.get(point.name) or plugins.setdefault(point.name, point.value)
            if taken != point.value:
                fault = f"{self._label(point.name, point.value)} is not used, as {taken} has that name"
                warn(f"{fault}; rename its entry point", PluginWarning, stacklevel=2)
        return self._builtin | dict(sorted(plugins.items()))

    def __iter__(self) -> Iterator[str]:
        return iter(self.targets())

    def __contains__(self, name: str) -> bool:
        return name in self.targets()

    def load(self, name: str) -> T:
        """Import and return the target of ``name``.

        Raises:
            UserError: unknown name (with the nearest known one), or a plugin that cannot be imported or has the wrong
                type.
        """
        targets = self.targets()
        if name not in targets:
            raise UserError(f"unknown {self.kind} {name!r}{suggest(name, list(targets))}")
        if name in self._builtin:
            return cast(T, _resolve(targets[name]))
        plugin = self._label(name, targets[name])
        try:
            value = _resolve(targets[name])
        except (Exception, SystemExit) as error:  # a plugin may fail in any way
            raise UserError(f"{plugin} cannot be imported: {in_one_line(error)}") from error
        return self._checked(plugin, value)

    def find(self, name: str) -> tuple[T, str]:
        """Return the target of a name, of ``package.module:Class`` or of ``FILE.py:Class``, and the hash of its code.

        The hash is that of :func:`code_of`. It is empty for built-in names, whose version changes with their results.

        Raises:
            UserError: as :meth:`load`, or the module cannot be imported or has no such class.
        """
        if name in self._builtin:
            return self.load(name), ""
        source, colon, attribute = (name, "", "") if name.endswith(".py") else name.rpartition(":")
        if not colon and not name.endswith(".py"):
            if not self.targets():
                fix = "write FILE.py:Class or package.module:Class"
                raise UserError(f"unknown {self.kind} {name!r}{suggest(name, [], fix)}")
            value = self.load(name)
            return value, code_of(value)
        path = Path(source).expanduser()
        if path.suffix == ".py" and not path.is_file():
            raise UserError(f"the {self.kind} {name} is not available: there is no file {source}; check the path")
        try:
            module = _module(path) if path.suffix == ".py" else importlib.import_module(source)
        except (Exception, SystemExit) as error:  # a custom module may fail in any way
            fix = "; check the file" if path.suffix == ".py" else "; write package.module:Class or FILE.py:Class"
            raise UserError(f"the {self.kind} {name} cannot be imported ({in_one_line(error)}){fix}") from error
        if not attribute:
            raise UserError(f"{name} is a file; name a class in it: {self._classes(source, module)}")
        if not hasattr(module, attribute):
            known = self._candidates(module)
            near = suggest(attribute, known) if known else f"; {self._classes(source, module)}"
            raise UserError(f"the {self.kind} {name} is not available: {source} has no {attribute!r}{near}")
        value = self._checked(f"the {self.kind} {name}", getattr(module, attribute))
        code = code_of(value)
        if path.suffix == ".py":  # the class may be defined in another file than the one named
            code = hashlib.sha256(path.read_bytes() + code.encode()).hexdigest()
        return value, code

    def _candidates(self, module: ModuleType) -> list[str]:
        """Return the names of a module's classes that can be used; none that it only imports from this package."""
        base = cast(type, _resolve(self._base)) if self._base else object
        return [
            name
            for name, member in vars(module).items()
            if isinstance(member, type)
            and issubclass(member, base)
            and not inspect.isabstract(member)
            and (member.__module__ == module.__name__ or member.__module__.split(".")[0] != __name__.split(".")[0])
        ]

    def _classes(self, source: str, module: ModuleType) -> str:
        """Return the specs of a module's classes as one phrase, or the rule if it has none."""
        known = self._candidates(module)
        if known:
            return " or ".join(f"{source}:{name}" for name in known[:5]) + ("" if len(known) <= 5 else " or …")
        return f"it has no subclass of {self._base or 'the base class'}; derive one"

    def loaded(self) -> dict[str, T]:
        """Import every name and return those that work; warn about each of the others."""
        values: dict[str, T] = {}
        for name in self:
            try:
                values[name] = self.load(name)
            except UserError as error:
                warn(str(error), PluginWarning, stacklevel=2)
        return values

    def faults(self, name: str) -> tuple[type[Exception], ...]:
        """Return the exceptions of calling ``name`` that are a fault of the user or a plugin; others are our bugs."""
        return (TypeError, ValueError) if name in self._builtin else (Exception,)

    def _checked(self, label: str, value: object) -> T:
        if self._base:
            base = cast(type, _resolve(self._base))
            if not (isinstance(value, type) and issubclass(value, base)):
                raise UserError(f"{label} is not a subclass of {base.__name__}; derive it from {self._base}")
        elif not callable(value):
            raise UserError(f"{label} is not a function; make its target callable")
        return cast(T, value)

    def _label(self, name: str, target: str) -> str:
        return f"plugin {self.kind} {name!r} ({target})"


def code_of(value: object) -> str:
    """Return the sha256 (hex) of the file that defines a class or function, and of its name there.

    Imported files are not part of the hash: a class has to raise its version when they change its results.
    """
    name = getattr(value, "__qualname__", "")
    try:
        path = inspect.getsourcefile(value)  # type: ignore[arg-type]
    except (TypeError, OSError):  # compiled, or defined interactively
        path = None
    content = (
        Path(path).read_bytes() if path and Path(path).is_file() else str(getattr(value, "__module__", "")).encode()
    )
    return hashlib.sha256(f"{name}\n".encode() + content).hexdigest()


def suggest(name: str, known: list[str], otherwise: str = "") -> str:
    """Return the end of an error message: the nearest known names, else the first 20 of them.

    Args:
        name: unknown name.
        known: known names.
        otherwise: what else a user may do, as an order.
    """
    if not known:
        return f"; there is none yet, {otherwise}" if otherwise else "; there is none"
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        further = f" Or {otherwise}." if otherwise else ""
        return f"; did you mean {' or '.join(repr(n) for n in near)}?{further}"
    listed = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
    return f"; known: {listed}" + (f"; or {otherwise}" if otherwise else "")


def refuse_unknown(owner: str, given: Iterable[str], known: list[str]) -> None:
    """Refuse parameters that ``owner`` does not have.

    Raises:
        UserError: names the first unknown parameter and the nearest known one.
    """
    for key in given:
        if key not in known:
            raise UserError(f"{owner} has no parameter {key!r}{suggest(key, known) if known else '; it takes none'}")


def _resolve(target: str) -> object:
    """Import a target ``package.module:attribute``."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _module(path: Path) -> ModuleType:
    """Import a Python file as a module of its own."""
    spec = spec_from_file_location(f"sgz_bench_own_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickles of the file look up their module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module
