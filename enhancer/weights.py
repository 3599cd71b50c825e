"""Weight files by name: where they come from, their terms, and where they are on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import safetensors

from sgz_bench.core.cache import cache_folder
from sgz_bench.core.errors import UserError
from sgz_bench.core.files import file_sha256, parse_yaml
from sgz_bench.core.registry import suggest
from sgz_bench.core.specs import WEIGHT_KEYS

from .checkpoint import SUFFIXES, read_metadata

if TYPE_CHECKING:
    from .base import Enhancer

FOLDERS = "SGZ_BENCH_WEIGHTS"  # environment variable: folders of weight files, under any names


@dataclass(frozen=True)
class Weights:
    """Weights of one enhancer, an entry of ``configs/weights.yaml``.

    Attributes:
        enhancer, tag: names; ``enhancer(weights=tag)`` refers to this entry.
        sha256, size: of the file; size in bytes.
        licence, paper, trained_on: short texts.
        url: download address for ``sgz-bench weights fetch`` and ``--download``; empty if no stable address exists.
        page: the authors' page, for a download by hand.
        shipped: file name inside the package; empty if the file is not shipped.
        suffix: file name suffix.
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
        """Return the file in the package, in a folder of SGZ_BENCH_WEIGHTS, or in the cache; None if there is none."""
        if self.shipped:
            return _package() / self.shipped
        path = _by_hash(os.environ.get(FOLDERS, "")).get(self.sha256)
        return self.cached if path is None and self.cached.is_file() else path

    @property
    def how_to_get(self) -> str:
        """Instructions for getting a file that is not on this machine."""
        name = f"{self.enhancer} {self.tag}"
        fetch = f"run sgz-bench weights fetch {name}, or" if self.url else f"get it from {self.page} and"
        return (
            f"{fetch} put the file into a folder listed in {FOLDERS}"
            f" (any file name; sha256 {self.sha256[:12]}…; terms: {self.licence or 'none stated'})"
        )

    @property
    def cached(self) -> Path:
        """Path of a download in the cache."""
        return cache_folder() / "weights" / f"{self.enhancer}-{self.tag}-{self.sha256[:8]}{self.suffix}"


@cache
def known_weights() -> dict[str, dict[str, Weights]]:
    """Return enhancer → tag → weights in the order of ``configs/weights.yaml``; an enhancer's first is its default."""
    text = files("sgz_bench.configs").joinpath("weights.yaml").read_text(encoding="utf-8")
    content = parse_yaml(text, "configs/weights.yaml")
    return {
        enhancer: {tag: Weights(enhancer=enhancer, tag=tag, **entry) for tag, entry in tags.items()}
        for enhancer, tags in content.items()
    }


def weights_of(enhancer: str, tag: str) -> Weights:
    """Return an entry by its names; without a tag, the enhancer's first.

    Raises:
        UserError: there is no such entry.
    """
    tags = known_weights().get(enhancer)
    if tags is None:
        raise UserError(f"no weights of {enhancer} go by a name; write {enhancer}(weights=PATH)")
    tag = tag or next(iter(tags), "")
    if tag not in tags:
        raise UserError(
            f"{enhancer}: unknown weights {tag!r}{suggest(tag, list(tags))}; give a {', '.join(SUFFIXES)} file"
        )
    return tags[tag]


def find_weights(enhancer: str, weights: str) -> Path:
    """Return the file that ``enhancer(weights=…)`` refers to, by a path or by a tag such as ``official``.

    Raises:
        UserError: unknown tag, or a file that is not on this machine; names its terms and how to get it.
    """
    path = Path(weights).expanduser()
    if path.suffix in SUFFIXES:
        return path
    entry = weights_of(enhancer, weights)
    file = entry.path()
    if file is None:
        download = "add --download, or " if entry.url else ""
        raise UserError(
            f"the weights {enhancer}(weights={entry.tag}) are not on this machine; {download}{entry.how_to_get}"
        )
    return file


def weight_files(enhancer: Enhancer) -> list[Path]:
    """Return the files that an enhancer's parameters name; empty for a method without weights."""
    from .composites import Composite

    if isinstance(enhancer, Composite):
        return weight_files(enhancer.inner)
    values = [str(enhancer.params[key]) for key in sorted(WEIGHT_KEYS, reverse=True) if enhancer.params.get(key)]
    named = enhancer.name in known_weights()  # a plugin's parameter may mean anything
    paths = [find_weights(enhancer.name, value) for value in values if named or Path(value).suffix in SUFFIXES]
    return [path for path in paths if path.is_file()]


def licence_of(path: Path) -> str:
    """Return the terms of a weight file: those in its metadata, else those known for its content; empty if unknown.

    Raises:
        UserError: the file is damaged.
    """
    if path.suffix == ".safetensors":
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                stated = str(read_metadata(file).get("licence", ""))
        except (safetensors.SafetensorError, OSError, ValueError) as error:
            raise UserError(f"{path}: its metadata cannot be read ({error}); save the weights again") from error
        if stated:
            return stated
    known = weights_in(path)
    return known.licence if known is not None else ""


def weights_in(path: Path) -> Weights | None:
    """Return the known weights with a file's content, whatever its name; None if the content is not known."""
    digest = file_sha256(path)
    known = (entry for tags in known_weights().values() for entry in tags.values())
    return next((entry for entry in known if entry.sha256 == digest), None)


def restricted(enhancer: Enhancer) -> str:
    """Return the terms of an enhancer's weights if they exclude commercial use or are not stated; empty otherwise."""
    terms = dict.fromkeys(licence_of(path) or "no licence stated" for path in weight_files(enhancer))
    return ", ".join(each for each in terms if "NC" in each or each == "no licence stated")


def _package() -> Path:
    return Path(str(files("sgz_bench.enhancer").joinpath("weights")))


@cache
def _by_hash(folders: str) -> dict[str, Path]:
    """Return sha256 → file for the files in the folders whose size is that of known weights."""
    sizes = {entry.size for tags in known_weights().values() for entry in tags.values()}
    paths: dict[str, Path] = {}
    for folder in filter(None, folders.split(os.pathsep)):
        if not Path(folder).expanduser().is_dir():
            raise UserError(f"{FOLDERS} names {folder}, which is not a folder; correct it")
        for path in sorted(Path(folder).expanduser().glob("*")):
            if path.is_file() and path.stat().st_size in sizes:
                paths.setdefault(file_sha256(path), path)
    return paths
