"""Costs of each row: parameters, operations, time and memory of its enhancer, time of its model.

Costs are measured once per row when a run ends, on one image of the usual size of the data, and kept in ``costs.json``:
times differ between measurements, whereas the other files of a run are the same byte for byte.
"""

from __future__ import annotations

import ctypes
import gc
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import to_json, write_atomic
from sgz_bench.core.images import read_image, to_tensor
from sgz_bench.enhancer.composites import Both, Gate, Oracle
from sgz_bench.enhancer.folder import Folder

from ..image_statistics import read_image_statistics
from ..store import read_entries

if TYPE_CHECKING:
    from sgz_bench.tasks.label_space import Sample
    from sgz_bench.tasks.models import Model
    from sgz_bench.tasks.types import Image

    from ..plan import Cell, Plan
    from ..results import ResultRow

FILE = "costs.json"
_CANDIDATES = 9  # candidates for the image of median size
_SECONDS = 0.3  # spent on repeating one measurement
_REPEATS = (3, 10)  # minimum and maximum


@dataclass(frozen=True)
class Cost:
    """Costs of one row; None for what was not measured or is not defined.

    Attributes:
        height, width: size of the image in pixels.
        device: name of the device of the enhancer.
        threads: number of PyTorch's CPU threads.
        parameters: number of the enhancer's parameters.
        macs: multiply–accumulates of the enhancer's convolutions and matrix products on the image, as computed here:
            overlaps of the bands of a large image count twice. None without parameters.
        enhancer_ms, model_ms: milliseconds per image from uint8 to uint8, and from uint8 to the model's answer (on
            the image as the data set has it); medians after a warm-up, with the device synchronised. Of a gate,
            the mean over the run's images, like ``macs``; of a fused row, the model's both passes.
        memory: peak bytes while enhancing the image, beyond what the process or the GPU held before; median of three.
    """

    height: int
    width: int
    device: str
    threads: int
    parameters: int
    macs: int | None
    enhancer_ms: float | None
    model_ms: float | None
    memory: int | None


def write_costs(plan: Plan, run: Path, rows: Sequence[ResultRow], device: str) -> None:
    """Measure the scored rows that ``costs.json`` lacks on this device, and rewrite it."""
    try:
        known = read_costs(run)
    except UserError:  # damaged: measure again
        known = {}
    hardware = _device_name(device), _threads()
    scored = {row.key for row in rows if row.status == "ok"}
    cells = {row.key: group[0] for row, group in zip(rows, plan.rows, strict=True) if row.key in scored}
    kept = {key: known[key] for key in cells if key in known and (known[key].device, known[key].threads) == hardware}
    left_out = {each["image"] for row in rows for each in row.skipped}
    example = _median_size(plan, left_out) if set(cells) - set(kept) else None
    model_ms: dict[int, float] = {}  # by model; all cells of the protocol "frozen" share one
    for key, cell in cells.items():
        if key in kept or example is None:
            continue
        sample, image = example
        try:
            model = _model(plan, cell)
            if id(model) not in model_ms:
                model_ms[id(model)] = _milliseconds(partial(model.predict, [image]), device)
            kept[key] = _cost(cell, image, sample.key, device, hardware, model_ms[id(model)], run)
        except Exception:  # the row stays scored, but has no costs
            continue
    write_atomic(run / FILE, to_json({key: asdict(kept[key]) for key in cells if key in kept}))


def read_costs(run: Path) -> dict[str, Cost]:
    """Read row key → cost; empty for a run without them.

    Raises:
        UserError: the file is damaged.
    """
    return read_entries(run / FILE, Cost)


def cost_columns(cost: Cost | None) -> dict[str, Any]:
    """Return the columns of a flat table: ``cost_height``, …; none for a row that was not measured."""
    return {f"cost_{name}": value for name, value in asdict(cost).items()} if cost is not None else {}


def _median_size(plan: Plan, left_out: set[str]) -> tuple[Sample, Image] | None:
    """Read a few images and return the one of median size; None if none can be read.

    Images that the run left out are not touched: one that killed a worker would kill this process.
    """
    samples = [sample for sample in plan.dataset.samples if sample.key not in left_out]
    read: list[tuple[Sample, Image]] = []
    for sample in samples[:: max(len(samples) // _CANDIDATES, 1)][:_CANDIDATES]:
        try:
            read.append((sample, read_image(sample.path)))
        except UserError:
            continue
    read.sort(key=lambda pair: pair[1].shape[0] * pair[1].shape[1])
    return read[len(read) // 2] if read else None


def _model(plan: Plan, cell: Cell) -> Model:
    """Return the model of a row; of a fused row the one that makes each of its passes."""
    fused = isinstance(cell.view.enhancer, Both)
    return next(each for each in plan.cells if each.label == "raw").model if fused else cell.model


def _cost(
    cell: Cell, image: Image, key: str, device: str, hardware: tuple[str, int], model_ms: float, run: Path
) -> Cost:
    enhancer, (height, width) = cell.view.enhancer, image.shape[:2]
    if cell.label in {"raw", "bright"} or isinstance(enhancer, Folder):  # nothing is enhanced here
        return Cost(height, width, *hardware, 0, None, None, model_ms, None)
    if isinstance(enhancer, Oracle):  # nothing that can be run
        return Cost(height, width, *hardware, 0, None, None, None, None)
    share, gating_ms = 1.0, 0.0
    if isinstance(enhancer, Both):
        enhancer, model_ms = enhancer.inner, 2 * model_ms
    dark = cell.view.darken(image, key) if cell.view.darken is not None else image

    if isinstance(enhancer, Gate):  # costs of the mean image: the statistic of all, the enhancer of some
        share = _open_share(run, enhancer)
        gating_ms = _milliseconds(partial(enhancer.opens, dark), device)
        enhancer = enhancer.inner

    def enhance() -> object:
        return enhancer.enhance_image(dark, key, device)

    parameters = sum(tensor.numel() for tensor in enhancer.parameters())
    milliseconds = _milliseconds(enhance, device)
    try:
        macs = _macs(lambda: enhancer(to_tensor(dark, device))) if parameters else None
    except Exception:  # operations of custom enhancers may not be countable
        macs = None
    used = [each for each in (_memory(enhance, device) for _ in range(3)) if each is not None]
    memory = int(median(used)) if used else None
    macs = None if macs is None else round(share * macs)
    return Cost(height, width, *hardware, parameters, macs, gating_ms + share * milliseconds, model_ms, memory)


def _open_share(run: Path, gate: Gate) -> float:
    """Return the share of the run's images that a gate enhances."""
    values = [each[gate.condition.statistic] for each in read_image_statistics(run).values()]
    return sum(map(gate.condition.holds, values)) / len(values)


def _milliseconds(call: Callable[[], object], device: str) -> float:
    """Return the median milliseconds of a call, after a warm-up."""
    import torch

    def once() -> float:
        start = time.perf_counter()
        call()
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    once()
    times: list[float] = []
    while len(times) < _REPEATS[0] or (sum(times) < _SECONDS and len(times) < _REPEATS[1]):
        times.append(once())
    return 1000 * median(times)


def _macs(call: Callable[[], object]) -> int:
    """Count the multiply–accumulates of a call."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops()) // 2  # one multiply–accumulate is two operations


def _memory(call: Callable[[], object], device: str) -> int | None:
    """Measure the peak above the bytes held before, on the GPU or in Linux's resident set; None on other systems."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return int(torch.cuda.max_memory_allocated(device)) - before
    try:
        gc.collect()
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # freed memory that is still resident would hide the peak
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak
        before = _resident("VmRSS")
        call()
        return max(_resident("VmHWM") - before, 0)
    except (OSError, AttributeError, StopIteration):
        return None


def _resident(field: str) -> int:
    """Read a field of Linux's ``/proc/self/status``, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


def _device_name(device: str) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else f"CPU ({platform.machine()})"


def _threads() -> int:
    import torch

    return torch.get_num_threads()
