"""Training an enhancer by a recipe, on accelerate: resumable to the bit on a CPU."""

from __future__ import annotations

import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, current_thread, main_thread
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sgz_bench.core.device import cpu_threads
from sgz_bench.core.errors import UserError
from sgz_bench.core.images import to_uint8, write_image

from ..sgz.curve import apply_curve
from ..sgz.network import FactorNetwork, factor_map
from . import losses
from .recipe import Recipe
from .sci import Cascade, stage_losses
from .state import Log, load_state, save_state, save_weights
from .views import Batches, Pictures

if TYPE_CHECKING:
    from accelerate import Accelerator

Say = Callable[[int, int, Mapping[str, float]], None]  # steps done, steps in all, loss parts
_SHEET = 6  # sample pictures on a sheet


class CurveModel(nn.Module):
    """A network whose output is applied as a curve.

    Called with images ``(B, 3, H, W)`` to enhance at the recipe's scale, and perhaps others that are small already.
    Returns the enhanced images, their factor maps, and the others enhanced.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            if recipe.network == "zero-dce":
                from ..learned.zero_dce import ZeroDceNetwork

                self.network: nn.Module = ZeroDceNetwork()
            else:
                self.network = FactorNetwork()
            if recipe.init is not None:
                _initialise(self.network, recipe.init)
        self.scale = recipe.scale

    def forward(self, image: Tensor, small: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        factor = factor_map(self.network, image, self.scale)
        others = None if small is None else apply_curve(small, self.network(small))
        return apply_curve(image, factor), factor, others


def _model(recipe: Recipe) -> CurveModel | Cascade:
    return Cascade(recipe.seed) if recipe.network == "sci" else CurveModel(recipe)


def _initialise(network: nn.Module, how: float | str) -> None:
    """See ``Recipe.init``; biases stay as PyTorch has them unless signals are kept in size."""
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    for layer in convolutions:
        if isinstance(how, float | int):
            nn.init.normal_(layer.weight, std=float(how))
            continue
        linear = layer.groups > 1  # depthwise, with no ReLU before the 1×1 convolution
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear" if linear else "relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    if how == "he":
        with torch.no_grad():
            convolutions[-1].weight.mul_(0.1)


@dataclass(frozen=True)
class Progress:
    """How a training ended.

    Attributes:
        weights: the file.
        step: steps done.
        validation: parts of the loss on held-out pictures at the end.
        problems: file → why it was passed over.
    """

    weights: Path
    step: int
    validation: dict[str, float]
    problems: dict[str, str]


def objective(
    model: nn.Module, recipe: Recipe, guidance: nn.Module | None, dark: Tensor, better: Tensor
) -> dict[str, Tensor]:
    """The weighted parts of the loss of one batch; what has weight 0 is not computed.

    Args:
        model: a :class:`CurveModel`, or for SCI a :class:`Cascade`.
        recipe: weights and settings.
        guidance: of ``semantic``.
        dark, better: ``(B, 3, H, W)``, views to enhance and their better-lit ones.
    """
    weights, count = recipe.losses, len(dark)
    if recipe.network == "sci":
        terms = stage_losses(model(dark)[1])
        return {name: getattr(weights, name) * term for name, term in terms.items() if getattr(weights, name)}
    # What concerns the curve alone is judged on a small image: an average, where factor_map takes samples.
    small = F.interpolate(better, scale_factor=1 / recipe.scale, mode="area")
    others = [small] if weights.identity else []
    others += [small.mean(dim=1, keepdim=True).expand_as(small)] if weights.neutrality else []
    enhanced, factor, rest = model(dark, torch.cat(others) if others else None)
    parts: dict[str, Tensor] = {}
    if weights.tv:
        parts["tv"] = losses.total_variation(factor)
    if weights.spatial:
        parts["spatial"] = losses.spatial_consistency(enhanced, dark, patch=recipe.patch, diagonal=recipe.diagonal)
    if weights.color:
        parts["color"] = losses.color_constancy(enhanced)
    if weights.exposure:
        parts["exposure"] = losses.exposure(enhanced, level=recipe.exposure_level)
    if weights.semantic and guidance is not None:
        parts["semantic"] = guidance(enhanced, better)
    if weights.identity:
        parts["identity"] = losses.identity(rest[:count], small)
    if weights.neutrality:
        parts["neutrality"] = losses.neutrality(rest[-count:])
    return {name: getattr(weights, name) * part for name, part in parts.items()}


def train(
    recipe: Recipe,
    pictures: Pictures,
    guidance: nn.Module | None,
    out: Path,
    *,
    device: str = "cpu",
    provenance: Mapping[str, Any] | None = None,
    say: Say = lambda _done, _all, _parts: None,
) -> Progress:
    """Train, or go on where ``out`` stopped; ends with ``out/model.safetensors``.

    Args:
        recipe: what to do.
        pictures: on which.
        guidance: what judges; None without a semantic term.
        out: folder of state, log, sheets and weights.
        device: ``cpu`` or ``cuda…``.
        provenance: is kept in the weights' metadata; ``licence`` is shown by ``sgz-bench doctor weights``.
        say: is told of every step.

    Raises:
        UserError: ``out`` holds another training or cannot be written, no picture can be decoded, or the loss is no
            longer finite.
        KeyboardInterrupt: it was stopped; the state is that of the last step, or of the last one saved if it was
            stopped at once.
    """
    with cpu_threads(recipe.threads), _finishing_steps() as stop:
        return _train(recipe, pictures, guidance, out, device, provenance or {}, say, stop)


@contextmanager
def _finishing_steps() -> Iterator[Event]:
    """Is set by Ctrl-C or SIGTERM, which thus wait for the end of a step; a second one does not wait."""
    stop = Event()
    if current_thread() is not main_thread():  # others are not told of signals
        yield stop
        return

    def heed(number: int, _frame: object) -> None:
        stop.set()
        print("stopping at the end of this step; again to stop at once", file=sys.stderr)
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, heed) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _train(
    recipe: Recipe,
    pictures: Pictures,
    guidance: nn.Module | None,
    out: Path,
    device: str,
    provenance: Mapping[str, Any],
    say: Say,
    stop: Event,
) -> Progress:
    from accelerate import Accelerator

    if device.startswith("cuda") and "RANK" not in os.environ:
        torch.cuda.set_device(device)
    accelerator = Accelerator(mixed_precision=recipe.precision, cpu=device == "cpu")
    origin = dict(provenance) | {"processes": accelerator.num_processes}
    steps = _steps(recipe, pictures, accelerator.num_processes)
    model = _model(recipe)
    optimizer = _optimizer(model, recipe)
    average = _model(recipe).requires_grad_(False).eval()
    average.load_state_dict(model.state_dict())
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out} cannot be made ({error.strerror or error}); choose another folder") from error
    step = load_state(out / "state.safetensors", recipe, origin, model, average, optimizer)
    model, optimizer = accelerator.prepare(model, optimizer)
    average.to(accelerator.device)
    guidance = guidance.to(accelerator.device) if guidance is not None else None
    batches = Batches(pictures.train, recipe.views, recipe.batch, recipe.seed)
    checks = Batches(pictures.held_out, recipe.views, 16, recipe.seed)
    dark, better = checks(2**31)
    held_out = dark.to(accelerator.device), better.to(accelerator.device)
    logger = Log(out, step) if accelerator.is_main_process else None

    while step < steps:
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * _rate(recipe, step, steps)
        dark, better = (view.to(accelerator.device) for view in batches(step, accelerator.process_index))
        with accelerator.autocast():
            parts = objective(model, recipe, guidance, dark, better)
        total = torch.stack([part.float() for part in parts.values()]).sum()
        accelerator.backward(total)
        accelerator.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        optimizer.zero_grad()
        values = {name: float(part.detach()) for name, part in parts.items()}
        if not math.isfinite(sum(values.values())):
            raise UserError(f"the loss is no longer finite at step {step + 1} ({values}); lower lr")
        plain = accelerator.unwrap_model(model)
        _blend(average, plain, recipe.ema * (1 - math.exp(-step / 100)))
        step += 1
        if logger is not None:
            say(step, steps, values)
            checked = step == steps or step % recipe.validate_every == 0
            validation = validate(average, recipe, guidance, held_out) if checked else {}
            logger.add(step, values, validation)
            if step % recipe.sheet_every == 0 or step == steps:
                _sheet(average, held_out[0][:_SHEET], out / "sheets" / f"{step:06d}.jpg")
        stopped = step < steps and _any_was_told(accelerator, stop)
        if logger is not None and (step % recipe.save_every == 0 or step == steps or stopped):
            save_state(out / "state.safetensors", recipe, origin, step, plain, average, optimizer)
        if stopped:
            accelerator.wait_for_everyone()  # for the state: launchers end the others as soon as one process leaves
            raise KeyboardInterrupt
    accelerator.wait_for_everyone()
    weights = out / "model.safetensors"
    if accelerator.is_main_process:
        save_weights(weights, average.network, recipe, step, origin)
    problems = pictures.problems | checks.problems | batches.problems
    return Progress(weights, step, validate(average, recipe, guidance, held_out), problems)


def _any_was_told(accelerator: Accelerator, stop: Event) -> bool:
    """Whether any process was told to stop, which all of them thus learn at the same step.

    Signals reach them at different moments, and one that leaves alone lets the others wait for its gradients.
    """
    if accelerator.num_processes == 1:
        return stop.is_set()
    told = torch.tensor(float(stop.is_set()), device=accelerator.device)
    return bool(accelerator.reduce(told, "sum") > 0)


@torch.no_grad()
def validate(
    model: nn.Module, recipe: Recipe, guidance: nn.Module | None, views: tuple[Tensor, Tensor]
) -> dict[str, float]:
    """The parts of the loss on views of held-out pictures, which are the same at every step."""
    each = [objective(model, recipe, guidance, a[None], b[None]) for a, b in zip(*views, strict=True)]
    return {name: float(torch.stack([parts[name] for parts in each]).mean()) for name in each[0]}


def _steps(recipe: Recipe, pictures: Pictures, processes: int) -> int:
    if recipe.steps is not None:
        return recipe.steps
    return math.ceil((recipe.epochs or 1) * len(pictures.train) / (recipe.batch * processes))


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    kind = torch.optim.AdamW if recipe.decoupled else torch.optim.Adam
    return kind(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)


def _rate(recipe: Recipe, step: int, steps: int) -> float:
    """Factor of the learning rate."""
    if recipe.schedule == "constant":
        return 1.0
    rising = round(0.3 * steps) if recipe.schedule == "one-cycle" else min(50, steps // 10)
    if step < rising:
        return (step + 1) / rising
    return 0.01 + 0.99 * (1 + math.cos(math.pi * (step - rising) / max(steps - rising, 1))) / 2


def _blend(average: nn.Module, model: nn.Module, keep: float) -> None:
    """``average ← keep · average + (1 − keep) · model``; running statistics of normalisations are the model's."""
    with torch.no_grad():
        for mine, theirs in zip(average.parameters(), model.parameters(), strict=True):
            mine.mul_(keep).add_(theirs, alpha=1 - keep)
        for kept, current in zip(average.buffers(), model.buffers(), strict=True):
            kept.copy_(current)


def _sheet(model: nn.Module, dark: Tensor, path: Path) -> None:
    """Views above, their enhanced forms below."""
    with torch.no_grad():
        enhanced = model(dark)[0].clamp(0, 1)
    rows = [torch.cat(list(each), dim=2) for each in (dark, enhanced)]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, to_uint8(torch.cat(rows, dim=1)[None].cpu()))
