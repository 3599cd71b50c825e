"""What a training keeps on disk: its state, its weights, its log."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from sgz_bench.core.errors import UserError

from ..checkpoint import metadata_of, read_metadata
from .recipe import Recipe


def save_state(
    path: Path,
    recipe: Recipe,
    origin: Mapping[str, Any],
    step: int,
    model: nn.Module,
    average: nn.Module,
    optimizer: Any,
) -> None:
    """Write what a training needs to go on: step, weights, their average and the optimizer's moments.

    Raises:
        UserError: the place cannot be written.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.state_dict().items()}
    inner = getattr(optimizer, "optimizer", optimizer)
    for index, state in inner.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in state.items()}
    _write(
        path, save(_apart(tensors), metadata_of({"step": step, "recipe": recipe.fingerprint, "origin": dict(origin)}))
    )


def load_state(
    path: Path,
    recipe: Recipe,
    origin: Mapping[str, Any],
    model: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> int:
    """The step to go on from; 0 where there is no state.

    Raises:
        UserError: it is of another recipe, of other pictures, another judge or number of processes, or damaged.
    """
    if not path.is_file():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            metadata = read_metadata(file)
        tensors = load_file(path)
    except Exception as error:
        raise UserError(f"{path} is damaged ({error}); remove it to begin anew") from error
    if metadata.get("recipe") != recipe.fingerprint:
        raise UserError(f"{path.parent} holds the training of another recipe; choose another --out")
    before = metadata.get("origin", {})
    for key in sorted({*before, *origin}):
        if before.get(key) != origin.get(key):
            raise UserError(f"{path.parent} holds a training that differs in {key}; choose another --out")

    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    model.load_state_dict(part("model."))
    average.load_state_dict(part("average."))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in part("optimizer.").items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
    return int(metadata["step"])


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU that share no memory, as safetensors asks; SCI has one layer under two names."""
    return {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}


def save_weights(path: Path, network: nn.Module, recipe: Recipe, step: int, provenance: Mapping[str, Any]) -> None:
    """Write the weights that an enhancer is made of, with the recipe and where they come from as metadata.

    Raises:
        UserError: the place cannot be written.
    """
    metadata = {
        "network": recipe.network,
        "scale": recipe.scale,
        "steps": step,
        "recipe": recipe.model_dump(mode="json"),
        "recipe_sha256": recipe.fingerprint,
    } | dict(provenance)
    _write(path, save(_apart(network.state_dict()), metadata_of(metadata)))


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error


class Log:
    """``log.jsonl``, a line a step, and TensorBoard's files where the package is installed."""

    def __init__(self, out: Path, step: int) -> None:
        self._path = out / "log.jsonl"
        lines = self._path.read_text(encoding="utf-8").splitlines()[:step] if self._path.is_file() else []
        _write(self._path, "".join(f"{line}\n" for line in lines).encode())
        self._board: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(out / "tensorboard", purge_step=step + 1 if step else None)
        except ImportError:
            pass

    def add(self, step: int, parts: Mapping[str, float], validation: Mapping[str, float]) -> None:
        record: dict[str, Any] = {"step": step, "loss": sum(parts.values()), **parts}
        if validation:
            record["validation"] = dict(validation)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        if self._board is None:
            return
        for name, value in parts.items():
            self._board.add_scalar(f"loss/{name}", value, step)
        for name, value in validation.items():
            self._board.add_scalar(f"validation/{name}", value, step)
