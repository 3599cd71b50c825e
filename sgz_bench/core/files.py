"""Files: atomic writes, text, JSON and YAML reading, hashes, and short descriptions of bad settings."""

from __future__ import annotations

import codecs
import contextlib
import errno
import hashlib
import json
import os
import stat
import time
import zipfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UserError

if TYPE_CHECKING:
    import yaml

YAML_SUFFIXES = frozenset({".yaml", ".yml"})
# Files and folders that systems and tools leave beside images; hidden ones (.ipynb_checkpoints, ._a.jpg) besides.
_SYSTEM = frozenset(
    {
        *("__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found", "__pycache__"),
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
    }
)
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_YAML_NODES = 1_000_000  # nodes of a YAML with its aliases written out


def write_atomic(path: Path, data: bytes | memoryview | str | Iterable[bytes]) -> None:
    """Write a whole file or nothing: under a temporary name, flushed to disk, then renamed; folders are created.

    The first write into a folder also deletes temporary files that killed processes left there.

    Args:
        path: target; an existing file is replaced.
        data: content, whole or in parts; text is encoded as UTF-8.

    Raises:
        UserError: the path cannot be written.
    """
    if isinstance(data, str):
        data = data.encode("utf-8")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")  # two processes may write the same file
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _delete_stale(os.path.realpath(path.parent))
        with partial.open("wb") as file:
            file.writelines([data] if isinstance(data, bytes | memoryview) else data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def require_writable(path: Path) -> None:
    """Refuse a target that :func:`write_atomic` could not write, before the work whose result it takes.

    Raises:
        UserError: a folder of the path is a file, or a folder cannot be created or written.
    """
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise UserError(f"{path} cannot be written: {folder} is a file; choose another folder")
    partial = folder / f".{path.name}.{os.getpid()}.partial"
    try:
        partial.touch()
        partial.unlink()
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {folder} takes no file ({error.strerror or error}); choose another folder"
        ) from error


@cache  # once per folder and process
def _delete_stale(folder: str) -> None:
    """Delete temporary files of processes that no longer run; recent ones may be those of another machine."""
    for path in Path(folder).glob(".*.partial"):
        pid = path.name.split(".")[-2]
        with contextlib.suppress(OSError):
            if pid.isdecimal() and time.time() - path.stat().st_mtime > 2 and not _runs(int(pid)):
                path.unlink()


def _runs(pid: int) -> bool:
    """Return True if a process runs on this machine."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it runs for another user
        return True
    return True


def to_json(value: Any) -> str:
    """Return deterministic JSON for small files that people read.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, or in UTF-16 or UTF-32 with byte order mark, as Windows PowerShell writes it.

    Raises:
        UserError: the file cannot be read, or is not text.
    """
    try:
        content = _read_bytes(path)
        refuse_stand_in(path, content)
        return _decode(content)
    except _NotTextError as error:
        raise UserError(f"{path} is not a {error}; {error.fix}") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check the path and its permissions") from error


def _read_bytes(path: Path) -> bytes:
    """Read a file; a pipe or device is refused, as reading it may never end, but for ``/dev/stdin`` and ``/dev/fd``.

    Raises:
        OSError: the file cannot be read, or is no regular file.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or path.is_relative_to("/dev")):
        raise OSError(errno.EINVAL, "it is a pipe or device, not a file", str(path))
    return path.read_bytes()


def refuse_stand_in(path: Path, head: bytes) -> None:
    """Refuse a pointer of Git LFS, or a web page in the place of a file.

    Raises:
        UserError: the file, whose first bytes are given, is one of these.
    """
    if head.startswith(b"version https://git-lfs"):
        raise UserError(f"{path} is a pointer of Git LFS, without the content; run `git lfs pull`")
    if head[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html")):
        raise UserError(f"{path} is a web page, as a failed download leaves it; download the file again")


class _NotTextError(ValueError):
    def __init__(self, wanted: str, fix: str = "save it as UTF-8, or restore it") -> None:
        super().__init__(wanted)
        self.fix = fix


def _decode(content: bytes) -> str:
    """Decode text; drop a byte order mark, and end each line as text mode does, with a line feed.

    Raises:
        _NotTextError: the content is not such text.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8-sig")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise _NotTextError("UTF-8 text file") from error
    if encoding != "utf-8-sig" and text and not any(character.isascii() for character in text):
        raise _NotTextError("text file", "restore it")  # any two bytes are a letter of some script
    if "\0" in text:
        if len(content) > 3 and not (any(content[::2]) and any(content[1::2])):
            raise _NotTextError("UTF-8 text file, but UTF-16 without byte order mark", "save it as UTF-8")
        raise _NotTextError("text file", "restore it")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path, fix: str = "restore it", kind: type = object) -> Any:
    """Read a JSON file, in the encodings of :func:`read_text`.

    Args:
        path: the file.
        fix: what its user should do about a damaged file, for the error message.
        kind: ``dict`` or ``list``, if the content must be one.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        data = _read_bytes(path)
        refuse_stand_in(path, data)
        content = json.loads(_decode(data))
        if not isinstance(content, kind):
            raise ValueError(f"it holds a {type(content).__name__}, not a {kind.__name__}")
    except RecursionError as error:
        raise UserError(f"{path} is missing or damaged (it is nested too deeply); {fix}") from error
    except _NotTextError as error:
        raise UserError(f"{path} is missing or damaged (it is not a {error}); {fix}") from error
    except OSError as error:
        raise UserError(f"{path} is missing or damaged ({error.strerror or error}); {fix}") from error
    except ValueError as error:
        raise UserError(f"{path} is missing or damaged ({error}); {fix}") from error
    return content


def read_yaml(path: Path) -> Any:
    """Read a YAML file without constructing objects.

    Raises:
        UserError: the file cannot be read, or is not YAML.
    """
    return parse_yaml(read_text(path), str(path))


def parse_yaml(text: str, source: str) -> Any:
    """Parse YAML text without constructing objects; ``source`` names it in the error message.

    Raises:
        UserError: the text is not YAML, or its aliases stand for more than a million values.
    """
    import yaml

    loader = None
    try:
        loader = yaml.SafeLoader(text)  # refuses control characters
        node = loader.get_single_node()
        if node is None:
            return None
        if _expanded(node, {}) > _YAML_NODES:
            raise ValueError(f"its aliases stand for more than {_YAML_NODES:,} values")
        return loader.construct_document(node)
    except RecursionError as error:
        raise UserError(f"{source} is not YAML that can be read (it is nested too deeply)") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: an impossible date
        # "C:\Users" is an escape in double quotes.
        fix = "; write its paths with / or in single quotes" if "double-quoted" in str(error) and "\\" in text else ""
        raise UserError(f"{source} is not YAML ({' '.join(str(error).split())}){fix}") from error
    finally:
        if loader is not None:
            loader.dispose()


def _expanded(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Return the number of nodes with every alias written out.

    Args:
        node: root of the graph.
        sizes: id of a node → its number; 0 while it is being counted.

    Raises:
        ValueError: a node contains itself.
    """
    size = sizes.get(id(node))
    if size == 0:
        raise ValueError("an alias stands for a value that contains it")
    if size is None:
        sizes[id(node)] = 0
        content = node.value if isinstance(node.value, list) else []
        parts = (part for each in content for part in (each if isinstance(each, tuple) else (each,)))
        size = sizes[id(node)] = 1 + sum(_expanded(part, sizes) for part in parts)
    return size


def is_hidden(name: str) -> bool:
    """Return True for a hidden file or folder, or one that a system made, such as ``__MACOSX`` or ``Thumbs.db``."""
    return name.startswith(".") or name.casefold() in _SYSTEM


def visible_files(folder: Path, suffix: str = "") -> list[Path]:
    """Return all files below a folder, sorted, without hidden ones and those in hidden folders.

    Args:
        folder: links to folders in it are not followed.
        suffix: of the files, in lower case, which they may have in any letter case; empty for all.
    """
    paths: list[Path] = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_hidden(name)]
        paths += [Path(root, name) for name in names if name.lower().endswith(suffix) and not is_hidden(name)]
    return sorted(path for path in paths if path.is_file())


def file_sha256(path: Path) -> str:
    """Return the sha256 (hex) of a file's bytes, read in blocks.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check the path and its permissions") from error


def refuse_zip_bomb(path: Path) -> None:
    """Refuse a zip archive, such as a ``.pt`` file, that unpacks to far more bytes than it has.

    PyTorch stores tensors uncompressed; archives of other tools halve them at best.

    Raises:
        UserError: the archive unpacks to more than ten times its size.
    """
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        size = path.stat().st_size
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return  # reading the file raises the error
    if unpacked > max(10 * size, 1 << 24):
        raise UserError(f"{path} has {size:,} bytes and would unpack to {unpacked:,}; get the file from its source")


def parse_setting(text: str, example: str) -> tuple[str, str]:
    """Split ``KEY=VALUE`` as ``--set`` takes it; blanks around both are dropped.

    Raises:
        UserError: there is no ``=`` or no key; shows the example.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--set {text!r}: write KEY=VALUE, for example {example}")
    return key.strip(), value.strip()
