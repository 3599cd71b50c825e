"""Weight files: loading from untrusted checkpoints, and our metadata in them."""

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
from sgz_bench.core.files import refuse_zip_bomb

SUFFIXES = (".safetensors", ".pth", ".pt", ".tar")
_COUNTER = ".num_batches_tracked"  # of batch normalisation; unused here, and missing in old files


def load_weights(module: nn.Module, path: str | Path, training_only: tuple[str, ...] = ()) -> None:
    """Copy a checkpoint's tensors into ``module``; the prefix ``module.`` of names (DataParallel) is removed.

    ``.safetensors`` files hold tensors only; ``.pth``, ``.pt`` and ``.tar`` files are pickles, read with
    ``weights_only=True``, which refuses code instead of running it.

    Args:
        module: target; the file must hold every tensor of its state.
        path: checkpoint file.
        training_only: name prefixes of tensors that the file may hold in addition, of networks used in training alone.

    Raises:
        UserError: the file is missing or holds no weights, or names, shapes or values do not fit.
    """
    path = Path(path).expanduser()
    expected = {name: tensor for name, tensor in module.state_dict().items() if not name.endswith(_COUNTER)}
    tensors = {
        name: tensor
        for name, tensor in ((key.removeprefix("module."), value) for key, value in read_tensors(path).items())
        if name in expected or (not name.startswith(training_only) and not name.endswith(_COUNTER))
    }
    fix = f"use a checkpoint of {type(module).__name__}, the network of {_enhancer_of(module)}"
    for name in expected:
        if name not in tensors:
            raise UserError(f"{path} has no tensor {name!r}; {fix}")
    for name, tensor in tensors.items():
        if name not in expected:
            raise UserError(f"{path} has a tensor {name!r} that is not expected; {fix}")
        if tensor.shape != expected[name].shape:
            shapes = f"has shape {tuple(tensor.shape)}, expected {tuple(expected[name].shape)}"
            raise UserError(f"{path}: {name!r} {shapes}; {fix}")
        if not tensor.is_floating_point() or not torch.isfinite(tensor).all():
            raise UserError(f"{path}: {name!r} holds values that are not finite floating-point numbers; {fix}")
    # 58 % of SGZ's upstream weights are subnormal numbers: they slow a CPU down several times and change no pixel.
    tiny = torch.finfo(torch.float32).tiny
    flushed = {name: tensor.where(tensor.abs() >= tiny, 0.0) for name, tensor in tensors.items()}
    module.load_state_dict(flushed, strict=False)  # not strict: counters may be missing; all else was checked above


def _enhancer_of(module: nn.Module) -> str:
    """Return the name of the enhancer whose package or module defines a network."""
    parts = [part for part in type(module).__module__.split(".") if part not in {"learned", "network"}]
    return parts[-1].replace("_", "-")


_KEY = "sgz-bench"  # a single key: safetensors writes several in arbitrary order


def metadata_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Return metadata for a safetensors file, which :func:`read_metadata` reads back."""
    return {_KEY: json.dumps(dict(values), sort_keys=True)}


def read_metadata(file: Any) -> dict[str, Any]:
    """Read our metadata in an opened safetensors file; empty for files of others.

    Raises:
        ValueError: the metadata is damaged.
    """
    metadata: dict[str, Any] = json.loads((file.metadata() or {}).get(_KEY, "{}"))
    return metadata


def trained_scale(path: str | Path, default: int = 1) -> int:
    """Return the scale that ``sgz-bench train`` wrote into a file, or ``default``."""
    path = Path(path).expanduser()
    if path.suffix != ".safetensors" or not path.is_file():
        return default
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return max(int(read_metadata(file).get("scale", default)), 1)
    except (safetensors.SafetensorError, OSError, ValueError, TypeError):
        return default  # loading the weights raises the error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a state dict, at top level or under ``params`` as in BasicSR, without executing code.

    Raises:
        UserError: the file is missing or damaged, or holds no state dict.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path}: weights must be in a {', '.join(SUFFIXES)} file; convert it")
    if not path.is_file():
        raise UserError(f"{path}: no such file; give the path of a checkpoint")
    refuse_zip_bomb(path)
    try:
        if path.suffix == ".safetensors":
            state: object = safetensors.torch.load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch warns of damaged pickles before it raises
                state = torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; check its permissions") from error
    except Exception as error:  # damage raises any of a dozen classes, a refused pickle UnpicklingError
        raise UserError(
            f"{path} is damaged or no file of plain weights ({type(error).__name__}; its code was not run);"
            " get it again, or save a state dict as .safetensors"
        ) from error
    if isinstance(state, dict) and isinstance(state.get("params"), dict):
        state = state["params"]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise UserError(f"{path} holds no state dict (names to tensors); save model.state_dict()")
    return {str(name): tensor for name, tensor in state.items()}
