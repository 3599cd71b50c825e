"""How loops are compiled to machine code: with Numba, without the GIL, and kept on disk for later processes.

Importing this takes half a second, so that what needs it is imported where it is called. Sums are taken in the order
that is written and nothing is fused unless ``fastmath`` allows it: the machine code gives the bits that NumPy would.
Kernels have one thread each; whoever calls them gives parts of the work to several by :func:`in_threads`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from numba import config, njit

from .cache import cache_folder

T = TypeVar("T")


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a kernel; ``options`` are Numba's. Where no folder can be written, nothing is kept."""

    def compile_it(function: Callable[..., Any]) -> Any:
        config.CACHE_DIR = _cache_folder(Path(function.__code__.co_filename).parents[1])
        try:
            return njit(cache=True, nogil=True, error_model="numpy", **options)(function)
        except RuntimeError:  # no folder for it
            return njit(nogil=True, error_model="numpy", **options)(function)

    return compile_it


@cache
def _cache_folder(sources: Path) -> str:
    """Folder of the machine code of kernels below ``sources``, one for each state of the modules there.

    Numba checks the file of a kernel alone; constants and code that it takes from other modules are checked here.
    """
    chosen = os.environ.get("NUMBA_CACHE_DIR") or cache_folder() / "numba"
    digest = hashlib.sha256()
    for path in sorted(sources.rglob("*.py")):
        digest.update(path.read_bytes())
    return str(Path(chosen, digest.hexdigest()[:16]))


def in_threads(work: Callable[[T], None], parts: Iterable[T], threads: int) -> None:
    """Process all parts on ``threads`` threads, including the caller's; re-raise the first error.

    A part must not call this itself.
    """
    todo = list(parts)
    queue = iter(todo)  # shared: whoever is free takes the next one

    def take() -> None:
        for part in queue:
            work(part)

    others = [_pool(threads).submit(take) for _ in range(min(threads, len(todo)) - 1)]
    try:
        take()
    finally:
        wait(others)
    for other in others:
        other.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Kept, since starting threads takes as long as enhancing a small image."""
    return ThreadPoolExecutor(threads, thread_name_prefix="sgz-bench")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not live on in a child
