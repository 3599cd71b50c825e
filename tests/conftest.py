"""Fixtures that several areas share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of real images and checkpoints (``data/``, ``weights/``, ``reference/``); skips where it is absent."""
    folder = os.environ.get("SGZ_BENCH_TEST_ASSETS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SGZ_BENCH_TEST_ASSETS names no folder")
    return Path(folder)


@pytest.fixture(autouse=True)
def threads_stay_as_they_are() -> Iterator[None]:
    """How many threads compute decides the last bits of what later tests compare."""
    before = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    yield
    assert (torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")) == before
