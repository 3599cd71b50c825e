"""Reading weights from files that may be anything."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from sgz_bench.core.errors import UserError

SUFFIXES = (".safetensors", ".pth", ".pt", ".tar")
_COUNTER = ".num_batches_tracked"  # of batch normalisation; nothing here reads it, and files of old lack it


def load_weights(module: nn.Module, path: str | Path, training_only: tuple[str, ...] = ()) -> None:
    """Copy a checkpoint's tensors into ``module``; names with the prefix ``module.`` (DataParallel) are accepted.

    ``.safetensors`` holds tensors only; ``.pth``, ``.pt`` and ``.tar`` are pickles, read with ``weights_only=True``,
    which refuses code instead of running it.

    Args:
        module: every tensor of its state must be in the file.
        path: the file.
        training_only: beginnings of the names that the file may hold besides, of networks that serve training.

    Raises:
        UserError: missing, no weights, or names, shapes or values that do not fit.
    """
    path = Path(path).expanduser()
    expected = {name: tensor for name, tensor in module.state_dict().items() if not name.endswith(_COUNTER)}
    tensors = {
        name: tensor
        for name, tensor in ((key.removeprefix("module."), value) for key, value in read_tensors(path).items())
        if name in expected or (not name.startswith(training_only) and not name.endswith(_COUNTER))
    }
    fix = f"use a checkpoint of {type(module).__name__}"
    for name in expected:
        if name not in tensors:
            raise UserError(f"{path} has no tensor {name!r}; {fix}")
    for name, tensor in tensors.items():
        if name not in expected:
            raise UserError(f"{path} has a tensor {name!r} that is not expected; {fix}")
        if tensor.shape != expected[name].shape:
            found, wanted = tuple(tensor.shape), tuple(expected[name].shape)
            raise UserError(f"{path}: {name!r} has shape {found}, expected {wanted}; {fix}")
        if not tensor.is_floating_point() or not torch.isfinite(tensor).all():
            raise UserError(f"{path}: {name!r} holds values that are not finite floating-point numbers; {fix}")
    # SGZ's own checkpoint is 58 % subnormal numbers, which make a CPU several times slower and no pixel brighter.
    tiny = torch.finfo(torch.float32).tiny
    flushed = {name: tensor.where(tensor.abs() >= tiny, 0.0) for name, tensor in tensors.items()}
    module.load_state_dict(flushed, strict=False)  # all but the counters, as was seen to above


_KEY = "sgz-bench"  # one key, as safetensors writes several in no certain order


def metadata_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Metadata of a safetensors file that :func:`read_metadata` reads back."""
    return {_KEY: json.dumps(dict(values), sort_keys=True)}


def read_metadata(file: Any) -> dict[str, Any]:
    """What we noted in an opened safetensors file; empty where it is not ours.

    Raises:
        ValueError: it is damaged.
    """
    found: dict[str, Any] = json.loads((file.metadata() or {}).get(_KEY, "{}"))
    return found


def trained_scale(path: str | Path, default: int = 1) -> int:
    """The scale that ``sgz-bench train`` noted in a file, or ``default``."""
    path = Path(path).expanduser()
    if path.suffix != ".safetensors" or not path.is_file():
        return default
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return max(int(read_metadata(file).get("scale", default)), 1)
    except (safetensors.SafetensorError, OSError, ValueError, TypeError):
        return default  # loading the weights says what is wrong


def read_tensors(path: Path) -> dict[str, Tensor]:
    """A state dict, by itself or under ``params`` as BasicSR saves it, read without executing anything.

    Raises:
        UserError: missing, or no state dict.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path}: weights are read from {', '.join(SUFFIXES)}; convert it to one of them")
    if not path.is_file():
        raise UserError(f"{path}: no such file; give the path of a checkpoint")
    try:
        if path.suffix == ".safetensors":
            state: object = safetensors.torch.load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch's remarks on a damaged pickle; the error says it all
                state = torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; check its permissions") from error
    except Exception as error:  # damage shows as any of a dozen classes, a refused pickle as UnpicklingError
        raise UserError(
            f"{path} is damaged or no file of plain weights ({type(error).__name__}; code in it was not run);"
            " get it again, or save a state dict as .safetensors"
        ) from error
    if isinstance(state, dict) and isinstance(state.get("params"), dict):
        state = state["params"]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise UserError(f"{path} holds no state dict (names to tensors); save model.state_dict()")
    return {str(name): tensor for name, tensor in state.items()}
