"""Models of custom classes: ``FILE.py:Class`` and ``package.module:Class``."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.files import file_sha256
from sgz_bench.core.registry import Registry, refuse_unknown
from sgz_bench.core.specs import Value, parse_spec

_FILE = re.compile(r".+\.py(:\w*)?")
_MODULE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def names_class(name: str) -> bool:
    """Return True for ``FILE.py``, ``FILE.py:Class``, and ``package.module:Class`` of a package that exists."""
    if _FILE.fullmatch(name):
        return True
    module = name.partition(":")[0]
    try:
        return bool(_MODULE.fullmatch(name)) and ("." in module or find_spec(module) is not None)
    except (ImportError, ValueError):
        return False


def custom_model(families: Registry[Any], spec: str, device: str) -> Any:
    """Build a model from ``FILE.py:Class(key=value,…)`` or ``package.module:Class(key=value,…)``.

    The class takes its settings by keyword, and ``device`` and ``source`` if its ``__init__`` has them. All settings
    become part of the model's settings, the code and the files that settings name part of its fingerprint.

    Args:
        families: registry of the task, which has the base class.
        spec: class and settings.
        device: torch device.

    Raises:
        UserError: the file or class does not exist or fit, or its ``__init__`` fails.
    """
    parsed = parse_spec(spec)
    cls, code = families.find(parsed.name)
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    if missing:
        raise UserError(f"the class {parsed.name} has no method {missing[0]}; add one")
    parameters = inspect.signature(cls).parameters
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    if not takes_any:
        refuse_unknown(parsed.name, parsed.kwargs, [each for each in parameters if each != "device"])
    needed = [
        name
        for name, each in parameters.items()
        if each.default is each.empty and each.kind in {each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY}
    ]
    absent = [name for name in needed if name not in parsed.kwargs and name != "device"]
    if absent:
        raise UserError(f"{parsed.name} needs {absent[0]}; write '{parsed.name}({absent[0]}=…)'")
    given: dict[str, Any] = dict(parsed.kwargs) | ({"device": device} if "device" in parameters else {})
    build: Callable[..., Any] = cls
    try:
        model = build(**given)
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # custom code may fail in any way
        raise UserError(f"{parsed.name} cannot be created ({in_one_line(error)}); check its __init__") from error
    _refuse_incomplete(parsed.name, model)
    defaults = {name: each.default for name, each in parameters.items() if isinstance(each.default, Value)}
    settings = {key: value for key, value in (defaults | parsed.kwargs).items() if key != "device"}
    hashes = [file_sha256(path) for value in settings.values() if (path := _file(value)) is not None]
    names = {key: value if (path := _file(value)) is None else path.name for key, value in settings.items()}
    model.settings = {**names, **model.settings}
    model.fingerprint = hashlib.sha256("\n".join([code, str(model.fingerprint), *hashes]).encode()).hexdigest()
    model.origin, model.source = parsed.name, model.source or parsed.name
    if not isinstance(getattr(model, "family", None), str):
        model.family = cls.__name__.lower()
    return model


def _file(value: Value) -> Path | None:
    """Return the path of an existing file that a setting names, or None."""
    try:
        path = Path(value).expanduser() if isinstance(value, str) and value else None
        return path if path is not None and path.is_file() else None
    except OSError:  # a text longer than a path may be
        return None


def _refuse_incomplete(name: str, model: Any) -> None:
    """Refuse a model whose class does not pass to its base class what results are looked up by.

    Raises:
        UserError: names the class and what is missing.
    """
    own = vars(model)
    if not {"source", "class_names", "fingerprint", "settings"} <= own.keys():
        call = "super().__init__(source, class_names, fingerprint, settings)"
        raise UserError(f"the class {name} does not call {call} in its __init__; add the call")
    names: Sequence[Any] = own["class_names"]
    if not names or not all(isinstance(each, str) and each for each in names):
        raise UserError(f"the class {name} has the class names {list(names)[:3]!r}; pass at least one, as texts")


def refuse_training(model: str, trained: str) -> None:
    """Refuse a start of training that is a custom class or an exported file.

    Args:
        model: spec.
        trained: models that can be trained, for the message.

    Raises:
        UserError: the model cannot be trained here.
    """
    name = parse_spec(model).name
    if _FILE.fullmatch(name):
        raise UserError(f"cannot train {name}: finetune trains {trained} only; train a custom class by its own code")
    suffix = Path(name).suffix.lower()
    if suffix in {".onnx", ".xml", ".tflite", ".torchscript", ".engine"}:
        raise UserError(f"cannot train {name}: {suffix} files are exports; finetune trains {trained}")
