"""Choice of the engine that runs an enhancer on 8-bit images, and the check of its results."""

from __future__ import annotations

from textwrap import shorten
from typing import Literal

import numpy as np

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.images import Image, to_tensor, to_uint8
from sgz_bench.core.registry import suggest

from ..base import Engine, Enhancer
from ..composites import Composite

Precision = Literal["fp32", "bf16", "fp16"]
ENGINES = ("auto", "eager", "torch", "compile", "fused", "onnxruntime", "openvino")
PRECISIONS = ("fp32", "bf16", "fp16")
_CHECKED_SIZE = 283, 331  # height and width of the images that check an engine: larger than a tile, and odd


def use_engine(enhancer: Enhancer, device: str, engine: str = "auto", precision: str = "fp32") -> Enhancer:
    """Move an enhancer to a device and let an engine run its ``enhance_image``.

    An engine's results must lie within one 8-bit level of those of ``eager``; this is checked here on a dark and a
    bright image. (With bf16 and fp16, a value in a million may differ by two levels on other images.) A method without
    a network, such as ``clahe``, runs the same way under every engine.

    Args:
        enhancer: modified in place; the engine copies its present weights.
        device: ``cpu`` or ``cuda:N``.
        engine: ``eager``: the method step by step in PyTorch; ``torch``: the same in channels-last layout, on a CPU in
            tiles; ``compile``: the latter by ``torch.compile``; ``fused``: custom machine code for SGZ's network and
            curve on a CPU; ``onnxruntime``, ``openvino``: the exported graph on a CPU; ``auto``: ``fused`` where it
            applies, else ``eager``, whatever packages are installed.
        precision: ``fp32``; ``bf16`` for torch, compile and openvino; ``fp16`` for torch and compile.

    Returns:
        The enhancer.

    Raises:
        UserError: unknown engine or precision, an engine that cannot run this enhancer, or results that differ by more
            than one level.
    """
    if isinstance(enhancer, Composite):
        use_engine(enhancer.inner, device, engine, precision)
        return enhancer.to(device)
    name = _chosen(enhancer, device, engine, precision)
    enhancer.to(device).engine = None
    if name is None:
        return enhancer
    try:
        runner = _create(enhancer, device, name, precision)
        if runner is not None:
            _check_results(enhancer, runner, device)
    except UserError:
        raise
    except Exception as error:  # plugins, compilers and graph runtimes have their own exception classes
        reason = shorten(in_one_line(error), 200, placeholder=" …")
        raise UserError(f"the engine {engine} cannot run {enhancer.spec} ({reason}); use --engine eager") from error
    enhancer.engine = runner
    return enhancer


def engine_of(enhancer: Enhancer) -> str:
    """Return the label of the engine that runs an enhancer's network; empty for a method without a network."""
    if isinstance(enhancer, Composite):
        return engine_of(enhancer.inner)
    if enhancer.engine is not None:
        return enhancer.engine.label
    return "eager fp32" if _has_network(enhancer) else ""


def planned_engine(enhancer: Enhancer, device: str, engine: str = "auto", precision: str = "fp32") -> str:
    """Return what :func:`engine_of` will return after :func:`use_engine`, without creating the engine.

    Raises:
        UserError: unknown engine or precision, or an engine that cannot run this enhancer; what only a run shows, such
            as a missing package, is not checked.
    """
    if isinstance(enhancer, Composite):
        return planned_engine(enhancer.inner, device, engine, precision)
    name = _chosen(enhancer, device, engine, precision)
    return "" if name is None else f"{name} {precision}"


def packages_of(enhancer: Enhancer) -> tuple[str, ...]:
    """Return the packages besides PyTorch whose versions decide the bits of an enhancer's results."""
    if isinstance(enhancer, Composite):
        return packages_of(enhancer.inner)
    return enhancer.engine.packages if enhancer.engine is not None else ()


def _has_network(enhancer: Enhancer) -> bool:
    return any(True for _ in enhancer.parameters())


def _chosen(enhancer: Enhancer, device: str, engine: str, precision: str) -> str | None:
    """Return the engine that ``auto`` stands for, or the named one; None for a method without a network.

    Raises:
        UserError: unknown engine or precision, or an engine that cannot run this enhancer.
    """
    from .fused import can_be_fused

    if engine not in ENGINES:
        raise UserError(f"unknown engine {engine!r}{suggest(engine, list(ENGINES))}")
    if precision not in PRECISIONS:
        raise UserError(f"unknown precision {precision!r}{suggest(precision, list(PRECISIONS))}")
    if not _has_network(enhancer):
        return None
    requested = engine
    if engine == "auto":
        engine = "fused" if device == "cpu" and precision == "fp32" and can_be_fused(enhancer) else "eager"
    allowed = {"torch": PRECISIONS, "compile": PRECISIONS, "openvino": ("fp32", "bf16")}.get(engine, ("fp32",))
    if precision not in allowed:
        raise UserError(
            f"--engine {requested} computes in {' or '.join(allowed)}, not {precision}; {precision} needs --engine"
            f" {'torch, compile or openvino' if precision == 'bf16' else 'torch or compile'}"
        )
    if engine == "eager":
        return engine
    if type(enhancer).enhance_image is not Enhancer.enhance_image or type(enhancer).forward is not Enhancer.forward:
        raise UserError(f"{enhancer.spec} overrides enhance_image or forward; use --engine eager")
    if engine not in {"torch", "compile"} and device != "cpu":
        raise UserError(f"the engine {engine} runs on the CPU only; use --device cpu, or --engine torch")
    if engine == "fused" and not can_be_fused(enhancer):
        raise UserError(f"the engine fused runs sgz and zero-dce-pp, not {enhancer.spec}; use --engine auto or torch")
    return engine


def _create(enhancer: Enhancer, device: str, engine: str, precision: str) -> Engine | None:
    """Create an engine by name; None for ``eager``."""
    if engine == "eager":
        return None
    if engine in {"torch", "compile"}:
        from .pytorch import Compiled, Torch

        return (Compiled if engine == "compile" else Torch)(enhancer, device, precision)
    if engine == "fused":
        from .fused import Fused

        return Fused(enhancer)
    from .graph import OnnxRuntime, OpenVino

    return OpenVino(enhancer, precision) if engine == "openvino" else OnnxRuntime(enhancer)


def _check_results(enhancer: Enhancer, engine: Engine, device: str) -> None:
    """Refuse an engine whose results differ from the method's own by more than one 8-bit level."""
    dark = sample_image(*_CHECKED_SIZE)
    for image in (dark, np.minimum(dark, 127) * 2):
        expected = to_uint8(enhancer(to_tensor(image, device)))
        difference = int(np.abs(engine(image).astype(int) - expected).max())
        if difference > 1:
            fix = "--engine eager" if engine.precision == "fp32" else "--precision fp32"
            raise UserError(
                f"{engine.label} gives {enhancer.spec} results that are off by {difference} levels; use {fix} for it"
            )


def sample_image(height: int, width: int) -> Image:
    """Draw a dark image with gradients, edges and noise, the same at every call, to check an engine with."""
    y, x = np.mgrid[:height, :width]
    gradients = np.stack([x / width, y / height, (x + y) / (width + height)], axis=2)
    noise = np.random.default_rng(0).normal(0, 0.02, (height, width, 3))
    levels = 0.35 * gradients**2 + 0.15 * ((x // 16 + y // 16) % 2)[..., None] + noise
    return np.asarray(np.clip(255 * levels, 0, 255).round(), dtype=np.uint8)
