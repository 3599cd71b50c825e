"""One interface to whatever runs an enhancer on 8-bit images, and the choice among them."""

from __future__ import annotations

from textwrap import shorten
from typing import Literal

import numpy as np

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.images import Image, to_tensor, to_uint8
from sgz_bench.core.registry import suggest

from ..base import Engine, Enhancer

Precision = Literal["fp32", "bf16", "fp16"]
ENGINES = ("auto", "eager", "torch", "compile", "fused", "onnxruntime", "openvino")
PRECISIONS = ("fp32", "bf16", "fp16")
_TRIED = 283, 331  # height and width of the picture that an engine is tried on: larger than a tile, and odd


def use_engine(enhancer: Enhancer, device: str, engine: str = "auto", precision: str = "fp32") -> Enhancer:
    """Move an enhancer to a device and have its ``enhance_image`` run by an engine.

    Whatever an engine does, its results lie within one 8-bit level of the method's own steps (``eager``): that is
    tried here, on a dark picture and a bright one. (In bf16 and fp16 a value in a million may still be two levels off
    on others.) What has no network (``clahe``) is computed as it is under every engine.

    Args:
        enhancer: is changed; an engine takes its weights as they are now.
        device: ``cpu`` or ``cuda:N``.
        engine: ``eager``, the method step by step in PyTorch; ``torch``, the same in PyTorch's faster memory layout and
            in tiles; ``compile``, that by ``torch.compile``; ``fused``, machine code of our own for SGZ's network
            and curve on a CPU; ``onnxruntime`` and ``openvino``, the exported graph on a CPU; ``auto``, ``fused``
            where there is one, else ``eager``, whatever else is installed.
        precision: ``fp32``; ``bf16`` for torch, compile and openvino; ``fp16`` for torch and compile.

    Returns:
        The enhancer.

    Raises:
        UserError: an unknown engine or precision, one that cannot run this enhancer, or results that are further off.
    """
    if engine not in ENGINES:
        raise UserError(f"unknown engine {engine!r}{suggest(engine, list(ENGINES))}")
    if precision not in PRECISIONS:
        raise UserError(f"unknown precision {precision!r}{suggest(precision, list(PRECISIONS))}")
    enhancer.to(device).engine = None
    if not _has_network(enhancer):
        return enhancer
    try:
        found = _create(enhancer, device, engine, precision)
        if found is not None:
            _refuse_other_results(enhancer, found, device)
    except UserError:
        raise
    except Exception as error:  # of a plugin, a compiler or a graph's engine, each with classes of its own
        reason = shorten(in_one_line(error), 200, placeholder=" …")
        raise UserError(f"the engine {engine} cannot run {enhancer.spec} ({reason}); use --engine eager") from error
    enhancer.engine = found
    return enhancer


def engine_of(enhancer: Enhancer) -> str:
    """The label of the engine that runs an enhancer's network; empty for a method without one."""
    if enhancer.engine is not None:
        return enhancer.engine.label
    return "eager fp32" if _has_network(enhancer) else ""


def packages_of(enhancer: Enhancer) -> tuple[str, ...]:
    """The packages besides PyTorch whose versions decide the bits that an enhancer's engine gives."""
    return enhancer.engine.packages if enhancer.engine is not None else ()


def _has_network(enhancer: Enhancer) -> bool:
    return any(True for _ in enhancer.parameters())


def _create(enhancer: Enhancer, device: str, engine: str, precision: str) -> Engine | None:
    from .fused import Fused, can_be_fused

    asked = engine
    if engine == "auto":
        engine = "fused" if device == "cpu" and precision == "fp32" and can_be_fused(enhancer) else "eager"
    possible = {"torch": PRECISIONS, "compile": PRECISIONS, "openvino": ("fp32", "bf16")}.get(engine, ("fp32",))
    if precision not in possible:
        raise UserError(
            f"--engine {asked} computes in {' or '.join(possible)}, not {precision}; {precision} needs --engine"
            f" {'torch, compile or openvino' if precision == 'bf16' else 'torch or compile'}"
        )
    if engine == "eager":
        return None
    if type(enhancer).enhance_image is not Enhancer.enhance_image or type(enhancer).forward is not Enhancer.forward:
        raise UserError(f"{enhancer.spec} enhances images in a way of its own; use --engine eager")
    if engine in {"torch", "compile"}:
        from .pytorch import Compiled, Torch

        return (Compiled if engine == "compile" else Torch)(enhancer, device, precision)
    if device != "cpu":
        raise UserError(f"the engine {engine} runs on the CPU; use --device cpu, or the engine torch")
    if engine == "fused":
        if not can_be_fused(enhancer):
            raise UserError(f"the engine fused runs sgz and zero-dce-pp, not {enhancer.spec}; use auto or torch")
        return Fused(enhancer)
    from .graph import OnnxRuntime, OpenVino

    return OpenVino(enhancer, precision) if engine == "openvino" else OnnxRuntime(enhancer)


def _refuse_other_results(enhancer: Enhancer, engine: Engine, device: str) -> None:
    dark = sample_image(*_TRIED)
    for image in (dark, np.minimum(dark, 127) * 2):
        wanted = to_uint8(enhancer(to_tensor(image, device)))
        off = int(np.abs(engine(image).astype(int) - wanted).max())
        if off > 1:
            way_out = "--engine eager" if engine.precision == "fp32" else "--precision fp32"
            raise UserError(
                f"{engine.label} gives {enhancer.spec} results that are off by {off} levels; use {way_out} for it"
            )


def sample_image(height: int, width: int) -> Image:
    """A dark picture with slopes, edges and noise, the same at every call, to try an engine on."""
    y, x = np.mgrid[:height, :width]
    slopes = np.stack([x / width, y / height, (x + y) / (width + height)], axis=2)
    noise = np.random.default_rng(0).normal(0, 0.02, (height, width, 3))
    levels = 0.35 * slopes**2 + 0.15 * ((x // 16 + y // 16) % 2)[..., None] + noise
    return np.asarray(np.clip(255 * levels, 0, 255).round(), dtype=np.uint8)
