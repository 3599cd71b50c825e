"""Files of a training: state for resuming, weights, and log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import write_atomic

from ..checkpoint import metadata_of, read_metadata
from .recipe import EnhancerRecipe


def save_state(
    path: Path,
    recipe: EnhancerRecipe,
    origin: Mapping[str, Any],
    step: int,
    model: nn.Module,
    average: nn.Module,
    optimizer: Any,
) -> None:
    """Write the state that a training resumes from: step, weights, averaged weights and the optimizer's moments.

    Raises:
        UserError: the file cannot be written.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.state_dict().items()}
    inner = getattr(optimizer, "optimizer", optimizer)
    for index, state in inner.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in state.items()}
    metadata = metadata_of({"step": step, "recipe": recipe.fingerprint, "origin": dict(origin)})
    write_atomic(path, save(_cpu_copies(tensors), metadata))


def load_state(
    path: Path,
    recipe: EnhancerRecipe,
    origin: Mapping[str, Any],
    model: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> int:
    """Load a training's state into model, average and optimizer; return its step, or 0 if there is no state.

    Raises:
        UserError: the file is damaged, or its recipe, pictures, guidance network or number of processes differ.
    """
    if not path.is_file():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            metadata = read_metadata(file)
        tensors = load_file(path)
    except Exception as error:
        raise UserError(f"{path} is damaged ({error}); remove it to start from step 0") from error
    if metadata.get("recipe") != recipe.fingerprint:
        raise UserError(f"{path.parent} holds a training of another recipe; choose another --out")
    saved_origin = metadata.get("origin", {})
    for key in sorted({*saved_origin, *origin}):
        if saved_origin.get(key) != origin.get(key):
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


def _cpu_copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return contiguous CPU copies. safetensors refuses shared memory, and SCI has one layer under two names."""
    return {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}


def save_weights(
    path: Path, network: nn.Module, recipe: EnhancerRecipe, step: int, provenance: Mapping[str, Any]
) -> None:
    """Write an enhancer's weights with the recipe and their provenance as metadata.

    Raises:
        UserError: the file cannot be written.
    """
    metadata = {
        "network": recipe.network,
        "scale": recipe.scale,
        "steps": step,
        "recipe": recipe.model_dump(mode="json"),
        "recipe_sha256": recipe.fingerprint,
    } | dict(provenance)
    write_atomic(path, save(_cpu_copies(network.state_dict()), metadata_of(metadata)))


class Log:
    """``log.jsonl`` with one line per step, and TensorBoard files if the package is installed.

    Args:
        out: folder of the training.
        step: step to resume from; later lines of an existing log are dropped.
    """

    def __init__(self, out: Path, step: int) -> None:
        self._path = out / "log.jsonl"
        text = self._path.read_text(encoding="utf-8", errors="replace") if self._path.is_file() else ""
        lines = text.splitlines()[:step]
        write_atomic(self._path, "".join(f"{line}\n" for line in lines))
        self._board: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(out / "tensorboard", purge_step=step + 1 if step else None)
        except ImportError:
            pass

    def add(self, step: int, terms: Mapping[str, float], validation: Mapping[str, float]) -> None:
        """Append the loss terms of a step, and the validation terms if there are any."""
        record: dict[str, Any] = {"step": step, "loss": sum(terms.values()), **terms}
        if validation:
            record["validation"] = dict(validation)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        if self._board is None:
            return
        for name, value in terms.items():
            self._board.add_scalar(f"loss/{name}", value, step)
        for name, value in validation.items():
            self._board.add_scalar(f"validation/{name}", value, step)
