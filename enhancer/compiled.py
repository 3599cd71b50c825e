"""How loops are compiled to machine code: with Numba, without the GIL, and kept on disk for later processes.

Importing this takes half a second, so that what needs it is imported where it is called. Sums are taken in the order
that is written and nothing is fused unless ``fastmath`` allows it: the machine code gives the bits that NumPy would.
Kernels have one thread each; whoever calls them gives parts of the work to several by :func:`in_threads`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TypeVar

from numba import njit

T = TypeVar("T")

compiled = partial(njit, cache=True, nogil=True, error_model="numpy")


def usual_threads() -> int:
    """As many as PyTorch would take: ``OMP_NUM_THREADS``, else one a processor that this process may use."""
    chosen = os.environ.get("OMP_NUM_THREADS", "")
    return int(chosen) if chosen.isdigit() and int(chosen) else len(os.sched_getaffinity(0))


def in_threads(work: Callable[[T], None], parts: Iterable[T], threads: int) -> None:
    """Do every part, so many at a time; what one raises is raised. A part must not do this itself."""
    todo = list(parts)
    if threads == 1 or len(todo) == 1:
        for part in todo:
            work(part)
        return
    list(_pool(threads).map(work, todo))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Kept, since starting threads takes as long as enhancing a small image."""
    return ThreadPoolExecutor(threads, thread_name_prefix="sgz-bench")


os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not live on in a child
