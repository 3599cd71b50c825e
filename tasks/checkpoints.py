"""Inspection of ``.pt`` files without loading them: why a file is no Ultralytics checkpoint, and what to do instead."""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Iterable
from pathlib import Path

_LARGEST_PICKLE = 1 << 26  # bytes
_SAFE = ("collections", "torch", "numpy", "builtins", "__builtin__", "pathlib", "datetime", "_codecs", "copyreg")


def checkpoint_fault(path: Path) -> str:
    """Return why Ultralytics cannot read a ``.pt`` file, and the fix, to follow the file's name in a message."""
    again = "; give a YOLO or RT-DETR .pt file, or export the model to ONNX where it was trained"
    try:
        with path.open("rb") as file:
            head = file.read(64)
        if not head:
            return "is empty; copy or download it again"
        if head.startswith(b"version https://git-lfs"):
            return "is a pointer of Git LFS, without the weights; run `git lfs pull`"
        if head.lstrip().startswith(b"<"):
            return "is a web page, not weights; download it again"
        names = _globals(path)
    except (OSError, zipfile.BadZipFile, NotImplementedError):
        return "is damaged or cut off; copy or download it again"
    except ValueError:
        return "is not a PyTorch file" + again
    foreign = sorted(name for name in names if not name.startswith((*_SAFE, "ultralytics.")))
    repository = [name for name in foreign if name.partition(".")[0] == "models"]
    if repository:
        return (
            f"was saved by the code of YOLOv5, YOLOv7 or a relative ({repository[0]}), which is not Ultralytics'; "
            "export it to ONNX there (python export.py --include onnx) and give the .onnx"
        )
    if foreign:
        return f"needs code of another package ({foreign[0]}); export it to ONNX where it was trained"
    unknown = _unknown(name for name in names if name.startswith("ultralytics."))
    if unknown:
        return (
            f"needs {unknown}, which the installed ultralytics {_version()} does not have; upgrade it, or export the "
            "model to ONNX where it was trained"
        )
    if not any(name.startswith("ultralytics.") for name in names):
        return "holds weights without a network (a state dict)" + again
    if not zipfile.is_zipfile(path):
        return (
            "is in the format of PyTorch before 1.6; load it with a current ultralytics and save it with model.save()"
        )
    return "is not a checkpoint as Ultralytics writes it; save the model with its model.save(), or export it to ONNX"


def _globals(path: Path) -> set[str]:
    """Return the classes and functions that a checkpoint's pickle names, as ``module.name``.

    Raises:
        ValueError: no pickle.
        zipfile.BadZipFile: an archive without one, or cut off.
    """
    with path.open("rb") as file:
        archived = file.read(2) == b"PK"
    if not archived:
        with path.open("rb") as file:
            parts = [file.read(_LARGEST_PICKLE)]
    else:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith("data.pkl")]
            if not entries or entries[0].file_size > _LARGEST_PICKLE:
                raise zipfile.BadZipFile("no pickle")
            parts = [archive.read(entries[0])]
    return {name for part in parts for name in _named(part, several=not archived)}


def _named(data: bytes, *, several: bool) -> set[str]:
    """Return the globals of a pickle, or of the pickles that a file of PyTorch before 1.6 begins with."""
    names: set[str] = set()
    strings: list[str] = []
    read, begin = 0, 0
    try:
        while begin < len(data):
            end = begin
            for code, argument, position in pickletools.genops(data[begin:]):
                end = begin + (position or 0) + 1
                if code.name == "GLOBAL":
                    names.add(str(argument).replace(" ", "."))
                elif code.name == "STACK_GLOBAL":
                    names.add(".".join(strings[-2:]))
                elif isinstance(argument, str):
                    strings.append(argument)
            read, begin = read + 1, end
            if not several or read == 5:
                break
    except (ValueError, IndexError, UnicodeDecodeError):
        if not read:
            raise ValueError("no pickle") from None
    return names


def _unknown(names: Iterable[str]) -> str | None:
    """Return the first class that the installed package lacks."""
    import importlib

    for name in sorted(names):
        module, _, attribute = name.rpartition(".")
        if name.startswith("ultralytics.yolo.") or attribute in {"Silence", "YOLOv10DetectionModel", "v10DetectLoss"}:
            continue  # former names, which its reader knows
        try:
            if not hasattr(importlib.import_module(module), attribute):
                return name
        except ImportError:
            return name
    return None


def _version() -> str:
    from importlib.metadata import version

    return version("ultralytics")
