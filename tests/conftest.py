"""Fixtures that several areas share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of real images and checkpoints (``data/``, ``weights/``, ``reference/``); skips where it is absent."""
    folder = os.environ.get("SGZ_BENCH_TEST_ASSETS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SGZ_BENCH_TEST_ASSETS names no folder")
    return Path(folder)
