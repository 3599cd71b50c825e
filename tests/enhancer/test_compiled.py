"""Machine code: kept where that can be written, made anew when its sources change."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sgz_bench.enhancer import compiled

RUN = """
import numpy as np
from sgz_bench.enhancer.images import Image
from sgz_bench.enhancer.runtime.kernels import to_planes
planes = np.empty((3, 2, 2), np.float32)
to_planes(np.full((2, 2, 3), 51, np.uint8), planes)
print(planes.sum())
"""


def test_what_kernels_are_made_of_decides_where_they_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = compiled._cache_folder()
    package = Path(compiled.__file__).parent
    for name in ("runtime", "sgz"):
        shutil.copytree(package / name, tmp_path / name)
    monkeypatch.setattr(compiled, "__file__", str(tmp_path / "compiled.py"))
    assert compiled._cache_folder() == before
    with (tmp_path / "runtime" / "vector.py").open("a") as file:
        file.write("# another state\n")
    assert compiled._cache_folder() != before


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
