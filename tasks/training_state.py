"""Checkpoint and log of one training: a killed training resumes, and on a CPU it ends with the same bytes."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import refuse_zip_bomb, write_atomic

CHECKPOINT = "checkpoint.pt"
LOG = "log.csv"
EVERY = 30.0  # seconds between two checkpoints, at least
_SHARE = 20  # a checkpoint is written when training has taken this many times as long as the last one
_DIGEST = 32  # bytes of the sha256 at the end of a checkpoint


class TrainingState:
    """Checkpoint and log of one training, in its folder.

    ``log.csv`` has a row per epoch. ``checkpoint.pt`` holds plain values and tensors, which PyTorch's restricted
    unpickler reads, and the sha256 of these bytes behind them.

    Args:
        folder: folder of the model.
        conditions: JSON values of everything that decides the weights. A checkpoint of other conditions is not used.
        say: receives notes, one line each.
    """

    def __init__(self, folder: Path, conditions: Mapping[str, Any], say: Callable[[str], None]) -> None:
        self._folder, self.say = folder, say
        self._conditions: dict[str, Any] = json.loads(json.dumps(dict(conditions), sort_keys=True))
        self._rows: list[dict[str, float]] = []
        self._saved = self._logged = monotonic()
        self._cost = 0.0  # seconds that the last checkpoint took

    def load(self) -> dict[str, Any] | None:
        """Return the state of an interrupted training; None without one, with a note if it cannot be used."""
        path = self._folder / CHECKPOINT
        if not path.is_file():
            return None
        try:
            content = _read(path)
            rows, state, conditions = list(content["rows"]), dict(content["state"]), json.loads(content["conditions"])
        except Exception as error:  # damage raises any of a dozen classes
            reason = str(error) if isinstance(error, UserError) else f"{path} is damaged ({type(error).__name__})"
            self.say(f"{reason}; the training starts over")
            return None
        keys = sorted({*conditions, *self._conditions})
        differing = [key for key in keys if conditions.get(key) != self._conditions.get(key)]
        if differing:
            self.say(f"{path} is of a training that differs in {differing[0]}; the training starts over")
            return None
        self._rows = rows
        return state

    def log(self, row: Mapping[str, float], *, last: bool = False) -> None:
        """Add a row to the log, which is written once per second and with the last row.

        Raises:
            UserError: the file cannot be written.
        """
        self._rows.append(dict(row))
        if last or monotonic() - self._logged >= 1:
            lines = [",".join(self._rows[0])]
            lines += [",".join(f"{value:.7g}" for value in each.values()) for each in self._rows]
            write_atomic(self._folder / LOG, "\n".join(lines) + "\n")
            self._logged = monotonic()

    @property
    def due(self) -> bool:
        """True if the last checkpoint is old enough for the next one; time does not change the weights."""
        return monotonic() - self._saved >= max(EVERY, _SHARE * self._cost)

    def save(self, state: Mapping[str, Any]) -> None:
        """Write a checkpoint of plain values and tensors.

        Raises:
            UserError: the file cannot be written.
        """
        began = monotonic()
        buffer = BytesIO()
        content = {"conditions": json.dumps(self._conditions), "rows": self._rows, "state": dict(state)}
        torch.save(content, buffer)
        buffer.write(hashlib.sha256(buffer.getbuffer()).digest())
        write_atomic(self._folder / CHECKPOINT, buffer.getbuffer())
        self._saved = monotonic()
        self._cost = self._saved - began


def remove_checkpoint(folder: Path) -> None:
    """Remove the checkpoint of a finished training, if there is one."""
    with contextlib.suppress(OSError):
        (folder / CHECKPOINT).unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, without executing it.

    Raises:
        UserError: its bytes are not those that were written.
    """
    refuse_zip_bomb(path)
    content = memoryview(path.read_bytes())
    if hashlib.sha256(content[:-_DIGEST]).digest() != content[-_DIGEST:]:
        raise UserError(f"{path} is damaged (its bytes are not those that were written)")
    loaded: dict[str, Any] = torch.load(BytesIO(content[:-_DIGEST]), map_location="cpu", weights_only=True)
    return loaded


def torch_random(device: str) -> dict[str, torch.Tensor]:
    """Return the states of PyTorch's random generators, of the CPU and of a CUDA device."""
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.startswith("cuda") else {})


def restore_torch_random(states: Mapping[str, torch.Tensor], device: str) -> None:
    """Restore the states that :func:`torch_random` returned."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
