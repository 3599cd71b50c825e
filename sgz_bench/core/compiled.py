"""Loops compiled to machine code by Numba: they release the GIL, and later processes load them from disk.

Importing this module takes half a second, so import it inside the functions that need it. Operations keep their written
order and are not fused unless ``fastmath`` allows it: results are bit-identical to NumPy's. A kernel uses one thread;
its caller distributes parts of the work with :func:`in_threads`.
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
    """Decorate a kernel; ``options`` are Numba's. Without a writable cache folder, nothing is stored on disk."""

    def decorate(function: Callable[..., Any]) -> Any:
        config.CACHE_DIR = _cache_folder(Path(function.__code__.co_filename).parents[1])
        try:
            return njit(cache=True, nogil=True, error_model="numpy", **options)(function)
        except RuntimeError:  # no writable folder
            return njit(nogil=True, error_model="numpy", **options)(function)

    return decorate


@cache
def _cache_folder(sources: Path) -> str:
    """Return the folder for machine code of kernels below ``sources``, a new one for each state of the modules there.

    Numba detects changes of a kernel's own file only. Constants and code that it imports from other modules are covered
    by the folder's name, a hash of all modules.
    """
    root = os.environ.get("NUMBA_CACHE_DIR") or cache_folder() / "numba"
    digest = hashlib.sha256()
    for path in sorted(sources.rglob("*.py")):
        digest.update(path.read_bytes())
    return str(Path(root, digest.hexdigest()[:16]))


def in_threads(work: Callable[[T], None], parts: Iterable[T], threads: int) -> None:
    """Process all parts on ``threads`` threads, including the caller's; re-raise the first error.

    ``work`` must not call this function itself.
    """
    pending = list(parts)
    queue = iter(pending)  # shared by all threads: a free one takes the next part

    def process() -> None:
        for part in queue:
            work(part)

    futures = [_pool(threads).submit(process) for _ in range(min(threads, len(pending)) - 1)]
    try:
        process()
    finally:
        wait(futures)
    for future in futures:
        future.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Return a pool that lives on: starting threads takes as long as enhancing a small image."""
    return ThreadPoolExecutor(threads, thread_name_prefix="sgz-bench")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a child process has none of the threads
