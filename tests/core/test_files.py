"""One writer and the readers of small files: whole files or nothing, and one line for every kind of damage."""

from __future__ import annotations

import hashlib
import os
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import (
    file_sha256,
    parse_setting,
    parse_yaml,
    read_json,
    read_text,
    refuse_zip_bomb,
    visible_files,
    write_atomic,
)
from sgz_bench.tasks.models import require_file


def test_a_file_is_replaced_as_a_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    write_atomic(path, "one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_keeps_the_former_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.txt"
    write_atomic(path, "one")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="cannot be written: No space left on device"):
        write_atomic(path, "two")
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_temporary_files_of_killed_processes_are_deleted(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = {pid: tmp_path / f".a.png.{pid}.partial" for pid in (dead.pid, os.getpid(), os.getppid())}
    for path in left.values():
        path.touch()
        os.utime(path, (0, 0))
    (tmp_path / ".notes.partial").touch()
    write_atomic(tmp_path / "b.png", "whole")
    assert not left.pop(dead.pid).exists()
    assert all(path.exists() for path in [*left.values(), tmp_path / ".notes.partial"])


@pytest.mark.parametrize("content", ["", "{", "[1]", "\ufffe", "[" * 100_000])
def test_json_of_another_kind_is_refused_with_the_fix(tmp_path: Path, content: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"file\.json is missing or damaged \(.*\); repeat it"):
        read_json(path, "repeat it", dict)


@pytest.mark.parametrize("text", ["a: [", "a: 2001-13-45", "\t", "\x1fa: 1"])
def test_what_is_not_yaml_is_one_line(text: str) -> None:
    with pytest.raises(UserError, match=r"^recipe is not YAML \([^\n]*\)$"):
        parse_yaml(text, "recipe")


def test_a_text_file_is_read_with_and_without_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(b"\xef\xbb\xbfabc")
    assert read_text(path) == "abc"
    assert file_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_and_json_are_read_in_the_encodings_that_editors_and_shells_write(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "file.txt"
    path.write_text('["Größe"]\r\n', encoding=encoding, newline="")
    assert read_text(path) == '["Größe"]\n'
    assert read_json(path) == ["Größe"]
    path.write_bytes(b"\xfe\xff" + "a b".encode("utf-16-be"))
    assert read_text(path) == "a b"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Größe".encode("cp1252"), "is not a UTF-8 text file; save it as UTF-8"),
        ("a b".encode("utf-16-le"), "but UTF-16 without byte order mark; save it as UTF-8"),
        ("a b".encode("utf-16-be"), "but UTF-16 without byte order mark; save it as UTF-8"),
        (b"\xff\xfe\x00", "is not a UTF-8 text file"),
        (b"PK\x03\x04\0\0ab", "is not a text file; restore it"),
    ],
)
def test_another_encoding_is_one_line_with_the_fix(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words):
        read_text(path)
    with pytest.raises(UserError, match=r"missing or damaged .*; repeat it"):
        read_json(path, "repeat it")


def bomb(levels: int) -> str:
    lines = ["l0: &l0 [a, a, a, a, a, a, a, a, a, a]"]
    lines += [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines)


def test_aliases_are_read_and_a_billion_of_them_are_refused() -> None:
    assert len(parse_yaml(bomb(3), "data.yaml")["l2"]) == 10
    with pytest.raises(UserError, match="its aliases stand for more than 1,000,000 values"):
        parse_yaml(bomb(9), "data.yaml")
    with pytest.raises(UserError, match="an alias stands for a value that contains it"):
        parse_yaml("a: &a [*a]", "data.yaml")
    with pytest.raises(UserError, match="nested too deeply"):
        parse_yaml("- " * 5_000, "data.yaml")


def test_windows_paths_in_double_quotes_are_told() -> None:
    with pytest.raises(UserError, match="; write its paths with / or in single quotes"):
        parse_yaml('path: "C:\\Users\\me"', "data.yaml")


def test_hidden_and_system_files_are_not_visible(tmp_path: Path) -> None:
    names = ["b/a.png", "a.png", ".a.png", "._a.png", "__MACOSX/a.png", ".ipynb_checkpoints/a.png", "b/Thumbs.db"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert visible_files(tmp_path) == [tmp_path / "a.png", tmp_path / "b/a.png"]


@pytest.mark.parametrize("text", ["1" * 5000, "[" + "1" * 5000 + "]"])
def test_numbers_without_end_are_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    for read in (lambda: read_json(path), lambda: parse_yaml(text, "data.yaml")):
        with pytest.raises(UserError, match="digits"):
            read()


@pytest.mark.parametrize(("text", "pair"), [("a=b", ("a", "b")), (" a = b=c ", ("a", "b=c")), ("a=", ("a", ""))])
def test_a_setting_is_split_at_its_first_sign(text: str, pair: tuple[str, str]) -> None:
    assert parse_setting(text, "a=b") == pair


@pytest.mark.parametrize("text", ["a", "=b", ""])
def test_a_setting_without_key_or_sign_shows_an_example(text: str) -> None:
    with pytest.raises(UserError, match="write KEY=VALUE, for example a=b"):
        parse_setting(text, "a=b")


def test_a_zip_bomb_is_refused_and_plain_archives_are_not(tmp_path: Path) -> None:
    bomb, plain = tmp_path / "bomb.pt", tmp_path / "plain.pt"
    for path, method in ((bomb, zipfile.ZIP_DEFLATED), (plain, zipfile.ZIP_STORED)):
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("archive/data/0", bytes(1 << 25))
    with pytest.raises(UserError, match=r"bomb\.pt has [\d,]+ bytes and would unpack to 33,554,432"):
        refuse_zip_bomb(bomb)
    refuse_zip_bomb(plain)


def test_a_message_is_one_line_that_any_terminal_can_show() -> None:
    assert str(UserError("a\nb\x1b[31m\ud800 é")) == "a b\\x1b[31m\\ud800 é"
    assert len(str(UserError("9" * 100_000))) < 3000


@pytest.mark.parametrize("read", [read_text, read_json])
def test_a_pipe_is_refused_at_once(tmp_path: Path, read: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "labels.txt")
    with pytest.raises(UserError, match="it is a pipe or device, not a file"):
        read(tmp_path / "labels.txt")


def test_what_a_shell_pipes_in_is_read() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"[1]")
    os.close(writer)
    assert read_json(Path(f"/dev/fd/{reader}")) == [1]
    os.close(reader)


def test_hidden_files_and_folders_are_not_listed(tmp_path: Path) -> None:
    for name in ("b/c.txt", "a.TXT", "a.xml", ".git/d.txt", "b/._c.txt", "b/__MACOSX/e.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert visible_files(tmp_path, ".txt") == [tmp_path / "a.TXT", tmp_path / "b/c.txt"]
    assert len(visible_files(tmp_path)) == 3


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of Git LFS.*git lfs pull"),
        ("\n<!DOCTYPE html><html></html>", "is a web page.*download the file again"),
    ],
)
def test_what_stands_in_for_a_file_is_named(tmp_path: Path, content: str, fault: str) -> None:
    path = tmp_path / "file"
    path.write_text(content)
    for read in (read_text, read_json, lambda path: require_file(str(path), "model file")):
        with pytest.raises(UserError, match=fault):
            read(path)
    with pytest.raises(UserError, match="is a folder, not a model file"):
        require_file(str(tmp_path), "model file")
