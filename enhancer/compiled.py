"""How loops are compiled to machine code: with Numba, without the GIL, and kept on disk for later processes.

Importing this takes half a second, so that what needs it is imported where it is called. Sums are taken in the order
that is written and nothing is fused unless ``fastmath`` allows it: the machine code gives the bits that NumPy would.
Kernels have one thread each; whoever calls them gives parts of the work to several.
"""

from __future__ import annotations

from functools import partial

from numba import njit

compiled = partial(njit, cache=True, nogil=True, error_model="numpy")
