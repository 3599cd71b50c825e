"""Files of a study for workers that share no disk with the driver: found in its config, and unpacked elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import visible_files
from sgz_bench.core.specs import Spec, parse_spec

from ..config import StudyConfig

_MOST = 2 * 2**30  # bytes


def pack(config: StudyConfig) -> dict[str, bytes]:
    """Return path → content of the files that the model and the enhancers of a config name.

    A file comes with those beside it that differ in the suffix alone, such as ``model.yaml`` of ``model.safetensors``;
    a folder comes whole.

    Raises:
        UserError: a file cannot be read, or they are too large to send.
    """
    paths = [path for spec in (config.model, *config.enhancers) for name in _names(spec) for path in _files(name)]
    if sum(path.stat().st_size for path in paths) > _MOST:
        raise UserError(
            f"the files of {config.model} and its enhancers have more than {_MOST / 1e9:.0f} GB; share a disk"
        )
    try:
        return {str(path): path.read_bytes() for path in paths}
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read ({error.strerror}); check its permissions") from error


def unpack(contents: Mapping[str, bytes], folder: Path) -> dict[str, Path]:
    """Write files below a folder, each under its own path; return path → copy."""
    copies = {}
    for path, content in contents.items():
        copy = folder / Path(path).relative_to(Path(path).anchor)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
        copies[path] = copy
    return copies


def moved(config: StudyConfig, folder: Path) -> StudyConfig:
    """Return a config whose model and enhancers name the copies below a folder, where there are any."""
    enhancers = tuple(_moved(spec, folder) for spec in config.enhancers)
    return config.model_copy(update={"model": _moved(config.model, folder), "enhancers": enhancers})


def _moved(text: str, folder: Path) -> str:
    spec = parse_spec(text)
    for name in _names(text):
        path = Path(name).expanduser()
        copy = folder / path.relative_to(path.anchor)
        if copy.exists():
            args = {key: str(copy) if value == name else value for key, value in spec.args}
            spec = Spec.of(spec.name.replace(name, str(copy)), args)
    return str(spec)


def _names(text: str) -> list[str]:
    """Return the parts of a spec that may name a file: all of its name, around a colon, and its values."""
    spec = parse_spec(text)
    before, _, after = spec.name.partition(":")
    return [name for name in (spec.name, before, after, *spec.kwargs.values()) if isinstance(name, str) and name]


def _files(name: str) -> Iterator[Path]:
    path = Path(name).expanduser()
    if path.is_file():
        yield from (each for each in sorted(path.parent.glob(f"{path.stem}.*")) if each.is_file())
    elif path.is_dir() and "/" in name:
        yield from visible_files(path)
