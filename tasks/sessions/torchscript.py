"""A TorchScript file in PyTorch.

TorchScript is a program: PyTorch interprets its graph, which can call every operator that PyTorch has, but no Python.
Operators that read or write files, and those of other libraries, are refused before the file is loaded.
"""

from __future__ import annotations

import json
import re
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sgz_bench.core.errors import UserError

from .base import Array, Nms, Port, Session
from .metadata import ExportMetadata

# Names are refused wherever they occur: a program may call `torch.save` through an alias, or with spaces inside.
_NAMES = re.compile(r"(?:\btorch\s*\.\s*)?\b(?:save|from_file|getattr|rpc_\w+)\b")
_OTHERS = re.compile(r"(?<![\w.])ops\b(?!\s*\.\s*(?:aten|prim|torchvision|quantized)\s*\.)[\s.\w]*")
_GETATTR = re.compile(r'\bgetattr\((\w+), "([^"\'\\\n]*)"\)')  # as PyTorch writes it
_TEXTS = re.compile(r'"(?:[^"\\]|\\[\s\S])*"|\'(?:[^\'\\]|\\[\s\S])*\'|#[^\n]*')  # strings and comments
_TRIPLE = re.compile(r"\"{3}|'{3}")  # PyTorch writes none
_LARGEST = 1 << 33  # bytes; a deflated file may be far larger than it looks


class TorchScriptSession(Session):
    """A traced or scripted network. Ultralytics and YOLOv5 write metadata into it.

    Args:
        path: ``.torchscript`` file.
        device: torch device.
        imgsz: side of the input where the metadata do not tell it, pixels.

    Raises:
        UserError: the file is no TorchScript, or uses operators that are not allowed.
    """

    def __init__(self, path: Path, device: str = "cpu", imgsz: int = 640) -> None:
        import torchvision  # noqa: F401  # its operators must be known before loading

        raw = _read(path)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # advertises torch.export
                load: Any = torch.jit.load
                self._module: Any = load(str(path), map_location=device).eval().float()
        except Exception as error:  # damage raises any of a dozen classes
            raise UserError(f"{path} is not a readable TorchScript file ({type(error).__name__})") from error
        meta = ExportMetadata.of(raw, path)
        height, width = meta.imgsz or (imgsz, imgsz)
        # A trace is fixed to its sizes unless it was made for dynamic ones.
        sizes = (None, 3, None, None) if meta.dynamic else (meta.batch or 1, 3, height, width)
        super().__init__(path, [Port("images", sizes, "float32")], [Port("output0", (), "float32")], raw, [path])
        self._device = device

    @torch.inference_mode()
    def _run(self, images: Array, others: Mapping[str, Array]) -> Sequence[Array]:
        output = self._module(*(torch.from_numpy(each).to(self._device) for each in (images, *others.values())))
        return [np.asarray(each.float().cpu().numpy()) for each in _tensors(output)]

    @property
    def nms(self) -> Nms | None:
        graph = self._module.inlined_graph
        nodes = list(graph.findAllNodes("torchvision::nms"))
        if not nodes:
            return None
        compared = [_constant(node, 1) for node in graph.findAllNodes("aten::gt")]
        thresholds = [value for value in compared if value is not None and 0 < value < 1]
        return Nms(max(thresholds, default=None), _constant(nodes[-1], 2))


def is_torchscript(path: Path) -> bool:
    """Return True for an archive with TorchScript code, whatever its suffix."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError):
        return False
    return any(name.endswith("/constants.pkl") for name in names) and any("/code/" in name for name in names)


def _read(path: Path) -> dict[str, Any]:
    """Check a file's code, and return its metadata.

    Raises:
        UserError: it is no TorchScript, unpacks to more than 8 GiB, or calls operators that are not allowed.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":  # PyTorch reads other formats by their first bytes
                raise UserError(f"{path} is not a readable TorchScript file (no zip archive); export it again")
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > _LARGEST:
                raise UserError(f"{path} unpacks to more than {_LARGEST >> 30} GiB; export it again")
            for entry in entries:
                name = entry.filename.lower()  # PyTorch ignores case
                if "/code/" in name and name.endswith(".py"):
                    _check(path, archive.read(entry).decode("utf-8", "replace"))
            extra = next((entry for entry in entries if entry.filename.endswith("extra/config.txt")), None)
            return dict(json.loads(archive.read(extra))) if extra is not None else {}
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, ValueError, TypeError, RuntimeError) as error:
        raise UserError(
            f"{path} is not a readable TorchScript file ({type(error).__name__}); export it again"
        ) from error


def _check(path: Path, code: str) -> None:
    plain = _TEXTS.sub(" ", _GETATTR.sub(r"\1.\2", code))
    forbidden = _TRIPLE.search(code) or _NAMES.search(plain) or _OTHERS.search(plain)
    if forbidden is not None:
        raise UserError(
            f"{path} calls {' '.join(forbidden[0].split())}, which a detector does not need; it was not loaded"
        )


def _tensors(output: Any) -> list[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        return [output]
    if isinstance(output, dict):
        output = list(output.values())
    return [tensor for each in output for tensor in _tensors(each)] if isinstance(output, (list, tuple)) else []


def _constant(node: Any, index: int) -> float | None:
    value = list(node.inputs())[index].toIValue()
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
    return float(value) if isinstance(value, (int, float)) else None
