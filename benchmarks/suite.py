"""Suites: grids of studies, described by one YAML file."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path, PurePath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sgz_bench.core.errors import UserError
from sgz_bench.core.faults import first_fault
from sgz_bench.core.files import (
    YAML_SUFFIXES,
    parse_setting,
    parse_yaml,
    read_json,
    read_yaml,
    to_json,
    write_atomic,
)
from sgz_bench.core.registry import suggest
from sgz_bench.core.specs import parse_spec, parse_value

from .config import StudyConfig
from .executors.settings import Execution

_PACKAGE = "sgz_bench.configs"
STUDIES = "suite.json"  # names of the studies, in the folder of a suite
_VARIABLE = re.compile(r"\{(\w+)\}")


class Suite(BaseModel):
    """Grid of studies: every combination of the matrix is one study.

    Attributes:
        about: purpose of the suite, in one sentence.
        variables: name → value, which replaces ``{name}`` in texts; None is a value that ``--set`` has to give.
        settings: fields of :class:`StudyConfig` that all studies share, and fields of :class:`Execution`.
        matrix: axis → values. A value is a mapping of fields, or one value for the field or variable that the axis
            is named after.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: str = ""
    variables: dict[str, Any] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    matrix: dict[str, list[Any]] = Field(min_length=1)

    def studies(self, source: str = "") -> dict[str, StudyConfig]:
        """Return folder name → study, in the order of the grid.

        Args:
            source: name or file of the suite, for error messages.

        Raises:
            UserError: a field or variable does not exist or fit, or two studies would share a folder.
        """
        known = [*StudyConfig.model_fields, *Execution.model_fields]
        for key in (key for key in self.settings if key not in known):
            raise UserError(f"{_study_of(source)}: {key}: there is no such setting{suggest(key, known)}")
        studies: dict[str, StudyConfig] = {}
        for values in itertools.product(*self.matrix.values()):
            fields = {key: value for key, value in self.settings.items() if key not in Execution.model_fields}
            variables = dict(self.variables)
            for axis, value in zip(self.matrix, values, strict=True):
                if isinstance(value, Mapping):
                    fields |= value
                elif axis in StudyConfig.model_fields:
                    fields[axis] = value
                else:
                    variables[axis] = value
            config = _study({key: _substituted(value, variables) for key, value in fields.items()}, source)
            name = study_name(config)
            if name in studies:
                raise UserError(f"two studies of the suite are called {name}; vary data, model, darken or seed")
            studies[name] = config
        return studies

    @property
    def execution(self) -> dict[str, Any]:
        """Settings of the execution.

        Raises:
            UserError: a variable does not exist, or has no value.
        """
        chosen = {key: value for key, value in self.settings.items() if key in Execution.model_fields}
        return {key: _substituted(value, self.variables) for key, value in chosen.items()}


def note_studies(folder: Path, names: Iterable[str]) -> None:
    """Add names to the list of studies in a suite's folder, which several calls may fill; older names come first.

    Raises:
        UserError: the list is damaged, or cannot be written.
    """
    path = folder / STUDIES
    known: list[str] = read_json(path, "remove it and repeat the command", list) if path.is_file() else []
    write_atomic(path, to_json(list(dict.fromkeys([*known, *names]))))


def together(studies: Mapping[str, StudyConfig]) -> list[dict[str, StudyConfig]]:
    """Group studies on the same images, which are read and enhanced once for all studies of a group."""
    groups: dict[tuple[object, ...], dict[str, StudyConfig]] = {}
    for name, study in studies.items():
        dark = (study.darken, study.seed) if study.darken else None
        run_by = (study.engine, study.precision)
        groups.setdefault((study.dataset, study.root, study.split, study.limit, study.until, dark, run_by), {})[
            name
        ] = study
    return list(groups.values())


def study_name(config: StudyConfig) -> str:
    """Return the folder name of a study: the settings in which studies of a suite differ."""
    model = parse_spec(config.model)
    parts = [config.task, config.dataset, config.split or "", PurePath(model.name.rpartition(":")[2]).stem]
    parts += [f"{key}={value}" for key, value in model.args]
    parts += [config.darken or "", f"seed={config.seed}" if config.seed else ""]
    words = [PurePath(part).stem if "/" in part else part for part in parts if part]
    return "-".join(re.sub(r"[^A-Za-z0-9.=_-]+", "_", word).strip("_") for word in words)


def shipped_suites() -> list[str]:
    """Return the names of the suites that ship with the package."""
    folder = files(_PACKAGE).joinpath("suites")
    return sorted(each.name.removesuffix(".yaml") for each in folder.iterdir() if each.name.endswith(".yaml"))


def load_suite(source: str, settings: Sequence[str] = ()) -> Suite:
    """Load a suite by its name or from a YAML file.

    Args:
        source: name of a shipped suite, or path of a YAML file.
        settings: ``--set`` entries: ``NAME=VALUE`` for a variable, or ``settings.FIELD=VALUE``.

    Raises:
        UserError: there is no such suite, it is not YAML, or a key does not exist or fit.
    """
    path = Path(source).expanduser()
    if path.suffix in YAML_SUFFIXES:
        content = read_yaml(path)
    elif source in shipped_suites():
        text = files(_PACKAGE).joinpath("suites", f"{source}.yaml").read_text(encoding="utf-8")
        content = parse_yaml(text, source)
    else:
        raise UserError(f"unknown suite {source!r}{suggest(source, shipped_suites(), 'give a YAML file')}")
    try:
        suite = Suite.model_validate(content)
        return suite.model_copy(update=_changes(suite, settings))
    except ValidationError as error:
        raise UserError(f"suite {source}: {first_fault(error, Suite)}") from error


def _changes(suite: Suite, settings: Sequence[str]) -> dict[str, Any]:
    """Return variables and settings of a suite, changed by ``--set`` entries.

    Raises:
        UserError: the suite has no such variable or field.
    """
    variables, fields = dict(suite.variables), dict(suite.settings)
    for setting in settings:
        key, value = parse_setting(setting, f"{next(iter(variables), 'settings.limit')}=…")
        name = key.removeprefix("settings.")
        if name != key and name in {*StudyConfig.model_fields, *Execution.model_fields}:
            fields[name] = parse_value(value)
        elif key in variables:
            variables[key] = value
        else:
            fields_of = (*StudyConfig.model_fields, *Execution.model_fields)
            known = [*variables, *(f"settings.{field}" for field in fields_of)]
            raise UserError(f"--set {setting!r}: the suite has no {key!r}{suggest(key, known)}")
    return {"variables": variables, "settings": fields}


def _substituted(value: Any, variables: Mapping[str, Any]) -> Any:
    """Replace the variables in a text, or in the texts of a list.

    Raises:
        UserError: a variable does not exist, or has no value.
    """
    if isinstance(value, list):
        return [_substituted(each, variables) for each in value]
    if not isinstance(value, str):
        return value
    for name in _names(value):
        if name not in variables:
            raise UserError(f"{value!r}: the suite has no variable {name!r}{suggest(name, list(variables))}")
        if variables[name] is None:
            raise UserError(f"the suite needs --set {name}=…, because {value!r} uses it")
    return _VARIABLE.sub(lambda match: str(variables[match[1]]), value)


def _names(text: str) -> Iterator[str]:
    return (match[1] for match in _VARIABLE.finditer(text))


def _study(fields: dict[str, Any], source: str) -> StudyConfig:
    try:
        return StudyConfig.model_validate(fields)
    except ValidationError as error:
        raise UserError(f"{_study_of(source)}: {first_fault(error, StudyConfig)}") from error


def _study_of(source: str) -> str:
    return f"a study of {f'suite {source}' if source else 'the suite'}"
