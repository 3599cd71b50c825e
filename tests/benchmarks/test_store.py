"""What a run writes survives whatever ends it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sgz_bench.benchmarks.store import ImageLog, locked, read_log
from sgz_bench.core.errors import UserError
from sgz_bench.core.files import write_atomic


def line(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"


def test_a_log_gives_back_its_records(tmp_path: Path) -> None:
    log = ImageLog(tmp_path / "cell" / "images.jsonl")
    log.append(1, line({"image_id": 1, "detections": [{"score": 0.1 + 0.2}]}))
    log.append(2, line({"image_id": 2, "skipped": "x is empty"}))
    log.close()
    assert ImageLog(tmp_path / "cell" / "images.jsonl").image_ids == {1, 2}
    assert read_log(tmp_path / "cell" / "images.jsonl") == {
        1: {"image_id": 1, "detections": [{"score": 0.1 + 0.2}]},
        2: {"image_id": 2, "skipped": "x is empty"},
    }


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_line_cut_short_is_dropped_and_written_anew(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "images.jsonl"
    log = ImageLog(path)
    log.append(1, line({"image_id": 1, "detections": []}))
    log.append(2, line({"image_id": 2, "detections": [{"score": 0.5}]}))
    log.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    again = ImageLog(path)
    assert again.image_ids == {1}
    assert list(read_log(path)) == [1]
    again.append(2, line({"image_id": 2, "detections": [{"score": 0.5}]}))
    again.close()
    assert path.read_bytes() == whole


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a" / "row.json", "one")
    write_atomic(tmp_path / "a" / "row.json", b"two")
    assert [(p.name, p.read_text()) for p in (tmp_path / "a").iterdir()] == [("row.json", "two")]


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for attempt in (
        lambda: write_atomic(tmp_path / "file" / "row.json", "x"),
        lambda: ImageLog(tmp_path / "file" / "images.jsonl"),
        lambda: locked(tmp_path / "file").__enter__(),
    ):
        with pytest.raises(UserError, match="cannot be written"):
            attempt()


def test_a_second_process_is_refused_while_the_first_one_lives(tmp_path: Path) -> None:
    code = f"""
import sys, time
from pathlib import Path
from sgz_bench.benchmarks.store import locked
with locked(Path({str(tmp_path)!r})):
    print("held", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(UserError, match="another process"), locked(tmp_path):
                pass
        finally:
            holder.kill()
    with locked(tmp_path):
        pass  # the lock went with its process


def test_what_follows_a_damaged_line_is_computed_anew(tmp_path: Path) -> None:
    path = tmp_path / "images.jsonl"
    log = ImageLog(path)
    for image_id in (1, 2, 3):
        log.append(image_id, line({"image_id": image_id, "detections": []}))
    log.close()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\0" * 20 + b"\n" + lines[2])
    again = ImageLog(path)
    assert again.image_ids == {1}
    again.close()
    assert path.read_bytes() == lines[0]


def test_a_full_disk_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = ImageLog(tmp_path / "images.jsonl")
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(log, "_file", full)
        with pytest.raises(UserError, match=r"images\.jsonl cannot be written: No space left"):
            log.append(1, line({"image_id": 1, "detections": []}))


def test_a_log_is_read_up_to_the_damage_without_touching_it(tmp_path: Path) -> None:
    path = tmp_path / "images.jsonl"
    content = b'{"image_id": 1}\n{"image_id": 2, "detections": []}\n{"detections": []}\n{"image_id": 4}\n'
    path.write_bytes(content)
    assert read_log(path) == {1: {"image_id": 1}, 2: {"image_id": 2, "detections": []}}
    assert path.read_bytes() == content


def test_a_log_that_is_gone_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"images\.jsonl is missing .*; repeat the run's command"):
        read_log(tmp_path / "images.jsonl")


def test_a_log_that_did_not_fit_on_the_disk_is_closed_in_silence(tmp_path: Path) -> None:
    log = ImageLog(tmp_path / "images.jsonl")
    with Path("/dev/full").open("wb") as full:
        log._file = full  # type: ignore[assignment]
        with pytest.raises(UserError, match=r"cannot be written: No space left on device; repeat the command"):
            log.append(1, b"{}\n")
        log.close()
        assert full.closed
