"""Files for workers that share no disk with the driver: found in a study's config, and unpacked elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import visible_files
from sgz_bench.core.specs import PATH_KEYS, Spec, parse_spec

from ..config import StudyConfig

_MOST = 2 * 2**30  # bytes


class Package(NamedTuple):
    """Files of the models and enhancers of a config.

    Attributes:
        names: file or folder, as the config names it → its path.
        contents: path of a file → its bytes.
    """

    names: Mapping[str, str] = {}
    contents: Mapping[str, bytes] = {}


def pack(config: StudyConfig) -> Package:
    """Read the files that the model and the enhancers of a config name.

    A file comes with those beside it that differ in the suffix alone, such as ``model.yaml`` of ``model.safetensors``;
    a folder comes whole.

    Raises:
        UserError: a file cannot be read, or they are too large to send.
    """
    names = list(_names(config.model, model=True))
    names += [name for spec in config.enhancers for name in _names(spec, model=False)]
    paths = dict.fromkeys(path for name in names for path in _files(name))
    if sum(path.stat().st_size for path in paths) > _MOST:
        raise UserError(
            f"the files of {config.model} and its enhancers have more than {_MOST / 1e9:.0f} GB, too many for --ship;"
            " share a disk among the nodes"
        )
    try:
        return Package(
            {name: str(Path(name).expanduser()) for name in names}, {str(path): path.read_bytes() for path in paths}
        )
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read ({error.strerror}); check its permissions") from error


def moved(config: StudyConfig, names: Mapping[str, str], copies: Copies) -> StudyConfig:
    """Return a config whose model and enhancers name the copies of some files and folders."""
    enhancers = tuple(_moved(spec, names, copies) for spec in config.enhancers)
    return config.model_copy(update={"model": _moved(config.model, names, copies), "enhancers": enhancers})


def _moved(text: str, names: Mapping[str, str], copies: Copies) -> str:
    spec = parse_spec(text)
    place = {name: str(copies.place(path)) for name, path in names.items()}
    head, colon, tail = spec.name.partition(":")
    name = place.get(spec.name) or f"{place.get(head, head)}{colon}{place.get(tail, tail)}"
    args = {key: place.get(value, value) if isinstance(value, str) else value for key, value in spec.args}
    args |= {"enhancer": _moved(spec.inner, names, copies)} if spec.inner else {}
    return str(Spec.of(name, args))


def _names(text: str, *, model: bool) -> Iterator[str]:
    """Yield the parts of a spec that name a file or a folder."""
    spec = parse_spec(text)
    head, colon, tail = spec.name.partition(":")
    if model and Path(spec.name).expanduser().is_dir():
        yield spec.name  # finetuned models, or an export
    elif _is_file(spec.name):
        yield spec.name
    elif colon and _is_file(head):
        yield head  # FILE.py:Class
    elif colon and "." not in head and (_is_file(tail) or Path(tail).expanduser().is_dir()):
        yield tail  # FAMILY:FILE, folder:DIR
    if spec.inner:
        yield from _names(spec.inner, model=False)
        return
    for key, value in spec.args:
        if isinstance(value, str) and (_is_file(value) or (key in PATH_KEYS and Path(value).expanduser().exists())):
            yield value


def _is_file(name: str) -> bool:
    """Return True for the path of a file; a word such as ``lab`` is none, whatever is in the working folder."""
    try:
        return bool("/" in name or Path(name).suffix) and Path(name).expanduser().is_file()
    except OSError:  # a text longer than a path may be
        return False


def _files(name: str) -> Iterator[Path]:
    path = Path(name).expanduser()
    if path.is_dir():
        yield from visible_files(path)
        return
    beside = (
        each for each in sorted(path.parent.iterdir()) if each.name.startswith(f"{path.stem}.") and each.is_file()
    )
    yield from dict.fromkeys((path, *beside))


class Copies:
    """Copies of shipped files below a folder.

    Args:
        contents: path of a file → its bytes; None for one that shall be missing.
        folder: path of the folder.
        base: the driver's working folder, to which relative paths refer.

    Raises:
        UserError: they cannot be written.
    """

    def __init__(self, contents: Mapping[str, bytes | None], folder: Path, base: str) -> None:
        self._folder, self._base = folder, base
        self._originals: dict[str, str] = {}
        self._paths = set(contents)
        for path, content in contents.items():
            copy = self.place(path)
            if content is not None:
                try:
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    copy.write_bytes(content)
                except OSError as error:
                    reason = error.strerror or error
                    raise UserError(f"shipped files cannot be written to {folder.parent} ({reason})") from error

    def place(self, name: str) -> Path:
        """Return the path below the folder that stands for a file or folder."""
        path = os.path.normpath(os.path.join(self._base, name))  # noqa: PTH118 - of text, without resolving links
        copy = self._folder / path.lstrip(os.sep)
        self._originals[str(copy)] = name
        return copy

    def get(self, path: Path) -> Path:
        """Return the copy of a file, or its own path if it was not shipped."""
        return self.place(str(path)) if str(path) in self._paths else path

    def original(self, text: str) -> str:
        """Return a text in which the copies have their original paths."""
        for copy in sorted(self._originals, key=len, reverse=True):
            text = text.replace(copy, self._originals[copy])
        return text
