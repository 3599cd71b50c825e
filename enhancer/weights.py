"""Weight files by name: where they come from, their terms, and where they are on this machine."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import safetensors
import yaml

from sgz_bench.core.cache import cache_folder
from sgz_bench.core.errors import UserError
from sgz_bench.core.registry import suggest
from sgz_bench.core.specs import WEIGHT_KEYS, parse_spec

from .catalog import ENHANCERS
from .checkpoint import SUFFIXES, read_metadata

if TYPE_CHECKING:
    from .base import Enhancer

FOLDERS = "SGZ_BENCH_WEIGHTS"  # environment variable: folders of weight files, under any names


@dataclass(frozen=True)
class Weights:
    """Weights of one enhancer, as ``configs/weights.yaml`` describes them.

    Attributes:
        enhancer, tag: ``enhancer(weights=tag)`` means them.
        sha256, size: of the file; size in bytes.
        licence, paper, trained_on: in words.
        url: that ``sgz-bench weights fetch`` and ``--download`` take them from; empty where no address stays.
        page: of the authors, to get them by hand.
        shipped: name of the file that comes with the package; empty for those that do not.
        suffix: of the file.
    """

    enhancer: str
    tag: str
    sha256: str
    size: int
    licence: str
    paper: str
    trained_on: str
    url: str = ""
    page: str = ""
    shipped: str = ""
    suffix: str = ".pth"

    def path(self) -> Path | None:
        """The file on this machine, None if there is none: in the package, a folder of SGZ_BENCH_WEIGHTS, the cache."""
        if self.shipped:
            return _package() / self.shipped
        found = _by_hash(os.environ.get(FOLDERS, "")).get(self.sha256)
        if found is None and self.cached.is_file():
            found = self.cached
        return found

    @property
    def how_to_get(self) -> str:
        """What to do where the file is not on this machine."""
        name = f"{self.enhancer} {self.tag}"
        fetch = f"run sgz-bench weights fetch {name}, or" if self.url else f"get it from {self.page} and"
        return (
            f"{fetch} put the file into a folder that {FOLDERS} names"
            f" (any name; sha256 {self.sha256[:12]}…; terms: {self.licence or 'none stated'})"
        )

    @property
    def cached(self) -> Path:
        """Where a download is kept."""
        return cache_folder() / "weights" / f"{self.enhancer}-{self.tag}-{self.sha256[:8]}{self.suffix}"


@cache
def known_weights() -> dict[str, dict[str, Weights]]:
    """Enhancer → tag → weights, in the order of ``configs/weights.yaml``; the first is the enhancer's default."""
    content = yaml.safe_load(files("sgz_bench.configs").joinpath("weights.yaml").read_text(encoding="utf-8"))
    return {
        enhancer: {tag: Weights(enhancer=enhancer, tag=tag, **entry) for tag, entry in tags.items()}
        for enhancer, tags in content.items()
    }


def weights_of(enhancer: str, tag: str) -> Weights:
    """An entry by its names; without a tag the enhancer's first.

    Raises:
        UserError: there is none.
    """
    tags = known_weights().get(enhancer)
    if tags is None:
        from .catalog import ENHANCERS

        if enhancer not in ENHANCERS:
            raise UserError(f"unknown enhancer {enhancer!r}{suggest(enhancer, list(known_weights()))}")
        raise UserError(f"no weights of {enhancer} go by a name; write {enhancer}(weights=PATH)")
    tag = tag or next(iter(tags), "")
    if tag not in tags:
        raise UserError(
            f"{enhancer}: unknown weights {tag!r}{suggest(tag, list(tags))}; give a {', '.join(SUFFIXES)} file"
        )
    return tags[tag]


def find_weights(enhancer: str, weights: str) -> Path:
    """The file that ``enhancer(weights=…)`` means: a path, or a tag such as ``official``.

    Raises:
        UserError: an unknown tag, or a file that is not on this machine; says how to get it and under which terms.
    """
    path = Path(weights).expanduser()
    if path.suffix in SUFFIXES:
        return path
    entry = weights_of(enhancer, weights)
    found = entry.path()
    if found is None:
        download = "add --download, or " if entry.url else ""
        raise UserError(
            f"the weights {enhancer}(weights={entry.tag}) are not on this machine; {download}{entry.how_to_get}"
        )
    return found


def weight_files(enhancer: Enhancer) -> list[Path]:
    """The files that an enhancer's parameters name; empty for a method without weights."""
    named = [str(enhancer.params[key]) for key in sorted(WEIGHT_KEYS, reverse=True) if enhancer.params.get(key)]
    ours = enhancer.name in known_weights()  # a plugin may mean anything by its parameter
    paths = [find_weights(enhancer.name, each) for each in named if ours or Path(each).suffix in SUFFIXES]
    return [path for path in paths if path.is_file()]


def licence_of(path: Path) -> str:
    """Terms of a weight file: those that it states, or that are known of its content; empty if there are none.

    Raises:
        UserError: it is damaged.
    """
    if path.suffix == ".safetensors":
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                stated = str(read_metadata(file).get("licence", ""))
        except (safetensors.SafetensorError, OSError, ValueError) as error:
            raise UserError(f"{path}: its metadata cannot be read ({error}); save the weights anew") from error
        if stated:
            return stated
    known = weights_in(path)
    return known.licence if known is not None else ""


def weights_in(path: Path) -> Weights | None:
    """The known weights that a file holds, under whatever name."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    known = (entry for tags in known_weights().values() for entry in tags.values())
    return next((entry for entry in known if entry.sha256 == digest), None)


def restricted(enhancer: Enhancer) -> str:
    """Terms of its weights where they leave out commercial use or are not known; empty where they do not."""
    terms = dict.fromkeys(licence_of(path) or "no licence stated" for path in weight_files(enhancer))
    return ", ".join(each for each in terms if "NC" in each or each == "no licence stated")


def fetch_weights(entry: Weights) -> Path:
    """Download a file into the cache, unless it is there; it is kept only if its hash is the pinned one.

    Raises:
        UserError: no address, no connection, or other bytes than expected.
    """
    from urllib.request import urlopen

    found = entry.path()
    if found is not None:
        return found
    if not entry.url:
        raise UserError(f"{entry.enhancer} {entry.tag} has no address to download from; get it from {entry.page}")
    try:
        with urlopen(entry.url, timeout=60) as answer:
            content = answer.read(entry.size + 1)
    except OSError as error:
        raise UserError(
            f"{entry.url} cannot be had ({error}); check the connection, or get the file by hand"
        ) from error
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise UserError(f"{entry.url} gave another file than expected (sha256 differs); nothing was kept")
    target = entry.cached
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror or error}; set SGZ_BENCH_CACHE") from error
    return target


def fetch_missing(spec: str) -> Iterator[Weights]:
    """Download the files of known weights that an enhancer's spec needs and that are not on this machine; yields each.

    Raises:
        UserError: an unknown enhancer or tag, or a file that cannot be had.
    """
    parsed = parse_spec(spec)
    if parsed.name not in known_weights():
        return
    parameters = inspect.signature(ENHANCERS.load(parsed.name)).parameters
    for key in sorted(WEIGHT_KEYS & parameters.keys(), reverse=True):
        named = str(parsed.kwargs.get(key, parameters[key].default))
        if Path(named).suffix in SUFFIXES:
            continue
        entry = weights_of(parsed.name, named)
        if entry.path() is None:
            fetch_weights(entry)
            yield entry


def _package() -> Path:
    return Path(str(files("sgz_bench.enhancer").joinpath("weights")))


@cache
def _by_hash(folders: str) -> dict[str, Path]:
    """sha256 → file, of the files in the folders whose size is that of known weights."""
    sizes = {entry.size for tags in known_weights().values() for entry in tags.values()}
    found: dict[str, Path] = {}
    for folder in filter(None, folders.split(os.pathsep)):
        if not Path(folder).expanduser().is_dir():
            raise UserError(f"{FOLDERS} names {folder}, which is no folder; correct it")
        for path in sorted(Path(folder).expanduser().glob("*")):
            if path.is_file() and path.stat().st_size in sizes:
                found.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), path)
    return found
