"""Downloads of weight files into the cache, checked by their hash."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator
from pathlib import Path

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import write_atomic
from sgz_bench.core.registry import suggest
from sgz_bench.core.specs import WEIGHT_KEYS, parse_spec

from .catalog import ENHANCERS
from .checkpoint import SUFFIXES
from .weights import Weights, known_weights, weights_of


def named_weights(enhancer: str, tag: str) -> Weights:
    """Return an entry by the names that a user gave; without a tag, the enhancer's first.

    Raises:
        UserError: unknown enhancer (with the nearest known one), an enhancer without named weights, or an unknown tag.
    """
    known = list(known_weights())
    if enhancer not in known and enhancer not in ENHANCERS:
        raise UserError(f"unknown enhancer {enhancer!r}{suggest(enhancer, known)}")
    return weights_of(enhancer, tag)


def fetch_weights(entry: Weights) -> Path:
    """Download a file into the cache unless it is on this machine; keep it only if its hash is the pinned one.

    Raises:
        UserError: no address, no connection, or other bytes than expected.
    """
    from urllib.request import urlopen

    path = entry.path()
    if path is not None:
        return path
    if not entry.url:
        raise UserError(f"{entry.enhancer} {entry.tag} has no download address; get it from {entry.page}")
    try:
        with urlopen(entry.url, timeout=60) as response:
            content = response.read(entry.size + 1)
    except OSError as error:
        raise UserError(
            f"{entry.url} cannot be downloaded ({error}); check the connection, or get the file by hand"
        ) from error
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise UserError(f"{entry.url} returned an unexpected file (sha256 differs); nothing was kept")
    try:
        write_atomic(entry.cached, content)
    except UserError as error:
        raise UserError(f"{error}; set SGZ_BENCH_CACHE") from error
    return entry.cached


def fetch_missing(spec: str) -> Iterator[Weights]:
    """Download the named weights that an enhancer's spec needs and this machine lacks; yield each after its download.

    Raises:
        UserError: unknown enhancer or tag, or a failed download.
    """
    parsed = parse_spec(spec)
    if parsed.inner:
        yield from fetch_missing(parsed.inner)
    if parsed.name not in known_weights():
        return
    parameters = inspect.signature(ENHANCERS.load(parsed.name)).parameters
    for key in sorted(WEIGHT_KEYS & parameters.keys(), reverse=True):
        weights = str(parsed.kwargs.get(key, parameters[key].default))
        if Path(weights).suffix in SUFFIXES:
            continue
        entry = weights_of(parsed.name, weights)
        if entry.path() is None:
            fetch_weights(entry)
            yield entry
