"""Machine code: kept where that can be written, made anew when its sources change."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from sgz_bench.core import compiled
from sgz_bench.enhancer.runtime import kernels

RUN = """
import numpy as np
from sgz_bench.core.images import Image
from sgz_bench.enhancer.runtime.kernels import to_planes
planes = np.empty((3, 2, 2), np.float32)
to_planes(np.full((2, 2, 3), 51, np.uint8), planes)
print(planes.sum())
"""


def test_what_kernels_are_made_of_decides_where_they_are_kept(tmp_path: Path) -> None:
    sources = tmp_path / "enhancer"
    shutil.copytree(Path(kernels.__file__).parents[1], sources, ignore=shutil.ignore_patterns("weights", "__pycache__"))
    before = compiled._cache_folder(sources)
    compiled._cache_folder.cache_clear()
    assert compiled._cache_folder(sources) == before
    with (sources / "sgz" / "network.py").open("a") as file:
        file.write("# another state\n")
    compiled._cache_folder.cache_clear()
    assert compiled._cache_folder(sources) != before


def test_where_nothing_can_be_kept_machine_code_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "file").touch()  # no folder can be made below it, whoever asks
    nowhere = str(tmp_path / "file" / "cache")
    locked = "import numba.core.caching as c; c._CacheLocator.ensure_cache_path = lambda self: 1 / 0\n"
    locked = locked.replace("1 / 0", "(_ for _ in ()).throw(OSError())")
    result = subprocess.run(
        [sys.executable, "-c", locked + RUN],
        env=os.environ | {"NUMBA_CACHE_DIR": nowhere}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.stdout.strip() == "2.4", result.stderr[-500:]
