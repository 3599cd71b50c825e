"""Devices of ``--device`` and the number of CPU threads."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from .errors import UserError
from .text import pluralize


def resolve_device(text: str) -> str:
    """Return ``"cpu"`` or ``"cuda:N"`` for ``auto`` (the first GPU if there is one), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UserError: unknown device, or a GPU that this machine does not have.
    """
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if text == "auto":
        return "cuda:0" if count else "cpu"
    if text == "cpu":
        return text
    match = re.fullmatch(r"cuda(?::(\d+))?", text)
    if match is None:
        raise UserError(f"unknown device {text!r}; use auto, cpu or cuda:N")
    index = int(match[1] or 0)
    if index >= count:
        available = pluralize(count, "CUDA device") if count else "no CUDA device"
        raise UserError(f"device {text!r} does not exist: PyTorch finds {available}; use auto or cpu")
    return f"cuda:{index}"


def usual_threads() -> int:
    """Return PyTorch's default: ``OMP_NUM_THREADS``, else one thread per processor that this process may use."""
    setting = os.environ.get("OMP_NUM_THREADS", "")
    if setting.isdigit() and int(setting):
        return int(setting)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Let PyTorch compute with ``count`` threads inside the ``with`` block.

    Sums are split among threads, so their number decides the last bits of a training; it is part of the recipe.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def processor(device: str) -> str:
    """Return the name of a device's processor: the GPU's, or the CPU's model."""
    import torch

    if device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return f"CPU ({platform.machine()})"


def limit_threads(count: int) -> None:
    """Let PyTorch and OpenCV compute with ``count`` threads in this process."""
    import cv2
    import torch

    torch.set_num_threads(count)
    cv2.setNumThreads(count)


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Let PyTorch and OpenCV compute with ``count`` threads inside the ``with`` block."""
    import cv2

    before = cv2.getNumThreads()
    with cpu_threads(count):
        cv2.setNumThreads(count)
        try:
            yield
        finally:
            cv2.setNumThreads(before)
