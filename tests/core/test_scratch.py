"""Scratch folders: removed at the end, and after a kill by the next process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sgz_bench.core.scratch import scratch_folder


def test_a_folder_of_a_killed_process_is_removed_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    killed = (
        "import os; from sgz_bench.core.scratch import scratch_folder\n"
        "with scratch_folder('test') as folder: (folder / 'file').touch(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", killed], env=os.environ | {"TMPDIR": str(tmp_path)}, check=False)
    (left,) = tmp_path.iterdir()
    with scratch_folder("test") as young:
        assert set(tmp_path.iterdir()) == {left, young}  # it may be about to be locked
    os.utime(left / ".lock", (0, 0))
    with scratch_folder("other"):
        assert left.exists()
    with scratch_folder("test") as first:
        assert not left.exists()
        os.utime(first / ".lock", (0, 0))
        with scratch_folder("test"):
            assert first.exists()  # it is in use
    assert list(tmp_path.iterdir()) == []
